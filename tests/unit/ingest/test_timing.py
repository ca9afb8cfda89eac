"""Clocks that step, wrap, stand still."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest

from beffroi_ingest.timing import CaptureClock, MediaClock
from beffroi_testing import ManualClock

SECOND_NS = 1_000_000_000


class SteppedClock(ManualClock):
    """One whose wall clock can be set."""

    def set_by(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def test_capture_time_is_utc_at_arrival() -> None:
    clock = ManualClock()
    capture = CaptureClock(clock)
    clock.advance(1.5)
    assert capture.stamp_ns() == clock.now_ns()


def test_capture_time_always_grows() -> None:
    capture = CaptureClock(ManualClock())
    times = [capture.stamp_ns() for _ in range(5)]
    assert times == sorted(set(times))


@pytest.mark.parametrize("step_s", [-3600.0, -1.0, 1.0, 3600.0])
def test_a_step_of_the_wall_clock_is_noticed_and_does_not_tear_the_epoch(step_s: float) -> None:
    clock = SteppedClock()
    capture = CaptureClock(clock)
    before_ns = capture.stamp_ns()
    clock.set_by(step_s)
    clock.advance(0.1)
    assert capture.stamp_ns() - before_ns == pytest.approx(0.1 * SECOND_NS, abs=1e5)
    assert capture.stepped()


def test_a_wall_clock_that_is_slewed_does_not_count_as_set() -> None:
    clock = SteppedClock()
    capture = CaptureClock(clock)
    clock.set_by(0.02)
    assert not capture.stepped()


@pytest.mark.parametrize(
    ("media_s", "passed_s", "breaks"),
    [
        (0.1, 0.1, False),
        (0.1, 5.0, False),  # held up on the network, then handed over at once
        (5.0, 5.0, False),  # lost pictures
        (5.0, 0.1, False),
        (0.0, 0.1, True),
        (-47_721.0, 0.1, True),  # 32 bits at 90 kHz wrapped
        (3600.0, 0.1, True),
        (3600.0, 3600.0, False),
    ],
)
def test_a_media_clock_breaks_when_it_runs_back_or_leaps(media_s: float, passed_s: float, breaks: bool) -> None:
    media = MediaClock(Fraction(1, 90_000))
    assert not media.breaks(10**10, 0)
    assert media.breaks(10**10 + round(media_s * 90_000), round(passed_s * SECOND_NS)) is breaks
