"""What is said of cameras on the bus, above all after the database came back from a backup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from annotated_types import Le
from sqlalchemy import delete, select, text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from tests.application import SYSTEM, eventually

from beffroi_api.authz.roles import Identity, Role
from beffroi_api.authz.territory import EVERYWHERE
from beffroi_api.bus.cameras import LEASE, SNAPSHOT_WAIT_S, CamerasSender
from beffroi_api.bus.publisher import ROUND_S, Publisher
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.db.leases import Lease
from beffroi_api.db.tables import AuditTableRow, CameraRow
from beffroi_api.modules.audit.service import Trail
from beffroi_api.modules.cameras import repository
from beffroi_api.modules.cameras.registry.decisions import Decisions
from beffroi_api.modules.cameras.schemas import CameraInput, MaskingInput, StatusSummary
from beffroi_api.modules.cameras.service import Cameras
from beffroi_api.modules.events.news.outbox import NewsOutbox
from beffroi_api.modules.rules.service import Rules
from beffroi_api.settings import ApiSettings
from beffroi_api.workers import Worker
from beffroi_common.bus import Producer, RetryLater
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


@dataclass
class Desk:
    """A publisher on doubles, with `gate` in its database: version 3, mask version 2, slot 0."""

    broker: MemoryBroker
    cameras: Cameras
    decisions: Decisions
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
        self.cameras.listeners[:] = [self.decisions.changed, lambda *_: publisher.wake()]
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


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = ManualClock()
    database = Database(f"sqlite:///{tmp_path / 'api.sqlite3'}")
    migrations.upgrade(database)

    def fine(_camera: Camera) -> StatusSummary:
        return StatusSummary(level=Level.OK, code="fine", message="", service=None, at=None)

    cameras = Cameras(database, Trail(database, clock), clock, 2, Rules(registry.load()), fine, NewsOutbox())
    body = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
    cameras.save(WHO, "gate", CameraInput.model_validate(body), None)
    for _ in range(2):
        cameras.decide_masking(WHO, "gate", WALL, None)
    decisions = Decisions()
    decisions.load(cameras.every(SYSTEM), cameras.communes(SYSTEM))
    yield Desk(MemoryBroker(clock=clock), cameras, decisions)
    database.close()


def newer_release(camera: Camera) -> bytes:
    """As a later release would say it, with fields that this one does not know."""
    document: dict[str, Any] = json.loads(camera.encode())
    document["masking"]["why_not"] = document["source"]["mirror"] = document["weather"] = "sun"
    document["zones"] = [{"id": "a", "shape": "round"}]
    return json.dumps(document).encode()


AHEAD: dict[str, tuple[tuple[Camera | bytes | None, ...], int, int]] = {
    "a later version": ((of(version=7, mask=4),), 7, 4),
    "a later mask version": ((of(version=3, mask=3),), 3, 3),
    "a decision that ended, its number forgotten by the broker": ((of(version=7),), 7, 6),
    "a camera that was removed since": ((of(version=7, mask=4), None), 7, 4),
    "a later version that an older one undid": ((of(version=7, mask=4), of(version=3, mask=2)), 7, 4),
    "another decision with the same number": ((of(version=2, mask=2),), 3, 2),
    "what a newer release said": ((newer_release(of(version=7, mask=4)),), 7, 4),
    "what nobody can read": ((b"{",), 3, 2),
}
"""What the bus says → the highest version and mask version there, as far as they can be known, or in the database."""


@pytest.mark.parametrize(("messages", "version", "mask_version"), AHEAD.values(), ids=AHEAD)
def test_where_the_bus_is_ahead_the_decision_ends_and_the_numbers_go_on(
    desk: Desk, messages: tuple[Camera | bytes | None, ...], version: int, mask_version: int
) -> None:
    desk.on_the_bus(*messages)
    with capture_logs() as logs:
        desk.publish()
    (said,) = (entry for entry in logs if "restored from a backup" in entry["event"])
    assert (said["log_level"], said["camera"], said["version"]) == ("error", "gate", 3)
    (sent,) = desk.on_bus(after=len(messages))
    assert sent is not None
    assert (sent.version, sent.masking) == (version + 1, None)
    assert desk.by_the_system() == [("camera_saved", "gate")]
    assert not desk.decisions.shows("gate", 100), "the api's own gate knows it"
    assert desk.decide().version > mask_version, "no number means two decisions"
    assert desk.cameras.get(SYSTEM, "gate").source_version == 2, "nor two sources"


BEHIND: dict[str, tuple[Camera | None, ...]] = {
    "nothing": (),
    "the version before": (of(version=2, mask=1),),
    "a removed camera": (of(version=2, mask=1), None),
}


@pytest.mark.parametrize("messages", BEHIND.values(), ids=BEHIND)
def test_where_the_bus_is_behind_the_decision_goes_on(desk: Desk, messages: tuple[Camera | None, ...]) -> None:
    desk.on_the_bus(*messages)
    desk.publish()
    assert desk.on_bus(after=len(messages)) == [desk.cameras.get(SYSTEM, "gate")]
    assert desk.decisions.shows("gate", 2)


def test_where_the_bus_says_the_same_the_decision_goes_on(desk: Desk) -> None:
    desk.publish()
    desk.publish()
    assert desk.on_bus() == 2 * [desk.cameras.get(SYSTEM, "gate")]
    assert desk.by_the_system() == []


def test_a_decision_ends_once(desk: Desk) -> None:
    desk.on_the_bus(of(version=7, mask=4))
    desk.publish()
    decided = desk.decide()
    desk.publish()
    newest = desk.on_bus()[-1]
    assert newest is not None
    assert newest.masking == decided
    assert len(desk.by_the_system()) == 1


def test_a_camera_that_no_row_knows_is_taken_down(desk: Desk) -> None:
    desk.on_the_bus(of("yard", version=7, mask=4, slot=1), camera="yard", slot=1)
    with capture_logs() as logs:
        desk.publish()
    assert [(entry["log_level"], entry["camera"]) for entry in logs if "taken down" in entry["event"]] == [
        ("error", "yard")
    ]
    switched_off, gone = desk.on_bus("yard", slot=1, after=1)
    assert gone is None
    assert switched_off is not None
    assert not switched_off.enabled
    assert desk.on_bus("yard", slot=0) == []
    assert desk.by_the_system() == [("camera_removed", "yard")]
    assert [camera.id for camera in desk.cameras.every(SYSTEM)] == ["gate"]


def test_made_again_it_goes_on_in_its_slot_with_higher_numbers(desk: Desk) -> None:
    desk.on_the_bus(of("yard", version=7, mask=4, slot=0), camera="yard")
    desk.publish()
    body = {"name": "Yard", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
    desk.cameras.save(WHO, "yard", CameraInput.model_validate(body), None)
    desk.cameras.decide_masking(WHO, "yard", WALL, None)
    made = desk.cameras.get(SYSTEM, "yard")
    assert made.masking is not None
    assert (made.slot, made.version) == (0, 9)  # the other slot is empty
    assert made.masking.version > 4


def test_the_right_database_is_not_behind_after_the_wrong_one_took_its_cameras_down(desk: Desk) -> None:
    desk.publish()
    mine = desk.row()
    with desk.cameras.database.write(SYSTEM) as session:
        session.execute(delete(CameraRow).where(CameraRow.id == mine.id))
    desk.publish()
    assert desk.on_bus()[-1] is None
    with desk.cameras.database.write(SYSTEM) as session:
        wrong = repository.find(session, "gate")
        assert wrong is not None
        wrong.removed_at, wrong.document, wrong.mask_version = None, mine.document, mine.mask_version
    desk.publish()
    newest = desk.on_bus()[-1]
    assert newest is not None
    assert newest.masking is not None


def test_a_removed_camera_that_the_bus_has_back_is_taken_down(desk: Desk) -> None:
    desk.cameras.remove(WHO, "gate", None)
    desk.on_the_bus(of(version=7, mask=4))
    desk.publish()
    assert desk.on_bus()[-1] is None
    assert desk.by_the_system() == [("camera_removed", "gate")]


def test_a_camera_goes_on_in_the_slot_where_it_was_published(desk: Desk) -> None:
    desk.on_the_bus(of(version=2, mask=1, slot=1), slot=1)
    desk.publish()
    (sent,) = desk.on_bus(slot=1, after=1)
    assert sent is not None
    assert (sent.version, sent.slot, sent.masking) == (4, 1, None)
    assert desk.on_bus(slot=0) == []
    assert desk.row().slot == 1


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
                eventually(lambda: _masking(desk.on_bus()[-1]) == decided)  # noqa: B023
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


def test_an_older_version_sent_late_is_undone(desk: Desk) -> None:
    with desk.publishing():
        eventually(desk.on_bus)
        decided = desk.decide()
        eventually(lambda: _masking(desk.on_bus()[-1]) == decided)
        with capture_logs() as logs:
            desk.on_the_bus(of(version=2, mask=1))
            eventually(lambda: desk.on_bus()[-1] == desk.cameras.get(SYSTEM, "gate"))
    assert "an older version came after a newer one" in [entry["event"] for entry in logs]


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


@pytest.mark.parametrize("what", ["producer", "database"])
def test_an_undone_camera_stays_due_while_it_cannot_be_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    bus = MemoryBus(desk.broker)
    producer = bus.producer()
    if what == "producer":
        failing = Failing(producer.send, RetryLater("full"))
        monkeypatch.setattr(producer, "send", failing)
    else:
        failing = Failing(repository.unpublished, OperationalError("", None, Exception("away")))
        monkeypatch.setattr(repository, "unpublished", failing)
    lease = Lease(desk.cameras.database, desk.cameras.clock, LEASE, "one", 9.0)
    sender = CamerasSender(bus, desk.cameras, lease, producer)

    def versions() -> list[int | None]:
        sender.send()
        return [each.version if each else None for each in desk.on_bus()]

    eventually(versions)
    failing.times = 1_000_000
    desk.on_the_bus(of(version=2, mask=1))
    with capture_logs() as logs:
        eventually(lambda: versions() and [each for each in logs if "older version" in each["event"]])
    assert versions() == [3, 2]
    failing.times = 0
    assert versions() == [3, 2, 3]
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


def test_two_databases_that_publish_do_not_answer_each_other_for_ever(desk: Desk) -> None:
    with desk.publishing():
        eventually(desk.on_bus)
        desk.on_the_bus(of(version=7, mask=4), of(version=6, mask=4))
        desk.decide()
        eventually(lambda: len(desk.on_bus()) == 4)
        desk.decide()
        eventually(lambda: len(desk.on_bus()) == 5)
    assert [each and each.version for each in desk.on_bus()] == [3, 7, 6, 4, 5]


def test_a_dead_publisher_is_replaced_in_time() -> None:
    (limit,) = (each for each in ApiSettings.model_fields["publisher_lease_s"].metadata if isinstance(each, Le))
    assert float(str(limit.le)) + ROUND_S + SNAPSHOT_WAIT_S <= 15.0 - 4.0, "4 s to connect to the broker and to read"


def _masking(camera: Camera | None) -> MaskDecision | None:
    return camera.masking if camera else None
