"""How long somebody has kept within a radius of one point.

The point is a place where the person once stood (an anchor). A stay counts from its anchor for as long as every later
place keeps within the radius, except for absences no longer than the gap. On the human boxes of PETS 2009 S2.L1 this
gives the five long stays of `tests/integration/detector/vtest.py`, to the frame.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from .geometry import Place, distance

SPACING = 1 / 6
"""Of the radius, between anchors: standing still makes no new one."""
MOST_ANCHORS = 64
"""Of one stay. A walker has a dozen; who paces up and down a small place for long keeps their oldest."""


class Anchor(BaseModel):
    """A place where the person once stood: the stay is counted from `at_us` as long as they keep near it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_us: int
    place: Place
    away_since_us: int | None = None
    away_us: int = 0
    """Absences so far: they do not end the stay, and do not count either."""


def step(anchors: tuple[Anchor, ...], place: Place, now_us: int, radius: float, gap_us: int) -> tuple[Anchor, ...]:
    """Count one more place of the person: anchors left for longer than the gap go, a new place becomes one.

    Args:
        anchors: oldest first.
        place: where the person is.
        now_us: when.
        radius: in picture heights.
        gap_us: longest absence that does not end a stay.
    """
    kept = tuple(
        moved
        for anchor in anchors
        if (moved := _seen_from(anchor, place, now_us, radius)).away_since_us is None
        or now_us - moved.away_since_us <= gap_us
    )
    near = (each for each in kept if each.away_since_us is None)
    if len(kept) >= MOST_ANCHORS or any(distance(each.place, place) <= radius * SPACING for each in near):
        return kept
    return (*kept, Anchor(at_us=now_us, place=place))


def _seen_from(anchor: Anchor, place: Place, now_us: int, radius: float) -> Anchor:
    if distance(anchor.place, place) > radius:
        return anchor if anchor.away_since_us is not None else anchor.model_copy(update={"away_since_us": now_us})
    if anchor.away_since_us is None:
        return anchor
    absence_us = now_us - anchor.away_since_us
    return anchor.model_copy(update={"away_since_us": None, "away_us": anchor.away_us + absence_us})


def ripe(anchors: tuple[Anchor, ...], now_us: int, threshold_us: int) -> Anchor | None:
    """The oldest anchor near which the person is now, and has been for the threshold in all."""
    return next(
        (each for each in anchors if each.away_since_us is None and _stayed(each, now_us) >= threshold_us), None
    )


def lasts(anchors: tuple[Anchor, ...], now_us: int, threshold_us: int) -> bool:
    """Whether a stay that reached the threshold goes on, short absences included."""
    return any(_stayed(each, now_us) >= threshold_us for each in anchors)


def _stayed(anchor: Anchor, now_us: int) -> int:
    until_us = now_us if anchor.away_since_us is None else anchor.away_since_us
    return until_us - anchor.at_us - anchor.away_us
