"""Shapes that a zone can have: what makes a drawing a sound one, and how it is drawn."""

from __future__ import annotations

import pytest

from beffroi_common.contracts import Point, Zone
from beffroi_rules.shapes import fault_of, outline

TRIANGLE = ((0.1, 0.1), (0.5, 0.1), (0.5, 0.5))
Points = tuple[Point, ...]


def zone(shape: str, points: Points) -> Zone:
    return Zone(id="z", name="z", kind="anything", shape=shape, points=points)


@pytest.mark.parametrize(
    ("shape", "points", "fault"),
    [
        ("polygon", TRIANGLE, None),
        ("polygon", TRIANGLE[:2], "at least 3"),
        ("polygon", ((0.1, 0.1), (0.5, 0.5), (0.5, 0.1), (0.1, 0.5)), "cross"),
        ("line", TRIANGLE[:2], None),
        ("line", TRIANGLE, None),
        ("line", TRIANGLE[:1], "two points"),
        ("line", ((0.1, 0.1), (0.1, 0.1)), "longer"),
        ("box", ((0.1, 0.1), (0.2, 0.3)), None),
        ("box", ((0.2, 0.3), (0.1, 0.1)), "larger"),
        ("box", TRIANGLE, "top left"),
        ("ring", TRIANGLE, "nobody here knows the shape ring"),
    ],
)
def test_what_is_wrong_with_a_drawing(shape: str, points: Points, fault: str | None) -> None:
    found = fault_of(zone(shape, points))
    assert (found is None) == (fault is None)
    assert fault is None or fault in (found or "")


@pytest.mark.parametrize(
    ("shape", "points", "expected"),
    [
        ("polygon", TRIANGLE, (TRIANGLE, True)),
        ("line", TRIANGLE, (TRIANGLE, False)),
        ("box", ((0.1, 0.1), (0.2, 0.3)), (((0.1, 0.1), (0.2, 0.1), (0.2, 0.3), (0.1, 0.3)), True)),
        ("box", TRIANGLE, None),
        ("ring", TRIANGLE, None),
    ],
)
def test_how_it_is_drawn(shape: str, points: Points, expected: tuple[Points, bool] | None) -> None:
    assert outline(zone(shape, points)) == expected
