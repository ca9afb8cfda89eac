"""Where a tracked object stands, and how far apart two places are. Pure functions on small tuples."""

from __future__ import annotations

import math

from beffroi_common.contracts import Box, Point

Place = tuple[float, float]
"""(x, y) in picture heights: a distance means the same along both axes whatever the picture's shape."""


def foot_of(box: Box) -> Point:
    """Middle of the lower edge of a normalised `(x1, y1, x2, y2)` box: where the object touches the ground."""
    x1, _, x2, y2 = box
    return ((x1 + x2) / 2, y2)


def place_of(point: Point, aspect: float) -> Place:
    """A normalised point in picture heights; `aspect` is width by height."""
    return (point[0] * aspect, point[1])


def distance(a: Place, b: Place) -> float:
    """Distance in picture heights."""
    return math.hypot(a[0] - b[0], a[1] - b[1])


def contains(polygon: tuple[Point, ...], point: Point) -> bool:
    """Whether a simple polygon holds the point (even-odd rule; a point on the outline may fall on either side)."""
    x, y = point
    inside = False
    for (ax, ay), (bx, by) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            inside = not inside
    return inside
