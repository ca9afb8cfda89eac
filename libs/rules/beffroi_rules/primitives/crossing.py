"""Whether and in which direction a foot point passes a directed line (docs/rules.md: the stop line, the solid line).

Drawn from left to right as a driver in the lane sees it, a line is passed forwards by who drives on over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from .geometry import Place

LEFT, RIGHT = -1, 1
"""Sides of a line for who looks from its first point to its last, in a picture whose y grows downwards."""


class Crossing(BaseModel):
    """One object and one line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: Place
    side: int
    """On which it is, for good."""
    passed_us: int | None = None
    """When it came over to the other side, where it has not stayed for the stable time yet."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A line was passed, and who passed it stayed beyond: forwards or backwards, at `at_us`."""

    forwards: bool
    at_us: int


def step(
    before: Crossing | None, line: Sequence[Place], place: Place, now_us: int, stable_us: int
) -> tuple[Crossing, Passage | None]:
    """Count one more place.

    Args:
        before: None for an object that was not seen yet.
        line: two points or more.
        place: where the object's foot point is.
        now_us: when.
        stable_us: time for which it must stay beyond; who comes back before has only trembled on the line.

    Returns:
        What to remember, and the passage if there is one now. Who goes round an end of the line does not pass it.
    """
    side = side_of(line, place)
    if before is None:
        return Crossing(place=place, side=side), None
    if side == before.side:
        return Crossing(place=place, side=side), None
    if before.passed_us is None:
        if not meets(line, before.place, place):
            return Crossing(place=place, side=side), None
        before = before.model_copy(update={"passed_us": now_us})
    passed_us = now_us if before.passed_us is None else before.passed_us
    if now_us - passed_us < stable_us:
        return Crossing(place=place, side=before.side, passed_us=passed_us), None
    return Crossing(place=place, side=side), Passage(forwards=side == LEFT, at_us=passed_us)


def side_of(line: Sequence[Place], place: Place) -> int:
    """`LEFT` or `RIGHT` of the nearest part of the line; on the line itself counts as right, not beyond yet."""
    start, end = min(pairwise(line), key=lambda part: _distance_to(part, place))
    return LEFT if _turn(start, end, place) < 0 else RIGHT


def meets(line: Sequence[Place], start: Place, end: Place) -> bool:
    """Whether the way from `start` to `end` meets the line between its ends."""
    return any(
        _turn(a, b, start) * _turn(a, b, end) <= 0 and _turn(start, end, a) * _turn(start, end, b) <= 0
        for a, b in pairwise(line)
    )


def _turn(a: Place, b: Place, c: Place) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _distance_to(part: tuple[Place, Place], place: Place) -> float:
    """Squared distance from a place to a part of a line."""
    (ax, ay), (bx, by) = part
    dx, dy = bx - ax, by - ay
    along = ((place[0] - ax) * dx + (place[1] - ay) * dy) / ((dx * dx + dy * dy) or 1.0)
    share = min(1.0, max(0.0, along))
    return (place[0] - ax - share * dx) ** 2 + (place[1] - ay - share * dy) ** 2
