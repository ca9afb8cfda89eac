"""Who goes on with whose visit: by identity, or by place and size where an identity was lost. No appearance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict

from beffroi_common.contracts import Box

from .geometry import Place, distance
from .sightings import Sighting

REACH_SIZES = 0.6
"""A new identity may stand so many body heights from where the old one vanished: half a box of jitter and a step…"""
REACH_SIZES_PER_S = 0.8
"""…and farther by a walker's pace: 1.4 m/s of a person of 1.7 m."""
SMALLEST_RATIO = 0.55
"""Of the two box heights: legs hidden by a bollard halve a box, another person twice as far away does too."""


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


def follow(
    visits: Iterable[Visit], present: Mapping[str, Sighting], known: Mapping[str, int], now_us: int
) -> dict[str, Sighting]:
    """Pair visits with who goes on with them, at most one to one.

    Args:
        visits: of one zone.
        present: objects on the picture by identity.
        known: identities seen before this picture; they are nobody's continuation.
        now_us: capture time of the picture.

    Returns:
        Sightings by the visit's first track.
    """
    visits = tuple(visits)
    pairs = {visit.first_track: present[visit.track] for visit in visits if visit.track in present}
    vanished = [visit for visit in visits if visit.track not in present]
    fresh = [each for each in present.values() if each.track not in known]
    offers = sorted(
        (apart, visit.first_track, each.track)
        for visit in vanished
        for each in fresh
        if (apart := _apart(visit, each, now_us)) is not None
    )
    taken: set[str] = set()
    for _, first_track, track in offers:
        if first_track not in pairs and track not in taken:
            pairs[first_track] = present[track]
            taken.add(track)
    return pairs


def _apart(visit: Visit, seen: Sighting, now_us: int) -> float | None:
    """Distance between the two in body heights, or None where they cannot be the same person."""
    small, large = sorted((visit.size, seen.size))
    if large <= 0 or small / large < SMALLEST_RATIO:
        return None
    apart = distance(visit.place, seen.place) / large
    away_s = (now_us - visit.seen_us) / 1_000_000
    return apart if apart <= REACH_SIZES + REACH_SIZES_PER_S * away_s else None
