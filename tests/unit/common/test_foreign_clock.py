"""How far another's clock is from ours is never told to be more than is certain, nor less because of a delay."""

from __future__ import annotations

from datetime import timedelta

import pytest

from beffroi_common.bus import StatusReporter
from beffroi_common.bus.reporter import REPEAT_S
from beffroi_common.contracts import Level
from beffroi_common.contracts.status import ServiceStatus, decode_status
from beffroi_common.runtime.foreign_clock import MOST_APART_S, ForeignClock
from beffroi_common.topics import STATUS
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def heard(ahead_s: float, answer_s: float, resolution_s: float = 0.001) -> ForeignClock:
    """A clock that is so far ahead of ours, read in the middle of a question that took so long."""
    clock = ManualClock()
    foreign = ForeignClock("broker", clock, s(resolution_s))
    asked_s = clock.monotonic_s()
    clock.advance(answer_s / 2)
    at = clock.now() + s(ahead_s)
    clock.advance(answer_s / 2)
    foreign.said(at, asked_s)
    return foreign


@pytest.mark.parametrize("ahead_s", [0, 600, -600, 3.2e8, -3.2e8])
@pytest.mark.parametrize("answer_s", [0.0, 0.02, 5.0])
def test_what_is_certain_of_it(ahead_s: float, answer_s: float) -> None:
    foreign = heard(ahead_s, answer_s)
    assert foreign.ahead is not None
    found_s = abs(foreign.ahead.total_seconds())
    assert abs(ahead_s) - answer_s - 0.001 <= found_s <= abs(ahead_s)
    assert (foreign.complaint is not None) is (abs(ahead_s) > MOST_APART_S)


def test_what_is_rounded_down_is_not_behind() -> None:
    assert heard(-0.9, 0.0, resolution_s=1.0).ahead == timedelta()


def test_an_answer_that_came_late_is_no_sign_that_they_agree_but_one_that_they_do_not() -> None:
    clock = ManualClock()
    foreign = ForeignClock("broker", clock)
    foreign.said(clock.now() + s(60), clock.monotonic_s())
    asked_s, asked = clock.monotonic_s(), clock.now()
    clock.advance(300)
    foreign.said(asked + s(60), asked_s)
    assert foreign.ahead == s(60)
    foreign.said(clock.now() + s(90), asked_s)
    assert foreign.ahead == s(90)


def test_our_own_clock_may_be_set_while_we_ask() -> None:
    clock = ManualClock()
    foreign = ForeignClock("broker", clock)
    asked_s = clock.monotonic_s()
    theirs = clock.now()
    clock.set(600)
    foreign.said(theirs, asked_s)
    assert foreign.ahead == pytest.approx(s(-600), abs=s(0.01))


@pytest.fixture
def apart() -> tuple[ManualClock, MemoryBroker, StatusReporter]:
    ours, broker = ManualClock(), MemoryBroker(clock=ManualClock())
    return ours, broker, StatusReporter(MemoryBus(broker, ours).producer(), "ingest", "ingest-0", ours)


def last(broker: MemoryBroker) -> ServiceStatus:
    said = decode_status(broker.records(STATUS)[-1].value or b"")
    assert isinstance(said, ServiceStatus)
    return said


def test_a_service_whose_clock_is_ten_minutes_wrong_says_so_and_takes_it_back(
    apart: tuple[ManualClock, MemoryBroker, StatusReporter],
) -> None:
    ours, broker, reporter = apart
    reporter.service()
    assert (last(broker).level, last(broker).code) == (Level.OK, "running")
    ours.set(-600)
    for _ in range(2):
        ours.advance(REPEAT_S)
        reporter.service()
    assert (last(broker).level, last(broker).code) == (Level.ERROR, "clock_wrong")
    assert "ahead of the one here" in last(broker).message
    assert last(broker).counters["broker_clock_ahead_s"] == pytest.approx(590, abs=20)
    ours.set(600)
    for _ in range(2):
        ours.advance(REPEAT_S)
        broker.clock.advance(2 * REPEAT_S)  # type: ignore[attr-defined]
        reporter.service()
    assert (last(broker).level, last(broker).code) == (Level.OK, "running")


def test_what_else_is_the_matter_is_said_first(apart: tuple[ManualClock, MemoryBroker, StatusReporter]) -> None:
    ours, broker, reporter = apart
    ours.set(-600)
    reporter.service()
    reporter.service(Level.ERROR, "store_away", "it does not answer")
    assert last(broker).code == "store_away"
    assert last(broker).counters["broker_clock_ahead_s"] == 600
