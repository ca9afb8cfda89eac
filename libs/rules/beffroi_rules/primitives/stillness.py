"""Since when a thing has stood still: it moved less than half its length (docs/rules.md: stopping)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from .geometry import Place, distance

SHARE_OF_LENGTH = 0.5
"""Of its own length a thing may move and still stand: boxes tremble, and a person opens a door."""


class Stand(BaseModel):
    """Where a thing came to stand, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: Place
    since_us: int


def step(before: Stand | None, place: Place, length: float, now_us: int) -> Stand:
    """Count one more place: half a length away from where it came to stand, the stand starts over.

    The way is measured from where it came to stand, not from the picture before: who creeps does not stand.

    Args:
        before: None for a thing that was not seen yet.
        place: where it is, in picture heights.
        length: of the thing, in picture heights.
        now_us: when.
    """
    if before is None or distance(before.place, place) >= SHARE_OF_LENGTH * length:
        return Stand(place=place, since_us=now_us)
    return before


def stood_us(stand: Stand, now_us: int) -> int:
    """How long the thing has stood."""
    return now_us - stand.since_us
