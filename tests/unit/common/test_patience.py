"""Whoever failed is left alone for longer and longer."""

from __future__ import annotations

from beffroi.common.runtime.patience import Patience
from beffroi.common.testing import ManualClock


def test_a_wait_doubles_from_the_end_of_each_failure_and_begins_anew_after_a_success() -> None:
    clock = ManualClock()
    patience = Patience(clock, 0.5, 1.0)
    waits = []
    for succeeds in (False, False, False, True):
        clock.advance(30.0)
        if succeeds:
            patience.begin_anew()
            assert patience.is_over()
        patience.failed()
        at_s = clock.monotonic_s()
        while not patience.is_over():
            clock.advance(0.25)
        waits.append(clock.monotonic_s() - at_s)
    assert waits == [0.5, 1.0, 1.0, 0.5]
