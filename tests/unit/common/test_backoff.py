"""Whoever failed is left alone for longer and longer."""

from __future__ import annotations

from beffroi_common.runtime.backoff import Backoff
from beffroi_testing import ManualClock


def test_a_wait_doubles_from_the_end_of_each_failure_and_begins_anew_after_a_success() -> None:
    clock = ManualClock()
    backoff = Backoff(clock, 0.5, 1.0)
    waits = []
    for succeeds in (False, False, False, True):
        clock.advance(30.0)
        if succeeds:
            backoff.reset()
            assert backoff.is_due()
        backoff.failed()
        at_s = clock.monotonic_s()
        while not backoff.is_due():
            clock.advance(0.25)
        waits.append(clock.monotonic_s() - at_s)
    assert waits == [0.5, 1.0, 1.0, 0.5]
