"""Instances that left are shown for a while and no longer; what was said of cameras that are gone, neither."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from operator import attrgetter

import pytest

from beffroi_api.bus.departures import CAMERA_LEFT_AFTER, EVERY_S, INSTANCE_LEFT_AFTER, DeparturesSender
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.health.service import SHOWN_FOR, Statuses, left
from beffroi_common.bus import StatusReporter, Table
from beffroi_common.contracts import Level, ServiceStatus
from beffroi_common.contracts.status import decode_status
from beffroi_common.topics import STATUS
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

MINUTE = timedelta(minutes=1)
TIMEOUT_S = 30.0


def eventually(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(int(TIMEOUT_S / 0.005)):
        if condition():
            return
        waiting.wait(0.005)
    raise AssertionError(f"it did not come to pass within {TIMEOUT_S} s")


def said(service: str, instance: str, at: datetime) -> ServiceStatus:
    return ServiceStatus(
        service=service, instance=instance, level=Level.OK, code="running", message="", at=at, started_at=at
    )


def by_its_own_clock(now: datetime) -> Callable[[ServiceStatus], timedelta]:
    return lambda each: now - each.at


def test_an_instance_that_is_silent_beside_another_left_in_time() -> None:
    now = ManualClock().now()
    both = [said("masker", "m1", now - 11 * MINUTE), said("masker", "m2", now)]
    assert left(both, by_its_own_clock(now), SHOWN_FOR) == {"service/masker/m1"}
    assert left([said("masker", "m1", now - 9 * MINUTE), both[1]], by_its_own_clock(now), SHOWN_FOR) == set()


def test_the_last_of_a_service_never_left() -> None:
    now = ManualClock().now()
    silent = [said("masker", "m1", now - timedelta(days=9)), said("masker", "m2", now - timedelta(days=3))]
    assert left([*silent, said("api", "a1", now)], by_its_own_clock(now), SHOWN_FOR) == {"service/masker/m1"}


class Site:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(slots=1, clock=self.clock)
        self.bus = MemoryBus(self.broker)
        self.directory = CameraDirectory()
        self.statuses = Statuses(self.clock, timedelta(seconds=30), lambda _: None, "service/api/a1")
        self.table = Table(
            self.bus, STATUS, decode_status, self.clock, key_of=attrgetter("key"), on_change=self.statuses.changed
        )
        self.statuses.table = self.table
        self.sender = DeparturesSender(
            self.table, self.directory, self.clock, self.bus.producer(), self.statuses.silent_for
        )

    def reporter(self, instance: str) -> StatusReporter:
        return StatusReporter(self.bus.producer(), "masker", instance, self.clock)

    def go(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.sender.send()

    def keys(self) -> set[str]:
        return set(self.table.values())


@pytest.fixture
def site() -> Site:
    return Site()


def test_it_is_taken_off_the_bus_once_it_is_of_no_use(site: Site) -> None:
    for instance in ("m1", "m2"):
        site.reporter(instance).service()
    site.reporter("m2").camera("nobody", Level.OK, "masked", "")
    site.table.start()
    try:
        eventually(lambda: len(site.keys()) == 3 and site.table.wait_caught_up(0))
        site.go(EVERY_S)
        assert len(site.keys()) == 3
        site.go((CAMERA_LEFT_AFTER + MINUTE).total_seconds())
        eventually(lambda: site.keys() == {"service/masker/m1", "service/masker/m2"})
        site.clock.advance(INSTANCE_LEFT_AFTER.total_seconds())
        site.reporter("m2").service()
        eventually(lambda: heard(site, "m2"))
        assert [each.instance for each in site.statuses.all_services()] == ["m2"]
        site.go(EVERY_S)
        eventually(lambda: site.keys() == {"service/masker/m2"})
    finally:
        site.table.close()


def heard(site: Site, *instances: str) -> bool:
    said = site.table.values()
    keys = [f"service/masker/{each}" for each in instances]
    return all(key in said and site.statuses.silent_for(said[key]) == timedelta() for key in keys)


@pytest.mark.parametrize("behind", [SHOWN_FOR + MINUTE, INSTANCE_LEFT_AFTER + MINUTE])
def test_an_instance_whose_clock_is_behind_did_not_leave(site: Site, behind: timedelta) -> None:
    site.table.start()
    try:
        eventually(lambda: site.table.wait_caught_up(0))
        site.reporter("m2").service()
        late = said("masker", "m1", site.clock.now() - behind)
        site.bus.producer().send(STATUS, late.key, late)
        eventually(lambda: heard(site, "m1", "m2"))
        assert [each.instance for each in site.statuses.all_services()] == ["m1", "m2"]
        site.go(EVERY_S)
        assert site.broker.records(STATUS)[-1].value is not None
    finally:
        site.table.close()


def test_an_instance_whose_clock_was_ahead_leaves_too(site: Site) -> None:
    early = said("masker", "m1", site.clock.now() + timedelta(days=3650))
    site.bus.producer().send(STATUS, early.key, early)
    site.table.start()
    try:
        eventually(lambda: site.table.wait_caught_up(0))
        site.clock.advance((SHOWN_FOR + MINUTE).total_seconds())
        site.reporter("m2").service()
        eventually(lambda: heard(site, "m2"))
        assert [each.instance for each in site.statuses.all_services()] == ["m2"]
    finally:
        site.table.close()
