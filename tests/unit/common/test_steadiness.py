"""A clock that was set forward is not believed for a day, unless it is set back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from beffroi_common.runtime.steadiness import Steadiness
from beffroi_testing import ManualClock

HOUR_S, DAY_S = 3600, 24 * 3600
YEARS_S = 3650 * DAY_S


def test_time_that_passes_is_no_step() -> None:
    clock = ManualClock()
    steadiness = Steadiness(clock)
    for _ in range(3):
        clock.advance(YEARS_S / 3)
        assert not steadiness.set_forward()


@pytest.mark.parametrize("step_s", [HOUR_S + 1, DAY_S, YEARS_S])
def test_a_step_forward_is_believed_after_a_day(step_s: float) -> None:
    clock = ManualClock()
    steadiness = Steadiness(clock)
    clock.set(step_s)
    for _ in range(24):
        assert steadiness.set_forward() == pytest.approx(timedelta(seconds=step_s), abs=timedelta(milliseconds=1))
        clock.advance(HOUR_S)
    assert not steadiness.set_forward()


def test_one_that_is_taken_back_is_forgotten_and_the_next_one_begins_its_own_day() -> None:
    clock = ManualClock()
    steadiness = Steadiness(clock)
    clock.set(DAY_S)
    assert steadiness.set_forward()
    clock.set(-DAY_S)
    assert not steadiness.set_forward()
    clock.advance(23 * HOUR_S)
    clock.set(DAY_S)
    assert steadiness.set_forward()
    clock.advance(2 * HOUR_S)
    assert steadiness.set_forward()
    clock.set(YEARS_S)
    clock.advance(23 * HOUR_S)
    assert steadiness.set_forward() == pytest.approx(timedelta(seconds=DAY_S + YEARS_S), abs=timedelta(milliseconds=1))


@pytest.mark.parametrize("step_s", [HOUR_S - 1, -HOUR_S, -YEARS_S])
def test_a_small_step_and_one_back_are_believed(step_s: float) -> None:
    clock = ManualClock()
    steadiness = Steadiness(clock)
    clock.set(step_s)
    assert not steadiness.set_forward()


def test_many_small_steps_are_a_large_one() -> None:
    clock = ManualClock()
    steadiness = Steadiness(clock)
    for _ in range(3):
        clock.set(HOUR_S / 2)
        last = steadiness.set_forward()
    assert last == pytest.approx(timedelta(hours=1.5), abs=timedelta(milliseconds=1))


def test_after_a_step_back_the_way_forward_again_is_a_step() -> None:
    clock = ManualClock()
    steadiness = Steadiness(clock)
    clock.set(-DAY_S)
    assert not steadiness.set_forward()
    clock.set(DAY_S)
    assert steadiness.set_forward() == pytest.approx(timedelta(days=1), abs=timedelta(milliseconds=1))
