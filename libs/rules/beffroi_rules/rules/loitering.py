"""`loitering`: a person stays for a threshold within a radius of one point of a sensitive zone (docs/rules.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pydantic import Field

from beffroi_common.contracts import Alert, CloseReason
from beffroi_rules import events
from beffroi_rules.primitives import schedule, stay
from beffroi_rules.primitives.geometry import contains, foot_of, place_of
from beffroi_rules.primitives.schedule import Hours
from beffroi_rules.primitives.sightings import Sighting
from beffroi_rules.primitives.stay import Anchor
from beffroi_rules.primitives.times import seconds, to_us
from beffroi_rules.primitives.visits import Following, Takeover, Visit, carried, follow
from beffroi_rules.rule import Parameters, Role, Rule, State, ZoneKind
from beffroi_rules.scene import Scene
from beffroi_rules.shapes import POLYGON
from beffroi_rules.words import FieldWords, RuleWords

ZONE = "zone"
SETTLING_S = 0.4
"""Stable time of entering (docs/rules.md): who only touches the zone's edge was never in."""


class LoiteringParameters(Parameters):
    """What can be set."""

    threshold_s: float = Field(default=60.0, ge=5.0, le=3600.0, json_schema_extra={"x-step": 5})
    """A minute: who waits for a bus or a friend stays longer, who passes does not stay half of it."""
    radius_height: float = Field(default=0.10, gt=0.0, le=1.0, json_schema_extra={"x-step": 0.01})
    """Radius of the stay as a fraction of the picture's height: about two steps of a person in the middle of it."""
    gap_s: float = Field(default=3.0, ge=0.0, le=30.0, json_schema_extra={"x-step": 0.5})
    """Longest absence that does not end a stay: somebody passes before, or the model misses a few pictures."""
    schedule: Hours | None = None
    """None: at all hours."""

    @property
    def longest_gap_s(self) -> float:
        """See `Parameters`."""
        return self.gap_s

    def reason_to_pause(self, at: datetime) -> CloseReason | None:
        """See `Parameters`."""
        return schedule.outside(self.schedule, at)


class Stay(Visit):
    """One person in the zone, with where they once stood."""

    anchors: tuple[Anchor, ...] = ()
    alert: Alert | None = None
    """The open alert, as last said."""


class LoiteringState(State):
    """The persons in the zone."""

    visits: tuple[Stay, ...] = ()


_Scene = Scene[LoiteringParameters]


def step(state: LoiteringState, scene: _Scene) -> tuple[LoiteringState, tuple[Alert, ...]]:
    """Carry the visits of the zone over one picture."""
    following = follow(state.visits, scene.present, scene.known, scene.now_us)
    present = [visit for each in state.visits for visit in _told_apart(each, following, scene)]
    followed = {each.track for each in following.pairs.values()} | {visit.track for visit, *_ in present}
    kept: list[Stay] = []
    alerts: list[Alert] = []
    for visit, seen, undone in present:
        after, said = _carry(visit, seen, undone, scene)
        alerts.extend(said)
        if after is not None:
            kept.append(after)
    kept.extend(_arrivals(scene, followed))
    lasting, over = _most(kept, scene.most_visits)
    alerts.extend(said for visit in over for said in _left(visit.alert, scene))
    return LoiteringState(visits=lasting), tuple(alerts)


def _most(visits: Sequence[Stay], most: int) -> tuple[tuple[Stay, ...], tuple[Stay, ...]]:
    """The visits that are remembered, and those that are one too many: the last to be seen are the first to stay.

    Whoever has an alert goes before everybody else.
    """
    if len(visits) <= most:
        return tuple(visits), ()
    ranked = sorted(visits, key=lambda each: (each.alert is None, -each.seen_us, each.entered_us, each.first_track))
    return tuple(ranked[:most]), tuple(ranked[most:])


_Present = tuple[Stay, Sighting | None, Takeover | None]
"""A visit, who goes on with it, and the takeover that is undone."""


def _told_apart(visit: Stay, following: Following, scene: _Scene) -> Iterator[_Present]:
    """The visit; two, where whoever had vanished is there again beside whoever had gone on with it."""
    undone = following.undone.get(visit.id)
    if undone is None:
        yield visit, following.pairs.get(visit.id), None
        return
    other = following.others.get(visit.id)
    theirs = None if other is None else _begun_by_takeover(visit, other, scene)
    yield _without(visit, undone, keeps_alert=theirs is None or theirs.alert is None), following.pairs[visit.id], undone
    if theirs is not None:
        yield theirs, other, None


def _begun_by_takeover(visit: Stay, holder: Sighting, scene: _Scene) -> Stay | None:
    """The holder's own visit since they took this one over; None: that was not in the zone."""
    takeover = visit.takeovers[-1]
    foot = foot_of(takeover.box)
    if not contains(scene.zones[ZONE].points, foot):
        return None
    alert = visit.alert
    place = place_of(foot, scene.aspect)
    return Stay(
        first_track=takeover.by,
        track=takeover.by,
        box=takeover.box,
        place=place,
        size=holder.size,
        seen_us=visit.seen_us,
        entered_us=takeover.at_us,
        anchors=(Anchor(at_us=takeover.at_us, place=place),),
        alert=alert if alert is not None and to_us(alert.onset) >= takeover.at_us else None,
    )


def _without(visit: Stay, undone: Takeover, *, keeps_alert: bool) -> Stay:
    """The visit without what somebody else did in it."""
    since_us = undone.at_us

    def before(at_us: int | None) -> int | None:
        return at_us if at_us is not None and at_us < since_us else None

    anchors = tuple(
        each.model_copy(update={"away_since_us": before(each.away_since_us)})
        for each in visit.anchors
        if each.at_us < since_us
    )
    return visit.model_copy(
        update={
            "anchors": anchors,
            "outside_since_us": before(visit.outside_since_us),
            "alert": visit.alert if keeps_alert else None,
        }
    )


def _arrivals(scene: _Scene, followed: set[str]) -> Iterator[Stay]:
    for each in scene.present.values():
        if each.track not in followed and contains(scene.zones[ZONE].points, each.foot):
            yield Stay(
                first_track=each.track,
                track=each.track,
                box=each.box,
                place=each.place,
                size=each.size,
                seen_us=scene.now_us,
                entered_us=scene.now_us,
                anchors=(Anchor(at_us=scene.now_us, place=each.place),),
            )


def _carry(
    visit: Stay, seen: Sighting | None, undone: Takeover | None, scene: _Scene
) -> tuple[Stay | None, tuple[Alert, ...]]:
    after = _unseen(visit, scene) if seen is None else _seen(visit, seen, undone, scene)
    if after is None:
        return None, _left(visit.alert, scene)
    return (after, ()) if seen is None else _decide(after, scene)


def _unseen(visit: Stay, scene: _Scene) -> Stay | None:
    return visit if scene.now_us - visit.seen_us <= seconds(scene.parameters.gap_s) else None


def _seen(visit: Stay, seen: Sighting, undone: Takeover | None, scene: _Scene) -> Stay | None:
    """The visit with one more place, or None where it ended by leaving the zone."""
    inside = contains(scene.zones[ZONE].points, seen.foot)
    outside_since_us = None if inside else visit.outside_since_us or scene.now_us
    gap_us = seconds(scene.parameters.gap_s)
    if outside_since_us is not None and (not visit.settled or scene.now_us - outside_since_us > gap_us):
        return None
    anchors = visit.anchors
    if inside:
        anchors = stay.step(anchors, seen.place, scene.now_us, scene.parameters.radius_height, gap_us)
    return carried(visit, seen, undone, scene.now_us, gap_us).model_copy(
        update={
            "settled": visit.settled or scene.now_us - visit.entered_us >= seconds(SETTLING_S),
            "outside_since_us": outside_since_us,
            "anchors": anchors,
        }
    )


def _decide(visit: Stay, scene: _Scene) -> tuple[Stay, tuple[Alert, ...]]:
    threshold_us = seconds(scene.parameters.threshold_s)
    if visit.alert is None:
        anchor = stay.ripe(visit.anchors, scene.now_us, threshold_us)
        if anchor is None or visit.outside_since_us is not None or not visit.settled:
            return visit, ()
        return _say(visit, events.opened(scene, visit.id, visit.first_track, visit.box, anchor.at_us))
    if not stay.lasts(visit.anchors, scene.now_us, threshold_us):
        return visit.model_copy(update={"alert": None}), _left(visit.alert, scene)
    if not events.is_update_due(visit.alert, scene.now_us):
        return visit, ()
    return _say(visit, events.updated(visit.alert, visit.box, scene.now_us))


def _say(visit: Stay, alert: Alert) -> tuple[Stay, tuple[Alert, ...]]:
    return visit.model_copy(update={"alert": alert}), (alert,)


def _left(alert: Alert | None, scene: _Scene) -> tuple[Alert, ...]:
    return () if alert is None else (events.closed(alert, CloseReason.LEFT, scene.now_us),)


SENSITIVE = ZoneKind("sensitive", POLYGON, {"fr": "Lieu sensible", "en": "Sensitive place"})

RULE = Rule(
    name="loitering",
    analytic="loitering",
    classes=frozenset({"person"}),
    roles=(Role(ZONE, SENSITIVE, {"fr": "Zone surveillée", "en": "Watched zone"}),),
    parameters=LoiteringParameters,
    state=LoiteringState,
    step=step,
    words={
        "fr": RuleWords(
            "Présence prolongée",
            {
                "threshold_s": FieldWords("Durée", "secondes", "Temps passé au même endroit avant l’alerte."),
                "radius_height": FieldWords(
                    "Rayon", "part de la hauteur", "0,10 : un dixième de la hauteur de l’image."
                ),
                "gap_s": FieldWords(
                    "Absence tolérée", "secondes", "Une disparition plus courte n’interrompt pas la présence."
                ),
                **schedule.WORDS["fr"],
            },
        ),
        "en": RuleWords(
            "Loitering",
            {
                "threshold_s": FieldWords("Duration", "seconds", "Time spent in one place before the alert."),
                "radius_height": FieldWords("Radius", "share of the height", "0.10: a tenth of the picture’s height."),
                "gap_s": FieldWords("Absence tolerated", "seconds", "A shorter disappearance does not end the stay."),
                **schedule.WORDS["en"],
            },
        ),
    },
)
