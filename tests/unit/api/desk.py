"""A publisher of cameras on doubles, and cameras as they lie on the bus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from tests.application import SEAL, SYSTEM, eventually

from beffroi_api.authz.roles import Identity, Role
from beffroi_api.authz.territory import EVERYWHERE
from beffroi_api.bus.cameras import LEASE, CamerasSender
from beffroi_api.bus.publisher import Publisher
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.db.leases import Lease
from beffroi_api.db.tables import AuditTableRow, CameraRow
from beffroi_api.modules.audit.service import Trail
from beffroi_api.modules.cameras import repository
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.cameras.schemas import CameraInput, MaskingInput, StatusSummary
from beffroi_api.modules.cameras.service import Cameras
from beffroi_api.modules.rules.service import Rules
from beffroi_api.news.outbox import NewsOutbox
from beffroi_api.said import Said
from beffroi_api.workers import Worker
from beffroi_common.addresses import AllowedAddresses
from beffroi_common.bus import Producer
from beffroi_common.contracts import Camera, CameraSource, Level, MaskDecision, MaskMode
from beffroi_common.topics import CAMERAS
from beffroi_rules import registry
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

WHO = Identity("administrator", "Administrator", Role.ADMINISTRATOR, "fr", 1, "here", EVERYWHERE)
WALL = MaskingInput(mode=MaskMode.OPEN, reason="a wall")
LATER = datetime(2026, 12, 24, tzinfo=UTC)


def of(camera: str = "gate", *, version: int, mask: int | None = None, slot: int = 0) -> Camera:
    """A camera as it was published."""
    decision = mask and MaskDecision(
        mode=MaskMode.BURN, polygons=(((0, 0), (1, 0), (1, 1)),), version=mask, decided_by="anna", decided_at=LATER
    )
    source = CameraSource(url="pattern:320x240@5")
    return Camera(
        id=camera, name="Gate", commune="Lille", slot=slot, source=source, masking=decision or None, version=version
    )


def masking_of(camera: Camera | None) -> MaskDecision | None:
    return camera.masking if camera else None


@dataclass
class Failing:
    """A producer, or a question to the database, that fails as often as it is told to."""

    real: Any
    error: Exception
    times: int = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self.times > 0:
            self.times -= 1
            raise self.error
        return self.real(*arguments, **named)


@dataclass
class Desk:
    """A publisher on doubles, with `gate` in its database: version 3, mask version 2, slot 0."""

    broker: MemoryBroker
    cameras: Cameras
    directory: CameraDirectory
    bugs: list[BaseException] = field(default_factory=list)

    def on_the_bus(self, *values: Camera | bytes | None, camera: str = "gate", slot: int = 0) -> None:
        for value in values:
            payload = value.encode() if isinstance(value, Camera) else value
            self.broker.append(CAMERAS.name, camera, payload, slot, {})

    def on_bus(self, camera: str = "gate", *, slot: int = 0, after: int = 0) -> list[Camera | None]:
        """What is on the bus of a camera, without the first `after` messages."""
        records = [record for record in self.broker.log((CAMERAS.name, slot)) if record.key == camera]
        return [Camera.decode(record.value) if record.value else None for record in records[after:]]

    def row(self, camera: str = "gate") -> CameraRow:
        with self.cameras.database.read(SYSTEM) as session:
            found = repository.find(session, camera)
            assert found is not None
            return found

    def decide(self) -> MaskDecision:
        self.cameras.decide_masking(WHO, "gate", WALL, None)
        made = self.cameras.get(SYSTEM, "gate").masking
        assert made is not None
        return made

    def by_the_system(self) -> list[tuple[str, str | None]]:
        with self.cameras.database.read(SYSTEM) as session:
            rows = session.scalars(select(AuditTableRow).where(AuditTableRow.user == "(system)"))
            return [(row.action, row.camera) for row in rows]

    @contextmanager
    def publishing(self) -> Iterator[Publisher]:
        clock = self.cameras.clock
        bus = MemoryBus(self.broker)
        lease = Lease(self.cameras.database, clock, LEASE, "test", 9.0)

        def make(producer: Producer) -> CamerasSender:
            return CamerasSender(bus, self.cameras, lease, producer)

        publisher = Publisher(bus, [make], "api", "test", clock, lambda: None)
        self.cameras.listeners[:] = [self.directory.changed, lambda *_: publisher.wake()]
        worker = Worker("publisher", publisher.run, self.bugs.append, nudge=publisher.wake)
        worker.start()
        yield publisher
        worker.ask_to_stop()
        worker.join()
        assert self.bugs == []

    def publish(self) -> None:
        """Until the broker has everything."""
        before = len(self.broker.records(CAMERAS))
        with self.publishing():
            eventually(lambda: len(self.broker.records(CAMERAS)) > before and self._all_published())

    def _all_published(self) -> bool:
        with self.cameras.database.read(SYSTEM) as session:
            return not repository.unpublished(session)


@contextmanager
def open_desk(folder: Path) -> Iterator[Desk]:
    clock = ManualClock()
    database = Database(f"sqlite:///{folder / 'api.sqlite3'}")
    migrations.upgrade(database)

    def fine(_camera: Camera, _said: Sequence[Said]) -> StatusSummary:
        return StatusSummary(level=Level.OK, code="fine", message="", service=None)

    rules = Rules(registry.load())
    cameras = Cameras(
        database, Trail(database, clock, SEAL), clock, 2, AllowedAddresses(), rules, lambda _: [], fine, NewsOutbox()
    )
    body = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
    cameras.save(WHO, "gate", CameraInput.model_validate(body), None)
    for _ in range(2):
        cameras.decide_masking(WHO, "gate", WALL, None)
    directory = CameraDirectory()
    directory.load(cameras.every(SYSTEM), cameras.communes(SYSTEM))
    yield Desk(MemoryBroker(clock=clock), cameras, directory)
    database.close()
