"""What is said of cameras on the bus, above all after the database came back from a backup."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs
from tests.application import SYSTEM, eventually
from tests.unit.api.desk import LATER, WALL, WHO, Desk, Failing, masking_of, of

from beffroi_api.bus.cameras import LEASE, UNDO_AGAIN_S, UNWATCHED, WATCH_AGE_S, CamerasSender
from beffroi_api.bus.reconciliation import MOST_BELIEVED
from beffroi_api.db.leases import Lease
from beffroi_api.db.tables import CameraRow
from beffroi_api.modules.cameras import repository
from beffroi_api.modules.cameras.schemas import CameraInput
from beffroi_common.bus import RetryLater
from beffroi_common.contracts import Camera, CameraSource, LegalBasis, MaskDecision, MaskMode
from beffroi_common.contracts.base import MAX_INT32
from beffroi_common.contracts.camera import MAX_SLOTS
from beffroi_common.topics import CAMERAS
from beffroi_testing import ManualClock, MemoryBus

BASIS = LegalBasis(
    analytic="loitering", purpose="essai", reference="arrêté 1", starts_at=LATER, ends_at=LATER + timedelta(days=1)
)


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


def test_a_backup_from_after_somebody_brought_the_numbers_up_is_behind_like_any_other(desk: Desk) -> None:
    ours = MOST_BELIEVED + 10
    with desk.cameras.database.write(SYSTEM) as session:
        row = repository.find(session, "gate")
        assert row is not None
        repository.write(row, of(version=ours, mask=ours))
    desk.on_the_bus(of(version=ours + 4, mask=ours + 3))
    desk.publish()
    (sent,) = desk.on_bus(after=1)
    assert sent is not None
    assert (sent.version, sent.masking) == (ours + 5, None)
    assert desk.decide().version > ours + 3, "no number means two decisions"


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


WINDOW = of(version=4, mask=3).masking


def other(camera: Camera, **changes: Any) -> Camera:
    """What somebody else says of it."""
    return camera.model_copy(update=changes)


FOREIGN: dict[str, Callable[[Camera], Camera | bytes | None]] = {
    "masks taken off": lambda ours: other(ours, version=4, masking=None),
    "other masks": lambda ours: other(ours, version=4, masking=WINDOW),
    "other masks under the same version": lambda ours: other(ours, masking=WINDOW),
    "other masks under an older version": lambda ours: other(ours, version=2, masking=WINDOW),
    "another source": lambda ours: other(ours, source=CameraSource(url="pattern:320x240@5")),
    "a legal basis": lambda ours: other(ours, version=4, legal_bases=(BASIS,)),
    "the last numbers that there are": lambda ours: other(
        ours, version=MAX_INT32, masking=of(version=1, mask=MAX_INT32).masking
    ),
    "its removal": lambda _ours: None,
    "what nobody can read": lambda _ours: b"{",
    "what a newer release said": lambda ours: newer_release(other(ours, version=4)),
}
"""What somebody says of a camera of version 3, with masks of version 2, that nobody decided here."""


@pytest.mark.parametrize("spoil", FOREIGN.values(), ids=FOREIGN)
def test_what_nobody_decided_here_is_undone_and_said(
    desk: Desk, spoil: Callable[[Camera], Camera | bytes | None]
) -> None:
    with desk.publishing(), capture_logs() as logs:
        eventually(desk.on_bus)
        (ours,) = desk.on_bus()
        assert ours is not None
        spoilt = spoil(ours)
        desk.on_the_bus(spoilt)
        undone = eventually(lambda: last_of(desk.on_bus(after=2)))
    assert undone == desk.cameras.get(SYSTEM, "gate")
    assert undone.model_copy(update={"version": ours.version, "masking": ours.masking}) == ours
    assert decision_of(undone) == decision_of(ours)
    assert desk.by_the_system() == [("camera_saved", "gate")]
    (said,) = (entry for entry in logs if "nobody decided here" in entry["event"])
    assert (said["log_level"], said["camera"]) == ("error", "gate")
    if isinstance(spoilt, Camera) and spoilt.masking is not None and spoilt.masking.version < MAX_INT32:
        assert not desk.directory.shows("gate", spoilt.masking.version), "what was masked otherwise is not shown"
    assert desk.decide().version < 10, "numbers are not used up"


SILENTLY: dict[str, Callable[[Camera], Camera | bytes | None]] = {
    "no masks under the same numbers": lambda ours: other(ours, masking=other_masks(ours, mode=MaskMode.OPEN)),
    "that with a field which nobody knows": lambda ours: newer_release(
        other(ours, masking=other_masks(ours, mode=MaskMode.OPEN))
    ),
    "no masks under an older version": lambda ours: other(
        ours, version=2, masking=other_masks(ours, mode=MaskMode.OPEN)
    ),
    "another source": lambda ours: other(ours, source=CameraSource(url="pattern:320x240@5")),
    "a legal basis": lambda ours: other(ours, legal_bases=(BASIS,)),
    "its removal": lambda _ours: None,
}
"""What somebody says of it, that none of its numbers tells."""


def other_masks(ours: Camera, **changes: Any) -> MaskDecision:
    assert ours.masking is not None
    return ours.masking.model_copy(update={"reason": "nothing to hide", "decided_by": "mallory", **changes})


@pytest.mark.parametrize("spoil", SILENTLY.values(), ids=SILENTLY)
def test_what_somebody_said_while_nobody_listened_is_undone_and_said(
    desk: Desk, spoil: Callable[[Camera], Camera | bytes | None]
) -> None:
    desk.publish()
    (ours,) = desk.on_bus()
    assert ours is not None
    desk.on_the_bus(spoil(ours))
    with capture_logs() as logs:
        desk.publish()
    undone = last_of(desk.on_bus(after=2))
    assert undone == desk.cameras.get(SYSTEM, "gate")
    assert decision_of(undone) == decision_of(ours)
    assert desk.by_the_system() == [("camera_saved", "gate")]
    (said,) = (entry for entry in logs if "nobody decided here" in entry["event"])
    assert (said["log_level"], said["camera"]) == ("error", "gate")
    assert not desk.directory.shows("gate", 2), "what was masked otherwise under that number is not shown"
    desk.publish()
    assert len(desk.by_the_system()) == 1, "once"


def test_what_the_next_release_sent_before_it_was_taken_back_is_ours(desk: Desk) -> None:
    desk.publish()
    (ours,) = desk.on_bus()
    assert ours is not None
    desk.on_the_bus(newer_release(ours))
    desk.publish()
    assert desk.by_the_system() == []
    assert desk.directory.shows("gate", 2)


def test_what_nobody_decided_here_is_undone_also_above_the_highest_numbers_that_are_believed(desk: Desk) -> None:
    """Somebody brings our own numbers above all that are believed first."""
    with desk.publishing():
        eventually(desk.on_bus)
        for number in (MOST_BELIEVED, 4, MAX_INT32):
            (ours,) = desk.on_bus()[-1:]
            assert ours is not None
            sent = len(desk.on_bus())
            desk.on_the_bus(other(ours, version=number, masking=WINDOW))
            undone = eventually(lambda: last_of(desk.on_bus(after=sent + 1)))  # noqa: B023
            assert undone == desk.cameras.get(SYSTEM, "gate")
            assert decision_of(undone) == decision_of(ours)
            assert isinstance(desk.cameras.clock, ManualClock)
            desk.cameras.clock.advance(UNDO_AGAIN_S[1])


def decision_of(camera: Camera) -> MaskDecision:
    """What was decided, whatever its number."""
    assert camera.masking is not None
    return camera.masking.model_copy(update={"version": 1})


def last_of(cameras: list[Camera | None]) -> Camera | None:
    return cameras[-1] if cameras else None


def test_what_is_said_of_a_camera_in_another_partition_is_deleted_there(desk: Desk) -> None:
    """Whoever starts reads the partitions in any order."""
    with desk.publishing():
        eventually(desk.on_bus)
        (ours,) = desk.on_bus()
        assert ours is not None
        desk.on_the_bus(other(ours, version=4, slot=1, masking=WINDOW), slot=1)
        eventually(lambda: desk.on_bus(slot=1)[-1] is None and len(desk.on_bus()) > 1)
        assert desk.on_bus()[-1] == desk.cameras.get(SYSTEM, "gate")


def test_a_camera_that_somebody_else_adds_meanwhile_is_taken_down(desk: Desk) -> None:
    with desk.publishing():
        eventually(desk.on_bus)
        desk.on_the_bus(of("yard", version=7, mask=4, slot=1), camera="yard", slot=1)
        eventually(lambda: desk.on_bus("yard", slot=1)[-1] is None)
    assert desk.by_the_system() == [("camera_removed", "yard")]


def test_a_camera_that_somebody_else_adds_with_the_last_numbers_that_there_are_can_be_made_again(desk: Desk) -> None:
    with desk.publishing():
        eventually(desk.on_bus)
        forged = other(of("yard", version=MAX_INT32, mask=MAX_INT32, slot=1), source_version=MAX_INT32)
        desk.on_the_bus(forged, camera="yard", slot=1)
        eventually(lambda: desk.on_bus("yard", slot=1)[-1] is None)
        body = {"name": "Yard", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
        desk.cameras.save(WHO, "yard", CameraInput.model_validate(body), None)
        assert eventually(lambda: desk.on_bus("yard", slot=1)[-1]).version < 10


@pytest.mark.parametrize("when", ["before it publishes", "while it does"])
@pytest.mark.parametrize("camera", ["yard", "gate"])
def test_a_slot_that_somebody_else_says_and_there_is_not_is_no_cameras(desk: Desk, camera: str, when: str) -> None:
    """Sent to a partition that there is not, nothing would be sent any more, of no camera."""
    forged = of(camera, version=7, mask=4, slot=MAX_SLOTS - 1)
    if when == "before it publishes":
        desk.on_the_bus(forged, camera=camera, slot=1)
    with desk.publishing():
        eventually(desk.on_bus)
        if when == "while it does":
            desk.on_the_bus(forged, camera=camera, slot=1)
        eventually(lambda: desk.on_bus(camera, slot=1)[-1] is None)
        decided = desk.decide()
        eventually(lambda: masking_of(desk.on_bus()[-1]) == decided)
    assert desk.row(camera).slot < desk.cameras.slots


def test_a_removed_camera_that_somebody_else_brings_back_is_taken_down(desk: Desk) -> None:
    desk.cameras.remove(WHO, "gate", None)
    with desk.publishing():
        eventually(lambda: desk.on_bus() and desk.on_bus()[-1] is None)
        desk.on_the_bus(of(version=9, mask=9))
        eventually(lambda: desk.on_bus()[-1] is None)
        assert not desk.directory.shows("gate", 9)


def test_a_database_put_back_while_it_runs_is_not_taken_for_what_was_decided(desk: Desk) -> None:
    before = desk.row()
    with desk.publishing():
        eventually(desk.on_bus)
        decided = desk.decide()
        eventually(lambda: masking_of(desk.on_bus()[-1]) == decided)
        with desk.cameras.database.write(SYSTEM) as session:
            row = repository.find(session, "gate")
            assert row is not None
            row.version, row.document, row.mask_version = before.version, before.document, before.mask_version
        desk.on_the_bus(None)
        eventually(lambda: last_of(desk.on_bus(after=3)))
    newest = desk.on_bus()[-1]
    assert newest is not None
    assert (newest.masking, newest.version) == (None, 5)


def test_what_this_process_sends_itself_is_left_alone(desk: Desk) -> None:
    with desk.publishing() as publisher:
        eventually(desk.on_bus)
        for _ in range(5):
            decided = desk.decide()
            publisher.wake()
            eventually(lambda: masking_of(desk.on_bus()[-1]) == decided)  # noqa: B023
        desk.cameras.remove(WHO, "gate", None)
        eventually(lambda: desk.on_bus()[-1] is None)
    assert desk.by_the_system() == []


def test_two_databases_that_publish_do_not_answer_each_other_without_a_pause(desk: Desk) -> None:
    with desk.publishing() as publisher:
        eventually(desk.on_bus)
        desk.on_the_bus(of(version=7, mask=4))
        eventually(lambda: desk.row().version == 8 and len(desk.on_bus()) == 3)
        desk.on_the_bus(of(version=20, mask=9))
        for _ in range(3):
            decided = desk.decide()
            publisher.wake()
            eventually(lambda: masking_of(desk.on_bus()[-1]) == decided)  # noqa: B023
        assert [each and each.version for each in desk.on_bus()][:5] == [3, 7, 8, 20, 9]
        desk.on_the_bus(of(version=21, mask=9))
        assert isinstance(desk.cameras.clock, ManualClock)
        desk.cameras.clock.advance(UNDO_AGAIN_S[0])
        eventually(lambda: desk.row().version == 22)


def test_it_is_said_while_nobody_sees_who_else_writes(desk: Desk) -> None:
    lease = Lease(desk.cameras.database, desk.cameras.clock, LEASE, "one", 900.0)
    bus = MemoryBus(desk.broker)
    sender = CamerasSender(bus, desk.cameras, lease, bus.producer())

    def told() -> list[Camera | None]:
        sender.send()
        return desk.on_bus()

    eventually(told)
    assert sender.trouble() is None
    desk.broker.denied.add(CAMERAS.name)
    assert isinstance(desk.cameras.clock, ManualClock)
    desk.cameras.clock.advance(WATCH_AGE_S + 1)
    assert sender.trouble() == UNWATCHED
    desk.broker.denied.clear()
    eventually(lambda: sender.trouble() is None)
    sender.close()
