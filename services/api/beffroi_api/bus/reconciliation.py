"""What `cameras.v1` says before the api says anything there: a database restored from a backup knows less than it.

Sent as it is, an older row would undo a newer one: what somebody covered since would be seen again, and the next
decision would take a number that means another one already. So where the bus is ahead, the camera's decision on masks
ends, as with another source: nothing passes until a person decides again, and the numbers go on above those on the bus.
A camera that no row knows is filmed, but nobody can see or stop it: it is taken in as removed, and published as such.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import structlog
from pydantic import BeforeValidator, ConfigDict

from beffroi_api.authz.scope import Scope
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import CameraRow
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry
from beffroi_api.modules.cameras import repository
from beffroi_api.modules.cameras.registry.changes import changes
from beffroi_api.modules.cameras.service import Cameras
from beffroi_api.modules.users.service import LOCAL
from beffroi_api.news.repository import Kind
from beffroi_common.bus import Absent, Bus, Table
from beffroi_common.contracts import Camera, CameraRule, CameraSource, LegalBasis, MaskDecision, Zone
from beffroi_common.topics import CAMERAS

log = structlog.get_logger(__name__)

SCOPE = Scope.system("the bus has one version of each camera, whoever owns it")

REASON = "the bus was ahead of the database, as after restoring a backup"


@dataclass(frozen=True)
class Numbers:
    """Highest of each that was seen of a camera."""

    version: int = 0
    mask_version: int = 0
    source_version: int = 0

    def with_those_of(self, camera: Camera) -> Numbers:
        """The higher of each."""
        return Numbers(
            max(self.version, camera.version),
            max(self.mask_version, camera.masking.version if camera.masking else 0),
            max(self.source_version, camera.source_version),
        )


@dataclass(frozen=True)
class BusSnapshot:
    """What was on the topic when it was read to its end.

    Attributes:
        latest: by camera. What is described is filmed if it is enabled; what is unreadable may be ahead of any row.
        numbers: by camera, of all its messages that the broker still has; removed ones included.
    """

    latest: Mapping[str, Camera | Absent]
    numbers: Mapping[str, Numbers]

    def is_ahead_of(self, row: CameraRow) -> bool:
        """Whether the bus knows of a change that the row does not, or that the row's is not the same as."""
        numbers = self.numbers.get(row.id, Numbers())
        camera = self.latest.get(row.id, Absent.MISSING)
        if camera is Absent.UNREADABLE or numbers.version > row.version or numbers.mask_version > row.mask_version:
            return True
        if camera is Absent.MISSING:
            return False
        return camera.slot != row.slot or _differ(camera.masking, repository.document(row).masking)


class BusSnapshotReader:
    """Follows `cameras.v1`: what is there when its end is reached first, and what is undone from then on."""

    def __init__(self, bus: Bus) -> None:
        self._latest: dict[str, Camera | Absent] = {}
        self._numbers: dict[str, Numbers] = {}
        self._undone: set[str] = set()
        self._lock = threading.Lock()
        self._table = Table(bus, CAMERAS, _decode, on_change=self._changed, name="publisher")
        self._table.start()

    def wait(self, timeout_s: float) -> BusSnapshot | None:
        """What is on the topic, or None where it was not read to its end in time: the broker is away.

        Raises:
            TableDeadError: it is followed no more.
        """
        if not self._table.wait_caught_up(timeout_s):
            return None
        with self._lock:
            self._undone.clear()  # whoever gets the snapshot sees to that
            return BusSnapshot(dict(self._latest), dict(self._numbers))

    def undone(self) -> dict[str, int]:
        """Cameras of which an older version came after a newer one since last asked, and the highest version seen.

        Raises:
            TableDeadError: it is followed no more.
        """
        self._table.wait_caught_up(0)
        with self._lock:
            found = {camera: self._numbers[camera].version for camera in self._undone}
            self._undone.clear()
        return found

    def close(self) -> None:
        """Stop reading."""
        self._table.close()

    def _changed(self, key: str, camera: Camera | Absent) -> None:
        with self._lock:
            self._latest[key] = camera
            if isinstance(camera, Absent):
                return
            before = self._numbers.get(key, Numbers())
            if camera.version < before.version:
                self._undone.add(key)
            self._numbers[key] = before.with_those_of(camera)


@dataclass(frozen=True)
class Reconciler:
    """Makes the database fit to be sent."""

    cameras: Cameras

    def settle(self, snapshot: BusSnapshot) -> None:
        """End decisions that may be older than those on the bus, and take cameras in that no row knows.

        Doing it twice changes nothing. Each camera has a transaction of its own: with two at a time, and the audit
        trail locked since the first, somebody else who changes the second would wait for us and we for him.
        """
        with self.cameras.database.read(SCOPE) as session:
            rows = {row.id: row for row in repository.every(session)}
        for name, camera in snapshot.latest.items():
            if name not in rows and isinstance(camera, Camera):
                self._take_in(camera, snapshot.numbers[name])
        for name, row in rows.items():
            if snapshot.is_ahead_of(row):
                self._end_decision(name, snapshot)

    def _end_decision(self, name: str, snapshot: BusSnapshot) -> None:
        with self.cameras.database.write(SCOPE) as session:
            row = repository.find(session, name, for_change=True)
            if row is None or not snapshot.is_ahead_of(row):
                return
            before, numbers = repository.document(row), snapshot.numbers.get(name, Numbers())
            camera = _without_decision(row, snapshot.latest.get(name), numbers)
            _write(row, camera, numbers)
            log.error(
                "the bus is ahead of the database, which seems restored from a backup: the decision on masks ends and "
                "nothing passes, look at the camera's settings and decide again",
                camera=name,
                version=before.version,
                version_on_the_bus=numbers.version,
            )
            action = Action.CAMERA_REMOVED if row.removed_at else Action.CAMERA_SAVED
            self._note(session, action, before, camera)
        self.cameras.notify(camera, removed=row.removed_at is not None)

    def _take_in(self, camera: Camera, numbers: Numbers) -> None:
        with self.cameras.database.write(SCOPE) as session:
            if repository.find(session, camera.id, for_change=True) is not None:
                return
            # With the version that the bus has, not one above: should this be the wrong database, then the right one
            # is not behind when it comes back.
            fields = {"version": numbers.version, "source_version": numbers.source_version}
            removed = camera.model_copy(update=fields | {"enabled": False, "masking": None})
            row = CameraRow(id=camera.id, mask_version=0, published_version=0, removed_at=self.cameras.clock.now())
            _write(row, removed, numbers)
            session.add(row)
            log.error(
                "a camera on the bus that the database does not know, which seems restored from a backup, or a new "
                "one: it is taken down, make it again to go on with it",
                camera=camera.id,
                version_on_the_bus=numbers.version,
            )
            self._note(session, Action.CAMERA_REMOVED, camera, removed)

    def _note(self, session: ScopedSession, action: Action, before: Camera, after: Camera) -> None:
        details = {"version": after.version, "reason": REASON} | changes(before, after)
        self.cameras.trail.add(session, Entry(SCOPE.actor, LOCAL, action, camera=after.id, details=details))
        self.cameras.outbox.add(session, Kind.CAMERA, after.id)


def _without_decision(row: CameraRow, on_bus: Camera | Absent | None, numbers: Numbers) -> Camera:
    before = repository.document(row)
    return before.model_copy(
        update={
            # In another partition the camera would go on as it was configured.
            "slot": on_bus.slot if isinstance(on_bus, Camera) else row.slot,
            "masking": None,
            "version": max(row.version, numbers.version) + 1,
            "source_version": max(before.source_version, numbers.source_version) + 1,
        }
    )


def _write(row: CameraRow, camera: Camera, numbers: Numbers) -> None:
    repository.write(row, camera)
    row.slot = camera.slot
    # Of a decision that ended the broker may have forgotten the number. Each decision was also a version of its
    # camera, so that none has a higher number than that.
    row.mask_version = max(row.mask_version, numbers.mask_version, numbers.version)


def _differ(one: MaskDecision | None, other: MaskDecision | None) -> bool:
    """Whether two decisions have the same number: somebody decided before the broker was back."""
    return one is not None and other is not None and one.version == other.version and one.decided_at != other.decided_at


class _Source(CameraSource):
    model_config = ConfigDict(extra="ignore")


class _Decision(MaskDecision):
    model_config = ConfigDict(extra="ignore")


def _nothing(_value: object) -> tuple[()]:
    return ()


class _Lenient(Camera):
    """As a newer release may have sent it: with a backup often the release before comes back too."""

    model_config = ConfigDict(extra="ignore")

    source: _Source
    masking: _Decision | None = None
    zones: Annotated[tuple[Zone, ...], BeforeValidator(_nothing)] = ()
    rules: Annotated[tuple[CameraRule, ...], BeforeValidator(_nothing)] = ()
    legal_bases: Annotated[tuple[LegalBasis, ...], BeforeValidator(_nothing)] = ()


def _decode(payload: bytes) -> Camera:
    return Camera.model_validate(_Lenient.decode(payload).model_dump())
