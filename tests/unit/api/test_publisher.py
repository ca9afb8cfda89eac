"""Cameras are published by one process at a time, whatever becomes of it and of the broker."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from annotated_types import Le
from sqlalchemy import text
from tests.application import SYSTEM, eventually
from tests.unit.api.desk import WALL, WHO, Desk, Failing, masking_of, of

from beffroi_api.bus.cameras import LEASE, SNAPSHOT_WAIT_S, CamerasSender
from beffroi_api.bus.publisher import ROUND_S
from beffroi_api.db.leases import Lease
from beffroi_api.modules.cameras.schemas import CameraInput
from beffroi_api.settings import ApiSettings
from beffroi_common.bus import RetryLater
from beffroi_common.contracts import Camera
from beffroi_common.topics import CAMERAS
from beffroi_testing import ManualClock, MemoryBus


def test_while_the_broker_is_away_nothing_is_sent_and_then_it_is_read_first(desk: Desk) -> None:
    desk.on_the_bus(of(version=7, mask=4))
    desk.broker.away = True
    with desk.publishing():
        assert desk.decide().version == 3  # a person decides meanwhile, and does not see what was decided since
        desk.broker.away = False
        eventually(lambda: desk.on_bus(after=1))
    assert [each and (each.version, each.masking) for each in desk.on_bus(after=1)] == [(8, None)]


def test_of_two_processes_one_publishes(desk: Desk) -> None:
    with desk.publishing():
        eventually(desk.on_bus)
        with desk.publishing() as second:
            for _ in range(3):
                second.wake()
                decided = desk.decide()
                eventually(lambda: masking_of(desk.on_bus()[-1]) == decided)  # noqa: B023
    assert [each and each.version for each in desk.on_bus()] == [3, 4, 5, 6]


def test_when_one_stops_the_other_goes_on_at_once(desk: Desk) -> None:
    with ExitStack() as second:
        with desk.publishing():
            eventually(desk.on_bus)
            second.enter_context(desk.publishing())
        eventually(lambda: [each and each.version for each in desk.on_bus()] == [3, 3])


def test_whoever_lost_the_lease_sends_nothing_more(desk: Desk) -> None:
    bus = MemoryBus(desk.broker)
    clock, producer = ManualClock(), bus.producer()
    stalled = CamerasSender(bus, desk.cameras, Lease(desk.cameras.database, clock, LEASE, "stalled", 9.0), producer)

    def told() -> list[Camera | None]:
        stalled.send()
        return desk.on_bus()

    eventually(told)
    clock.advance(9.0)
    desk.decide()
    with desk.cameras.database.write(SYSTEM) as session:
        session.execute(text("UPDATE leases SET holder = 'another', term = term + 1"))
    stalled.send()
    assert [each and each.version for each in desk.on_bus()] == [3]
    stalled.close()


@pytest.mark.parametrize("when", ["at the start of its term", "in a later round"])
def test_a_lease_that_ends_within_a_round_ends_the_sending(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    body = CameraInput.model_validate({"name": "Yard", "commune": "Lille", "source": {"url": "pattern:160x96@5"}})
    desk.cameras.save(WHO, "yard", body, None)
    bus, clock = MemoryBus(desk.broker), ManualClock()
    producer = bus.producer()
    sender = CamerasSender(bus, desk.cameras, Lease(desk.cameras.database, clock, LEASE, "one", 9.0), producer)

    def sent() -> int:
        sender.send()
        return len(desk.broker.records(CAMERAS))

    if when == "in a later round":
        eventually(sent)
        desk.decide()
        desk.cameras.decide_masking(WHO, "yard", WALL, None)
    before, send = len(desk.broker.records(CAMERAS)), producer.send

    def stall(*arguments: Any, **named: Any) -> None:
        send(*arguments, **named)
        clock.advance(9.0)

    monkeypatch.setattr(producer, "send", stall)
    assert eventually(lambda: sent() - before) == 1
    monkeypatch.undo()
    sent()  # the lease is held again: the other follows
    for camera, slot in (("gate", 0), ("yard", 1)):
        assert desk.on_bus(camera, slot=slot)[-1] == desk.cameras.get(SYSTEM, camera)
    sender.close()


def test_what_could_not_be_sent_at_the_start_of_a_term_is_sent_in_the_next_round(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.publish()
    bus = MemoryBus(desk.broker)
    producer = bus.producer()
    failing = Failing(producer.send, RetryLater("full"), times=1)
    monkeypatch.setattr(producer, "send", failing)
    lease = Lease(desk.cameras.database, desk.cameras.clock, LEASE, "one", 9.0)
    sender = CamerasSender(bus, desk.cameras, lease, producer)

    def sent() -> bool:
        sender.send()
        return len(desk.on_bus()) == 2

    eventually(sent)
    assert failing.times == 0
    sender.close()


def test_a_dead_publisher_is_replaced_in_time() -> None:
    (limit,) = (each for each in ApiSettings.model_fields["publisher_lease_s"].metadata if isinstance(each, Le))
    assert float(str(limit.le)) + ROUND_S + SNAPSHOT_WAIT_S <= 15.0 - 4.0, "4 s to connect to the broker and to read"
