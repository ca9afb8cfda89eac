"""What is said of cameras on the bus, above all after the database came back from a backup."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from tests.application import SYSTEM, eventually
from tests.unit.api.desk import WALL, WHO, Desk, Failing, masking_of, of

from beffroi_api.bus.cameras import LEASE, CamerasSender
from beffroi_api.db.leases import Lease
from beffroi_api.db.tables import CameraRow
from beffroi_api.modules.cameras import repository
from beffroi_api.modules.cameras.schemas import CameraInput
from beffroi_common.bus import RetryLater
from beffroi_common.contracts import Camera
from beffroi_testing import MemoryBus


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
    assert not desk.directory.shows("gate", 100), "the api's own gate knows it"
    assert desk.decide().version > mask_version, "no number means two decisions"
    assert desk.cameras.get(SYSTEM, "gate").source_version == 2, "nor two sources"


BEHIND: dict[str, tuple[Camera | bytes | None, ...]] = {
    "nothing": (),
    "the version before": (of(version=2, mask=1),),
    "a removed camera": (of(version=2, mask=1), None),
    "a removed camera that nobody could read": (b"{", None),
}


@pytest.mark.parametrize("messages", BEHIND.values(), ids=BEHIND)
def test_where_the_bus_is_behind_the_decision_goes_on(desk: Desk, messages: tuple[Camera | bytes | None, ...]) -> None:
    desk.on_the_bus(*messages)
    desk.publish()
    assert desk.on_bus(after=len(messages)) == [desk.cameras.get(SYSTEM, "gate")]
    assert desk.directory.shows("gate", 2)


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


def test_an_older_version_sent_late_is_undone(desk: Desk) -> None:
    with desk.publishing():
        eventually(desk.on_bus)
        decided = desk.decide()
        eventually(lambda: masking_of(desk.on_bus()[-1]) == decided)
        with capture_logs() as logs:
            desk.on_the_bus(of(version=2, mask=1))
            eventually(lambda: desk.on_bus()[-1] == desk.cameras.get(SYSTEM, "gate"))
    assert "an older version came after a newer one" in [entry["event"] for entry in logs]


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


def test_two_databases_that_publish_do_not_answer_each_other_for_ever(desk: Desk) -> None:
    with desk.publishing():
        eventually(desk.on_bus)
        desk.on_the_bus(of(version=7, mask=4), of(version=6, mask=4))
        desk.decide()
        eventually(lambda: len(desk.on_bus()) == 4)
        desk.decide()
        eventually(lambda: len(desk.on_bus()) == 5)
    assert [each and each.version for each in desk.on_bus()] == [3, 7, 6, 4, 5]
