"""Vision draws while somebody watches, and no longer."""

from __future__ import annotations

from datetime import timedelta

from beffroi_api.modules.live.streaming.annotated import AnnotatedLeases
from beffroi_testing import ManualClock


def test_leases() -> None:
    clock, woken = ManualClock(), list[bool]()
    leases = AnnotatedLeases(clock, 15.0, lambda: woken.append(True))
    assert leases.due() == []

    leases.open("gate")
    assert woken
    (lease,) = leases.due()
    assert (lease.camera, lease.annotated_until) == ("gate", clock.now() + timedelta(seconds=15))
    assert leases.due() == []

    clock.advance(5)
    leases.open("gate")
    (renewed,) = leases.due()
    assert renewed.annotated_until == clock.now() + timedelta(seconds=15)

    leases.close("gate")
    assert leases.due() == []
    leases.close("gate")
    (ended,) = leases.due()
    assert ended.annotated_until == clock.now()
    clock.advance(60)
    assert leases.due() == []


def test_a_lease_that_was_not_sent_is_due_again() -> None:
    leases = AnnotatedLeases(ManualClock(), 15.0, lambda: None)
    leases.open("gate")
    assert leases.due()
    leases.unsent("gate")
    assert leases.due()
