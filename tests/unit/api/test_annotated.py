"""Vision draws while somebody watches, and no longer."""

from __future__ import annotations

from datetime import timedelta

from beffroi_api.modules.live.streaming.annotated import AnnotatedLeases
from beffroi_common.contracts import Viewers
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


def test_a_lease_that_another_process_ended_is_due_again_at_once() -> None:
    clock, woken = ManualClock(), list[bool]()
    leases = AnnotatedLeases(clock, 15.0, lambda: woken.append(True))
    leases.open("gate")
    assert leases.due()
    woken.clear()
    leases.observe(Viewers(camera="gate", annotated_until=clock.now()))
    assert woken
    assert [lease.camera for lease in leases.due()] == ["gate"]


def test_of_what_else_is_said_on_the_bus_nothing_is_due() -> None:
    clock, woken = ManualClock(), list[bool]()
    leases = AnnotatedLeases(clock, 15.0, lambda: woken.append(True))
    leases.open("gate")
    assert leases.due()
    woken.clear()
    leases.observe(Viewers(camera="gate", annotated_until=clock.now() + timedelta(seconds=15)))
    leases.observe(Viewers(camera="yard", annotated_until=clock.now()))
    assert not woken
    assert leases.due() == []
