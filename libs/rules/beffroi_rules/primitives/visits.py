"""Who goes on with whose visit: by identity, or by place and size where an identity was lost. No appearance.

A new identity on the spot where another one vanished is mostly the same person, whom the tracker lost. Sometimes it is
somebody else who hid them. So a visit that is taken over remembers from whom: should whoever vanished be there again
within the gap, they get their visit back, and who had taken it over has one of their own from that moment on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from beffroi_common.contracts import Box

from .geometry import Place, distance
from .sightings import Sighting

REACH_SIZES = 0.6
"""A new identity may stand so many body heights from where the old one vanished: half a box of jitter and a step…"""
REACH_SIZES_PER_S = 0.8
"""…and farther by a walker's pace: 1.4 m/s of a person of 1.7 m…"""
MAX_REACH_SIZES = 3.0
"""…but no farther, however long the gap: after half a minute a walker may be anywhere."""
SMALLEST_RATIO = 0.55
"""Of the two box heights: legs hidden by a bollard halve a box, another person twice as far away does too."""
SAME_PLACE_SIZES = 0.15
"""Who comes back so near to where they vanished has not moved: boxes tremble."""
MAX_TAKEOVERS = 4
"""Remembered of one visit: a crowd that passes before somebody changes identities faster than any of them is sure."""


class Takeover(BaseModel):
    """A new identity went on with a visit whose own had vanished."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    track: str
    """The identity that vanished."""
    place: Place
    """Its foot point when last seen."""
    size: float
    """Height of its box then."""
    seen_us: int
    by: str
    """The identity that went on."""
    at_us: int
    box: Box
    """Of the new identity when it went on."""


class Visit(BaseModel):
    """One object in one zone, across short gaps and changes of identity. A rule adds what it counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_track: str
    track: str
    box: Box
    place: Place
    """Foot point when last seen."""
    size: float
    """Height of the box in picture heights when last seen."""
    seen_us: int
    entered_us: int
    """First picture inside the zone."""
    settled: bool = False
    """Inside for the stable time of entering."""
    outside_since_us: int | None = None
    takeovers: tuple[Takeover, ...] = ()
    """Within the gap, oldest first; the last one is by the present track."""

    @property
    def id(self) -> str:
        """The visit's own identity: several visits may begin with one track, but no two of them on one picture."""
        return f"{self.first_track}@{self.entered_us}"


VisitT = TypeVar("VisitT", bound=Visit)


@dataclass(frozen=True)
class Following:
    """Who goes on with which visit, by the visit's id.

    Attributes:
        pairs: where the object is now.
        undone: the takeover that was none: whoever had vanished is there again, and goes on.
        others: where a takeover is undone, whoever had gone on, if they are there: they have a visit of their own.
    """

    pairs: Mapping[str, Sighting]
    undone: Mapping[str, Takeover]
    others: Mapping[str, Sighting]


def follow(
    visits: Iterable[Visit], present: Mapping[str, Sighting], known: Mapping[str, int], now_us: int
) -> Following:
    """Pair visits with who goes on with them, at most one to one.

    Args:
        visits: of one zone.
        present: objects on the picture by identity.
        known: identities seen before this picture; they are nobody's continuation.
        now_us: capture time of the picture.
    """
    visits = tuple(visits)
    fresh = [each for each in present.values() if each.track not in known]
    own = _own(visits, present, fresh, now_us)
    fresh += [present[track] for track in _lost(visits, own) if track in present]
    undone = _undone(visits, own, present, fresh, now_us)
    pairs = own | {visit_id: back for visit_id, (back, _) in undone.items()}
    taken = {each.track for each in pairs.values()}
    offers = sorted(
        (apart, visit.id, each.track)
        for visit in visits
        if visit.id not in pairs
        for each in fresh
        if (apart := _apart(visit, each, now_us)) is not None
    )
    for _, visit_id, track in offers:
        if visit_id not in pairs and track not in taken:
            pairs[visit_id] = present[track]
            taken.add(track)
    return Following(
        pairs,
        undone={visit_id: takeover for visit_id, (_, takeover) in undone.items()},
        others={each: own[each] for each in undone if each in own and own[each].track not in taken},
    )


def carried(visit: VisitT, seen: Sighting, undone: Takeover | None, now_us: int, gap_us: int) -> VisitT:
    """The visit with where its object is now.

    Args:
        visit: as it was.
        seen: see `Following.pairs`.
        undone: see `Following.undone`.
        now_us: capture time of the picture.
        gap_us: for so long an identity that vanished may have its visit back.
    """
    takeovers = visit.takeovers
    if undone is not None:
        takeovers = takeovers[: takeovers.index(undone)]
        if seen.track != undone.track:
            takeovers = (*takeovers, undone.model_copy(update={"by": seen.track, "at_us": now_us, "box": seen.box}))
    elif seen.track != visit.track:
        takeovers = (*takeovers, _takeover(visit, seen, now_us))
    return visit.model_copy(
        update={
            "track": seen.track,
            "box": seen.box,
            "place": seen.place,
            "size": seen.size,
            "seen_us": now_us,
            "takeovers": tuple(each for each in takeovers if now_us - each.seen_us <= gap_us)[-MAX_TAKEOVERS:],
        }
    )


def _takeover(visit: Visit, by: Sighting, now_us: int) -> Takeover:
    return Takeover(
        track=visit.track,
        place=visit.place,
        size=visit.size,
        seen_us=visit.seen_us,
        by=by.track,
        at_us=now_us,
        box=by.box,
    )


def _own(
    visits: tuple[Visit, ...], present: Mapping[str, Sighting], fresh: list[Sighting], now_us: int
) -> dict[str, Sighting]:
    """Visits that go on under their own identity, each identity with the one that it was seen in last.

    Not those whose identity is suddenly out of reach while somebody else stands in their place: it was given away.
    """
    latest = {visit.track: visit for visit in sorted(visits, key=lambda each: (each.seen_us, each.entered_us))}
    own = [(visit, present[track]) for track, visit in latest.items() if track in present]
    astray = [(visit, seen) for visit, seen in own if _ways(visit, seen) > _reach(visit, now_us)]
    others = [*fresh, *(seen for _, seen in astray)]
    given_away = {visit.id for visit, _ in astray if any(_ways(visit, each) <= SAME_PLACE_SIZES for each in others)}
    return {visit.id: seen for visit, seen in own if visit.id not in given_away}


def _lost(visits: tuple[Visit, ...], own: Mapping[str, Sighting]) -> list[str]:
    """Identities that were followed and go on with no visit, each once."""
    return sorted({visit.track for visit in visits} - {each.track for each in own.values()})


def _undone(
    visits: tuple[Visit, ...],
    own: Mapping[str, Sighting],
    present: Mapping[str, Sighting],
    fresh: list[Sighting],
    now_us: int,
) -> dict[str, tuple[Sighting, Takeover]]:
    """Takeovers by somebody else than who had vanished, by the visit's id, each with who is there again."""
    taken = {each.track for each in own.values()}
    undone: dict[str, tuple[Sighting, Takeover]] = {}
    for visit in sorted(visits, key=lambda each: (-each.seen_us, each.id)):
        for takeover in visit.takeovers:
            back = _back(takeover, present, fresh, taken, own.get(visit.id), now_us)
            if back is not None:
                undone[visit.id] = back, takeover
                taken.add(back.track)
                break
    return undone


def _back(
    lost: Takeover,
    present: Mapping[str, Sighting],
    fresh: list[Sighting],
    taken: set[str],
    holder: Sighting | None,
    now_us: int,
) -> Sighting | None:
    """Who had vanished and is there again: under the same identity, or beside the holder under one more new one.

    Trackers also give a lost identity to somebody else: then the holder is nearer to where it vanished.
    """
    same = present.get(lost.track)
    if same is not None and same.track not in taken and (apart := _apart(lost, same, now_us)) is not None:
        near = holder is None or apart <= SAME_PLACE_SIZES
        return same if near or distance(lost.place, same.place) <= _way(lost, holder) else None
    if same is not None or holder is None:
        return None
    offers = sorted(
        (apart, each.track)
        for each in fresh
        if each.track not in taken and (apart := _apart(lost, each, now_us)) is not None and apart <= SAME_PLACE_SIZES
    )
    if not offers or distance(lost.place, present[offers[0][1]].place) >= _way(lost, holder):
        return None
    return present[offers[0][1]]


def _way(lost: Takeover, seen: Sighting | None) -> float:
    return 0.0 if seen is None else distance(lost.place, seen.place)


def _apart(lost: Visit | Takeover, seen: Sighting, now_us: int) -> float | None:
    """Distance between the two in body heights, or None where they cannot be the same person."""
    small, large = sorted((lost.size, seen.size))
    if large <= 0 or small / large < SMALLEST_RATIO:
        return None
    apart = _ways(lost, seen)
    return apart if apart <= _reach(lost, now_us) else None


def _ways(lost: Visit | Takeover, seen: Sighting) -> float:
    """From where it was to where it is, in body heights."""
    return distance(lost.place, seen.place) / (max(lost.size, seen.size) or 1.0)


def _reach(lost: Visit | Takeover, now_us: int) -> float:
    """How far somebody may be now, in body heights."""
    return min(MAX_REACH_SIZES, REACH_SIZES + REACH_SIZES_PER_S * (now_us - lost.seen_us) / 1_000_000)
