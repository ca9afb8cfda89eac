"""A status is as old as the time since it came, whatever clock its sender has."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from operator import attrgetter

import pytest

from beffroi_api.modules.health.service import Statuses
from beffroi_common.bus import Table
from beffroi_common.contracts import Level, ServiceStatus
from beffroi_common.contracts.status import decode_status
from beffroi_common.topics import STATUS
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

STALE_S = 20.0
WRONG_S = [0, 600, -600, 3e8, -3e8]


class Place:
    """The api's statuses, and whoever sends one."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(clock=self.clock)
        self.came = threading.Event()
        self.statuses = Statuses(self.clock, timedelta(seconds=STALE_S), lambda _: self.came.set(), "service/api/a")
        self.table = Table(
            MemoryBus(self.broker),
            STATUS,
            decode_status,
            self.broker.clock,
            key_of=attrgetter("key"),
            on_change=self.statuses.changed,
        )
        self.statuses.table = self.table

    def say(self, wrong_s: float) -> None:
        at = self.clock.now() + timedelta(seconds=wrong_s)
        said = ServiceStatus(
            service="ingest", instance="i", level=Level.OK, code="running", message="", at=at, started_at=at
        )
        MemoryBus(self.broker).producer().send(STATUS, said.key, said, partition=0)

    def stale(self) -> list[bool]:
        return [each.stale for each in self.statuses.all_services()]


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place()
    yield place
    place.table.close()


def arrived(place: Place, wrong_s: float) -> None:
    """Send one while the table is followed, and wait until it is there."""
    place.table.start()
    assert place.table.wait_caught_up(30)
    place.say(wrong_s)
    assert place.came.wait(30)


@pytest.mark.parametrize("wrong_s", WRONG_S)
def test_what_is_repeated_is_believed_and_what_is_not_is_stale(place: Place, wrong_s: float) -> None:
    arrived(place, wrong_s)
    assert place.stale() == [False]
    place.clock.advance(STALE_S - 1)
    assert place.stale() == [False]
    place.clock.advance(2)
    assert place.stale() == [True]


def test_that_our_own_clock_is_set_makes_nobody_silent(place: Place) -> None:
    arrived(place, 0)
    place.clock.set(3600)
    assert place.stale() == [False]


@pytest.mark.parametrize("wrong_s", [600, -600])
def test_what_was_there_before_and_is_of_another_time_is_not_believed_until_it_is_repeated(
    place: Place, wrong_s: float
) -> None:
    place.say(wrong_s)
    place.table.start()
    assert place.table.wait_caught_up(30)
    assert place.stale() == [True]
