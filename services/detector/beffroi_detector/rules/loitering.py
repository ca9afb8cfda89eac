"""`loitering`: a person stays for a threshold within a radius of one point of a sensitive zone (rules.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from beffroi_common.contracts import Alert, AlertState, CloseReason, LegalBasis, LoiteringRule, Zone

from . import stay
from .geometry import contains
from .state import Anchor, Visit, from_us, seconds, to_us
from .visits import Sighting, follow

ANALYTIC = "loitering"
LABEL = "person"
SETTLING_S = 0.4
"""Stable time of entering (rules.md): who only touches the zone's edge was never in."""
UPDATE_INTERVAL_S = 5.0
"""An open alert is said again so often while it lasts: often enough to see it live, seldom enough to read it."""
FIRST_PICTURE_S = 1.0
"""Who stands within so long of the first picture stood there before it; trackers need two pictures to be sure."""


@dataclass(frozen=True)
class Scene:
    """What one picture and one camera's configuration say to one rule on one zone."""

    camera: str
    zone: Zone
    rule: LoiteringRule
    name: str
    """Of the rule within its zone."""
    basis: LegalBasis
    now_us: int
    first_us: int
    present: dict[str, Sighting]
    known: dict[str, int]


def watch(visits: tuple[Visit, ...], scene: Scene) -> tuple[tuple[Visit, ...], tuple[Alert, ...]]:
    """Carry the visits of one zone over one picture, and return them with the alerts that this makes."""
    pairs = follow(visits, scene.present, scene.known, scene.now_us)
    followed = {each.track for each in pairs.values()}
    kept: list[Visit] = []
    alerts: list[Alert] = []
    for visit in visits:
        after, said = _carry(visit, pairs.get(visit.first_track), scene)
        alerts.extend(said)
        if after is not None:
            kept.append(after)
    kept.extend(_arrivals(scene, followed))
    return tuple(kept), tuple(alerts)


def close(visit: Visit, reason: CloseReason, now_us: int) -> Iterator[Alert]:
    """Close the visit's alert, if it has one."""
    if visit.alert is not None:
        yield visit.alert.model_copy(
            update={"state": AlertState.CLOSED, "closed_reason": reason, "occurred_at": from_us(now_us)}
        )


def _arrivals(scene: Scene, followed: set[str]) -> Iterator[Visit]:
    for each in scene.present.values():
        if each.track not in followed and contains(scene.zone.polygon, each.foot):
            yield Visit(
                first_track=each.track,
                track=each.track,
                box=each.box,
                place=each.place,
                size=each.size,
                seen_us=scene.now_us,
                entered_us=scene.now_us,
                anchors=(Anchor(at_us=scene.now_us, place=each.place),),
            )


def _carry(visit: Visit, seen: Sighting | None, scene: Scene) -> tuple[Visit | None, tuple[Alert, ...]]:
    after = _unseen(visit, scene) if seen is None else _seen(visit, seen, scene)
    if after is None:
        return None, tuple(close(visit, CloseReason.LEFT, scene.now_us))
    return (after, ()) if seen is None else _judge(after, scene)


def _unseen(visit: Visit, scene: Scene) -> Visit | None:
    return visit if scene.now_us - visit.seen_us <= seconds(scene.rule.gap_s) else None


def _seen(visit: Visit, seen: Sighting, scene: Scene) -> Visit | None:
    """The visit with one more place, or None where it ended by leaving the zone."""
    inside = contains(scene.zone.polygon, seen.foot)
    outside_since_us = None if inside else visit.outside_since_us or scene.now_us
    gap_us = seconds(scene.rule.gap_s)
    if outside_since_us is not None and (not visit.settled or scene.now_us - outside_since_us > gap_us):
        return None
    anchors = visit.anchors
    if inside:
        anchors = stay.step(anchors, seen.place, scene.now_us, scene.rule.radius_height, gap_us)
    return visit.model_copy(
        update={
            "track": seen.track,
            "box": seen.box,
            "place": seen.place,
            "size": seen.size,
            "seen_us": scene.now_us,
            "settled": visit.settled or scene.now_us - visit.entered_us >= seconds(SETTLING_S),
            "outside_since_us": outside_since_us,
            "anchors": anchors,
        }
    )


def _judge(visit: Visit, scene: Scene) -> tuple[Visit, tuple[Alert, ...]]:
    threshold_us = seconds(scene.rule.threshold_s)
    if visit.alert is None:
        anchor = stay.ripe(visit.anchors, scene.now_us, threshold_us)
        if anchor is None or visit.outside_since_us is not None or not visit.settled:
            return visit, ()
        return _say(visit, _opened(visit, anchor, scene))
    if not stay.lasts(visit.anchors, scene.now_us, threshold_us):
        return visit.model_copy(update={"alert": None}), tuple(close(visit, CloseReason.LEFT, scene.now_us))
    if scene.now_us - to_us(visit.alert.occurred_at) < seconds(UPDATE_INTERVAL_S):
        return visit, ()
    return _say(
        visit,
        visit.alert.model_copy(
            update={"state": AlertState.UPDATED, "occurred_at": from_us(scene.now_us), "box": visit.box}
        ),
    )


def _say(visit: Visit, alert: Alert) -> tuple[Visit, tuple[Alert, ...]]:
    return visit.model_copy(update={"alert": alert}), (alert,)


def _opened(visit: Visit, anchor: Anchor, scene: Scene) -> Alert:
    return Alert(
        id=_identity(scene, visit.first_track, anchor.at_us),
        camera=scene.camera,
        zone=scene.zone.id,
        rule=scene.rule.rule,
        rule_version=scene.rule.version,
        parameters=scene.rule.model_dump(mode="json"),
        legal_basis=scene.basis.reference,
        state=AlertState.OPENED,
        onset=from_us(anchor.at_us),
        onset_unknown=anchor.at_us - scene.first_us <= seconds(FIRST_PICTURE_S),
        occurred_at=from_us(scene.now_us),
        track=visit.first_track,
        box=visit.box,
    )


def _identity(scene: Scene, first_track: str, onset_us: int) -> str:
    parts = (scene.camera, scene.name, scene.zone.id, first_track, str(onset_us))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
