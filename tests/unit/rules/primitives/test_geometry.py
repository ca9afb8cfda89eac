from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from shapely import Point, Polygon

from beffroi_rules.primitives.geometry import contains, distance, foot_of, place_of
from beffroi_rules.primitives.schedule import Hours, within
from beffroi_rules.primitives.times import from_us, to_us

L_SHAPE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.5), (0.5, 0.5), (0.5, 0.9), (0.1, 0.9))
LILLE = ZoneInfo("Europe/Paris")


@given(st.floats(0, 1), st.floats(0, 1))
def test_contains_agrees_with_shapely(x: float, y: float) -> None:
    polygon = Polygon(L_SHAPE)
    if polygon.exterior.distance(Point(x, y)) > 1e-9:
        assert contains(L_SHAPE, (x, y)) == polygon.contains(Point(x, y))


def test_distances_are_in_picture_heights() -> None:
    assert foot_of((0.2, 0.1, 0.4, 0.7)) == pytest.approx((0.3, 0.7))
    left, right = place_of((0.0, 0.5), 16 / 9), place_of((0.5, 0.5), 16 / 9)
    assert distance(left, right) == pytest.approx(8 / 9)


@pytest.mark.parametrize(
    ("hours", "at", "expected"),
    [
        (None, "12:00", True),
        (("08:00", "18:00"), "08:00", True),
        (("08:00", "18:00"), "17:59", True),
        (("08:00", "18:00"), "18:00", False),
        (("22:00", "06:00"), "23:30", True),
        (("22:00", "06:00"), "05:59", True),
        (("22:00", "06:00"), "06:00", False),
        (("07:00", "07:00"), "03:00", True),
    ],
)
def test_hours_are_local_and_may_go_over_midnight(hours: tuple[str, str] | None, at: str, expected: bool) -> None:
    schedule = None if hours is None else Hours(start=hours[0], end=hours[1])
    hour, minute = (int(part) for part in at.split(":"))
    assert within(schedule, datetime(2026, 7, 1, hour, minute, tzinfo=LILLE)) is expected


def test_a_schedule_needs_a_time_zone_that_exists() -> None:
    assert Hours(start="22:00", end="06:00").timezone == "Europe/Paris"
    for unknown in ("Europe/Lille", "Europe", "../../etc/passwd"):
        with pytest.raises(ValidationError, match="time zone is not known"):
            Hours(start="22:00", end="06:00", timezone=unknown)


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times_survive_to_the_microsecond(at: datetime) -> None:
    assert from_us(to_us(at)) == at
