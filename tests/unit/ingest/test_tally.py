"""Rates, over the last few seconds of arrivals."""

from __future__ import annotations

import pytest

from beffroi_ingest.tally import WINDOW_S, Rate


def test_a_rate_is_that_of_the_last_few_seconds() -> None:
    rate = Rate()
    assert (rate.fps, rate.bitrate_bps, rate.settled) == (0.0, 0.0, False)
    for number in range(1000):
        rate.add(number / 10, 500 if number < 900 else 1000)
    assert rate.settled
    assert rate.fps == pytest.approx(10)
    assert rate.bitrate_bps == pytest.approx(8 * 10 * 1000)


def test_asking_for_a_rate_costs_the_same_however_many_pictures_came() -> None:
    class Counted(int):
        added = 0

        def __radd__(self, other: int) -> int:
            Counted.added += 1
            return other + int(self)

    rate = Rate()
    for number in range(1000):
        rate.add(number * WINDOW_S / 1000, Counted(1))
        assert rate.bitrate_bps >= 0
    assert Counted.added <= 1000, "each once: a camera that floods must not keep the others from the processor"
