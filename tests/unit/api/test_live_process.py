"""The process of the live views reads and writes what the registry of topics grants it, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.application import SYSTEM, TRAIL_KEY, buffered, eventually, film

from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.live.services import LiveServices
from beffroi_api.live.settings import LiveProcessSettings
from beffroi_api.modules.live.schemas import View
from beffroi_common.bus import Consumer, Follower, Partition, PartitionReader, Start
from beffroi_common.contracts import Camera, CameraSource, Level, MaskDecision, MaskMode, ServiceStatus, Viewers
from beffroi_common.runtime.health import Health
from beffroi_common.topics import FRAMES_MASKED, STATUS, TOPICS, VIEWERS, Service, Topic, every_topic
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

GATE = Camera(
    id="gate",
    name="Gate",
    commune="Lille",
    slot=0,
    source=CameraSource(url="pattern:160x96@5"),
    masking=MaskDecision(
        mode=MaskMode.OPEN, version=1, decided_by="a", decided_at=datetime(2026, 1, 1, tzinfo=UTC), reason="a wall"
    ),
    version=1,
)


class WatchedBus(MemoryBus):
    """Knows which topics are read. It has no groups: live views are to be in none."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.read: set[str] = set()

    def consumer(self, *_arguments: Any, **_options: Any) -> Consumer:
        raise AssertionError("live views are in no group")

    def follower(self, topics: Sequence[Topic], start: Start) -> Follower:
        self.read |= {topic.name for topic in topics}
        return super().follower(topics, start)

    def partition_reader(self) -> PartitionReader:
        reader = super().partition_reader()
        follow = reader.follow

        def noted(partition: Partition, since_ms: int) -> None:
            self.read.add(partition[0])
            follow(partition, since_ms)

        reader.follow = noted  # type: ignore[method-assign]
        return reader


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(slots=2, clock=ManualClock())


@pytest.fixture
def bus(broker: MemoryBroker) -> WatchedBus:
    return WatchedBus(broker)


@pytest.fixture
def live(broker: MemoryBroker, bus: WatchedBus, tmp_path: Path) -> Iterator[LiveServices]:
    settings = LiveProcessSettings.model_validate(
        {
            "kafka": {"bootstrap_servers": "unused:9092"},
            "database_url": f"sqlite:///{tmp_path / 'api.sqlite3'}",
            "instance": "test",
            "trail_key": TRAIL_KEY,
        }
    )
    bugs: list[BaseException] = []
    database = Database(settings.database_url)
    migrations.upgrade(database)
    database.close()
    made = LiveServices(settings, bus, broker.clock, Health(broker.clock, settings.heartbeat_timeout_s), bugs.append)
    made.start()
    made.directory.load([GATE], {})
    yield made
    made.close()
    assert not bugs


def written(broker: MemoryBroker) -> set[str]:
    return {topic.name for topic in every_topic() if broker.records(topic)}


@pytest.mark.asyncio
async def test_it_touches_the_topics_that_the_registry_grants(
    live: LiveServices, broker: MemoryBroker, bus: WatchedBus
) -> None:
    for view in View:
        live.buffer.watch(SYSTEM, GATE.id, view)
    live.leases.open(GATE.id)
    may_read = {topic.name for topic in TOPICS if Service.LIVE in topic.consumers}
    may_write = {topic.name for topic in every_topic() if Service.LIVE in topic.producers}
    await asyncio.to_thread(eventually, lambda: bus.read >= may_read and written(broker) >= may_write)
    assert bus.read == may_read
    assert written(broker) == may_write


def test_its_threads_bear_its_name(live: LiveServices) -> None:
    def followed() -> set[str]:
        names = (thread.name for thread in threading.enumerate())
        return {name for name in names if name.endswith((f"-{VIEWERS.name}", f"-{STATUS.name}"))}

    eventually(lambda: followed() >= {f"live-{VIEWERS.name}", f"live-{STATUS.name}"})


@pytest.mark.asyncio
async def test_what_it_cannot_read_is_left_to_others(live: LiveServices, broker: MemoryBroker) -> None:
    live.buffer.watch(SYSTEM, GATE.id, View.MASKED)
    live.leases.open(GATE.id)
    await asyncio.to_thread(eventually, lambda: broker.records(VIEWERS))
    now = broker.clock.now()
    (batch,) = film(1, start_ns=broker.clock.now_ns())
    status = ServiceStatus(
        service="masker", instance="0", level=Level.OK, code="running", message="", at=now, started_at=now
    )
    heard = len(broker.records(VIEWERS)) + 2  # with those below
    ended = Viewers(camera=GATE.id, annotated_until=now)
    for topic, key, readable in (
        (FRAMES_MASKED, GATE.id, batch),
        (STATUS, status.key, status),
        (VIEWERS, GATE.id, ended),
    ):
        broker.append(topic.name, key, b"unreadable", 0, {})
        broker.append(topic.name, key, readable.encode(), 0, {})

    def all_read() -> bool:
        # What follows in a partition was read: so was what came before it. A lease that another ended is renewed.
        is_heard = len(broker.records(VIEWERS)) > heard
        return is_heard and bool(buffered(live)) and live.table.get(status.key) is not None

    await asyncio.to_thread(eventually, all_read)
    assert written(broker) == {FRAMES_MASKED.name, STATUS.name, VIEWERS.name}
