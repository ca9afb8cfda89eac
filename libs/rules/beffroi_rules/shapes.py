"""The shapes that a zone can have, and what makes a drawing of each a sound one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from pydantic import TypeAdapter, ValidationError

from beffroi_common.contracts import Point, Polygon, Zone
from beffroi_common.contracts.base import explain

POLYGON = "polygon"
"""3 to 64 corners in order, not repeated at the end, crossing itself nowhere."""
LINE = "line"
"""2 points or more; who stands at the first and looks to the last has the side that is left on the left hand."""
BOX = "box"
"""The top left and the bottom right corner, e.g. of a lamp."""

MIN_SIDE = 0.002
"""Of the picture: shorter is a slip of the hand, about a pixel of a camera with 640."""

_polygon: TypeAdapter[tuple[Point, ...]] = TypeAdapter(Polygon)


def fault_of(zone: Zone) -> str | None:
    """What is wrong with how a zone is drawn, in words; None: nothing."""
    check = _CHECKS.get(zone.shape)
    return f"nobody here knows the shape {zone.shape}" if check is None else check(zone.points)


def outline(zone: Zone) -> tuple[tuple[Point, ...], bool] | None:
    """The points to draw a zone by, and whether the last is joined to the first; None: the shape is not known."""
    if zone.shape == POLYGON:
        return zone.points, True
    if zone.shape == LINE:
        return zone.points, False
    if zone.shape == BOX and len(zone.points) == 2:
        (left, top), (right, bottom) = zone.points
        return ((left, top), (right, top), (right, bottom), (left, bottom)), True
    return None


def _polygon_fault(points: Sequence[Point]) -> str | None:
    try:
        _polygon.validate_python(tuple(points))
    except ValidationError as error:
        return explain(error)
    return None


def _line_fault(points: Sequence[Point]) -> str | None:
    if len(points) < 2:
        return "a line needs two points"
    steps = pairwise(points)
    if any(max(abs(x1 - x0), abs(y1 - y0)) < MIN_SIDE for (x0, y0), (x1, y1) in steps):
        return "two points of the line are in one place: draw it longer"
    return None


def _box_fault(points: Sequence[Point]) -> str | None:
    if len(points) != 2:
        return "a box needs its top left and its bottom right corner"
    (left, top), (right, bottom) = points
    if right - left < MIN_SIDE or bottom - top < MIN_SIDE:
        return "the box holds next to nothing: draw it larger"
    return None


_CHECKS: dict[str, Callable[[Sequence[Point]], str | None]] = {
    POLYGON: _polygon_fault,
    LINE: _line_fault,
    BOX: _box_fault,
}
