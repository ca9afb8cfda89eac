"""What `cameras.v1` says before the api says anything there: a database restored from a backup knows less than it.

Sent as it is, an older row would undo a newer one: what somebody covered since would be seen again, and the next
decision would take a number that means another one already. So where the bus is ahead, the camera's decision on masks
ends, as with another source: nothing passes until a person decides again, and the numbers go on above those on the bus.
A camera that no row knows is filmed, but nobody can see or stop it: it is taken in as removed, and published as such.

From then on nobody else has anything to say there. What comes all the same, or came while no api ran, is undone: the
camera is sent again as the database has it, with numbers above all that were seen, so that no picture made meanwhile
counts as masked as decided.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
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
from beffroi_api.modules.cameras.registry.slots import least_loaded
from beffroi_api.modules.cameras.service import Cameras
from beffroi_api.modules.users.service import LOCAL
from beffroi_api.news.repository import Kind
from beffroi_common.bus import Absent, Bus, Table
from beffroi_common.contracts import (
    Camera,
    CameraRule,
    CameraSource,
    InvalidMessageError,
    LegalBasis,
    MaskDecision,
    Zone,
)
from beffroi_common.contracts.base import MAX_INT32
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import CONFIGURATIONS_UNDONE
from beffroi_common.topics import CAMERAS

log = structlog.get_logger(__name__)

SCOPE = Scope.system("the bus has one version of each camera, whoever owns it")

REASON = "the bus was ahead of the database, as after restoring a backup"
NOT_OURS = "somebody else wrote on the bus what this installation did not decide"

MOST_BELIEVED = MAX_INT32 // 2
"""Numbers count decisions of people. A larger one was written to use them up: above it there soon are none."""


@dataclass(frozen=True)
class Numbers:
    """Highest of each that was seen of a camera, and is believed; `seen_version` is that of all, believed or not."""

    version: int = 0
    mask_version: int = 0
    source_version: int = 0
    seen_version: int = 0

    def with_those_of(self, camera: Camera) -> Numbers:
        """The higher of each."""
        return Numbers(
            max(self.version, _believed(camera.version)),
            max(self.mask_version, _believed(camera.masking.version if camera.masking else 0)),
            max(self.source_version, _believed(camera.source_version)),
            max(self.seen_version, camera.version),
        )


MOST_AHEAD = 1_000_000
"""Decisions since a backup are fewer. So near to ours a number counts such ones, however high both are by now."""


def _believed(number: int) -> int:
    return number if number <= MOST_BELIEVED else 0


class Verdict(Enum):
    """Whose the last word on a camera is."""

    OURS = auto()
    """It is as the database has it, or will be once what was sent arrives."""
    OUTDATED = auto()
    """It is older than what was there before it, as from a process that stalled."""
    FOREIGN = auto()
    """Nobody here ever decided that."""


@dataclass(frozen=True)
class LastWord:
    """What the bus says of a camera at present.

    Attributes:
        camera: as far as it can be read.
        exact: all of it, or None where this release cannot read that.
        numbers: the highest that were seen of it.
        strays: partitions that are not the camera's own and say something of it all the same.
    """

    camera: Camera | Absent
    exact: Camera | None
    numbers: Numbers
    strays: Collection[int] = ()

    def judged(self, row: CameraRow | None) -> Verdict:
        """Compare it with the database, which was asked after it came: all that we sent was decided there before."""
        if row is None:
            return Verdict.FOREIGN if isinstance(self.camera, Camera) else Verdict.OURS
        if self.strays:
            return Verdict.FOREIGN
        # Not what is believed: our own number may be above that, once somebody wrote the highest that is.
        if self.numbers.seen_version < row.version or self._is_as_in(row):
            return Verdict.OURS
        return Verdict.OUTDATED if self._was_in(row) else Verdict.FOREIGN

    def numbers_beside(self, row: CameraRow) -> Numbers:
        """The highest that may be of decisions that the row lacks."""
        version = self.camera.version if isinstance(self.camera, Camera) else 0
        if version - row.version > MOST_AHEAD:
            return self.numbers
        return replace(self.numbers, version=max(self.numbers.version, version))

    def is_others(self, row: CameraRow) -> bool:
        """Whether somebody else said it while nobody of ours listened. What the next release sent is ours, before it
        was taken back; of that the decision alone is compared.
        """
        if self.exact is None and isinstance(self.camera, Camera):
            return self.camera.version == row.version and self.camera.masking != repository.document(row).masking
        return self.judged(row) is Verdict.FOREIGN

    def _is_as_in(self, row: CameraRow) -> bool:
        if self.camera is Absent.MISSING:
            return row.removed_at is not None
        return self.exact == repository.document(row)  # of a removed one the tombstone follows

    def _was_in(self, row: CameraRow) -> bool:
        if self.exact is None or self.exact.version >= row.version or self.numbers.version > row.version:
            return False
        now, then = repository.document(row).masking, self.exact.masking
        return then is None or now is None or then == now or then.version < now.version


@dataclass(frozen=True)
class BusSnapshot:
    """What was on the topic when it was read to its end.

    Attributes:
        words: by camera, the last. What is described is filmed if it is enabled; what is unreadable may be ahead of any
            row. Numbers are of all its messages that the broker still has, removed ones included.
    """

    words: Mapping[str, LastWord]

    def word(self, camera: str) -> LastWord:
        """The last on a camera."""
        return self.words.get(camera, LastWord(Absent.MISSING, None, Numbers()))

    def is_ahead_of(self, row: CameraRow) -> bool:
        """Whether the bus knows of a change that the row does not, or that the row's is not the same as."""
        numbers, camera = self.word(row.id).numbers, self.word(row.id).camera
        if camera is Absent.UNREADABLE or numbers.version > row.version or numbers.mask_version > row.mask_version:
            return True
        if camera is Absent.MISSING:
            return False
        return (
            camera.version > row.version
            or camera.slot != row.slot
            or _differ(camera.masking, repository.document(row).masking)
        )


class BusSnapshotReader:
    """Follows `cameras.v1`: what is there when its end is reached first, and what is said from then on."""

    def __init__(self, bus: Bus, clock: Clock, max_age_s: float) -> None:
        self._latest: dict[str, _Message | Absent] = {}
        self._numbers: dict[str, Numbers] = {}
        self._unjudged: set[str] = set()
        self._lock = threading.Lock()
        self._table = Table(
            bus,
            CAMERAS,
            _decode,
            clock,
            key_of=lambda said: said.camera.id,
            max_age_s=max_age_s,
            on_change=self._changed,
            name="publisher",
        )
        self._table.start()

    def wait(self, timeout_s: float) -> BusSnapshot | None:
        """What is on the topic, or None where it was not read to its end in time: the broker is away.

        Raises:
            TableDeadError: it is followed no more.
        """
        if not self._table.wait_caught_up(timeout_s):
            return None
        with self._lock:
            self._unjudged.clear()  # whoever gets the snapshot sees to that
        return self.snapshot()

    def snapshot(self) -> BusSnapshot:
        """What is on the topic as far as it was read."""
        with self._lock:
            return BusSnapshot({name: self._word(name) for name in self._latest})

    @property
    def is_stale(self) -> bool:
        """Whether something may have been said that was not heard."""
        return self._table.is_stale

    def take_unjudged(self) -> set[str]:
        """Cameras of which something was said since last asked.

        Raises:
            TableDeadError: it is followed no more.
        """
        self._table.wait_caught_up(0)
        with self._lock:
            found, self._unjudged = self._unjudged, set()
        return found

    def last_word(self, camera: str, slot: int | None) -> LastWord:
        """What is said of a camera at present, whose own partition is `slot`."""
        strays = self.strays(camera, slot) if slot is not None else ()
        with self._lock:
            return self._word(camera, strays)

    def strays(self, camera: str, slot: int) -> Collection[int]:
        """Partitions beside its own that say something of a camera."""
        return frozenset(self._table.partitions_of(camera)) - {slot}

    def close(self) -> None:
        """Stop reading."""
        self._table.close()

    def _word(self, camera: str, strays: Collection[int] = ()) -> LastWord:
        """See `last_word`; under the lock."""
        said, numbers = self._latest.get(camera, Absent.MISSING), self._numbers.get(camera, Numbers())
        if isinstance(said, Absent):
            return LastWord(said, None, numbers, strays)
        return LastWord(said.camera, said.exact, numbers, strays)

    def _changed(self, key: str, said: _Message | Absent) -> None:
        with self._lock:
            self._latest[key] = said
            self._unjudged.add(key)
            if isinstance(said, _Message):
                self._numbers[key] = self._numbers.get(key, Numbers()).with_those_of(said.camera)


@dataclass(frozen=True)
class Reconciler:
    """Makes the database fit to be sent."""

    cameras: Cameras

    def settle(self, snapshot: BusSnapshot) -> None:
        """End decisions that may be older than those on the bus, take cameras in that no row knows, and undo what
        somebody else said while nobody listened.

        Doing it twice changes nothing. Each camera has a transaction of its own: with two at a time, and the audit
        trail locked since the first, somebody else who changes the second would wait for us and we for him.
        """
        with self.cameras.database.read(SCOPE) as session:
            rows = {row.id: row for row in repository.every(session)}
        for name, said in snapshot.words.items():
            if name not in rows and isinstance(said.camera, Camera):
                self.take_in(said.camera, said.numbers)
        for name, row in rows.items():
            if snapshot.is_ahead_of(row):
                self.end_decision(name, snapshot)
            elif snapshot.word(name).is_others(row):
                self.undo(name, snapshot.word(name))

    def undo(self, name: str, said: LastWord) -> None:
        """Have a camera sent again as the database has it, above all numbers that were seen."""
        with self.cameras.database.write(SCOPE) as session:
            row = repository.find(session, name, for_change=True)
            if row is None or said.judged(row) is not Verdict.FOREIGN:
                return
            before, camera = repository.document(row), _above(row, said.numbers)
            _write(row, camera, said.numbers)
            CONFIGURATIONS_UNDONE.inc()
            log.error(
                "a configuration on the bus that nobody decided here is undone: find out who may write cameras.v1",
                camera=name,
                version=camera.version,
                version_on_the_bus=said.numbers.version,
            )
            action = Action.CAMERA_REMOVED if row.removed_at else Action.CAMERA_SAVED
            self._note(session, action, before, camera, NOT_OURS)
        self.cameras.notify(camera, removed=row.removed_at is not None)

    def end_decision(self, name: str, snapshot: BusSnapshot) -> None:
        """End the decision on a camera's masks if the bus is ahead of the database."""
        with self.cameras.database.write(SCOPE) as session:
            row = repository.find(session, name, for_change=True)
            if row is None or not snapshot.is_ahead_of(row):
                return
            before, numbers = repository.document(row), snapshot.word(name).numbers_beside(row)
            camera = self._without_decision(row, snapshot.word(name).camera, numbers)
            _write(row, camera, numbers)
            log.error(
                "the bus is ahead of the database, which seems restored from a backup: the decision on masks ends and "
                "nothing passes, look at the camera's settings and decide again",
                camera=name,
                version=before.version,
                version_on_the_bus=numbers.version,
            )
            action = Action.CAMERA_REMOVED if row.removed_at else Action.CAMERA_SAVED
            self._note(session, action, before, camera, REASON)
        self.cameras.notify(camera, removed=row.removed_at is not None)

    def take_in(self, camera: Camera, numbers: Numbers) -> None:
        """Take a camera that no row knows in as removed."""
        with self.cameras.database.write(SCOPE) as session:
            if repository.find(session, camera.id, for_change=True) is not None:
                return
            # With the version that the bus has, not one above: should this be the wrong database, then the right one
            # is not behind when it comes back.
            fields = {"version": max(1, numbers.version), "source_version": max(1, numbers.source_version)}
            slot = camera.slot if self._is_slot(camera.slot) else self._least_loaded(session)
            removed = camera.model_copy(update=fields | {"slot": slot, "enabled": False, "masking": None})
            row = CameraRow(id=camera.id, mask_version=0, published_version=0, removed_at=self.cameras.clock.now())
            _write(row, removed, numbers)
            session.add(row)
            log.error(
                "a camera on the bus that the database does not know, which seems restored from a backup, or a new "
                "one: it is taken down, make it again to go on with it",
                camera=camera.id,
                version_on_the_bus=numbers.version,
            )
            self._note(session, Action.CAMERA_REMOVED, camera, removed, REASON)

    def _without_decision(self, row: CameraRow, on_bus: Camera | Absent | None, numbers: Numbers) -> Camera:
        before = repository.document(row)
        # In another partition the camera would go on as it was configured.
        slot = on_bus.slot if isinstance(on_bus, Camera) and self._is_slot(on_bus.slot) else row.slot
        return before.model_copy(
            update={
                "slot": slot,
                "masking": None,
                "version": _next(row.version, numbers.version),
                "source_version": _next(before.source_version, numbers.source_version),
            }
        )

    def _is_slot(self, slot: int) -> bool:
        """Whether there is such a partition: one message to another, and the producer is of no use for any camera."""
        return slot < self.cameras.slots

    def _least_loaded(self, session: ScopedSession) -> int:
        return least_loaded(map(repository.document, repository.present(session)), self.cameras.slots)

    def _note(self, session: ScopedSession, action: Action, before: Camera, after: Camera, reason: str) -> None:
        details = {"version": after.version, "reason": reason} | changes(before, after)
        self.cameras.trail.add(session, Entry(SCOPE.actor, LOCAL, action, camera=after.id, details=details))
        self.cameras.outbox.add(session, Kind.CAMERA, after.id)


def _above(row: CameraRow, numbers: Numbers) -> Camera:
    """As the database has it; its decision on masks takes a new number: pictures may have been made with another."""
    before = repository.document(row)
    masking = before.masking
    if masking is not None:
        masking = masking.model_copy(update={"version": _next(row.mask_version, numbers.mask_version)})
    return before.model_copy(update={"version": _next(row.version, numbers.version), "masking": masking})


def _next(ours: int, seen: int) -> int:
    """Above both."""
    return max(ours, seen) + 1


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


@dataclass(frozen=True)
class _Message:
    """A camera as far as it can be read, and all of it where this release can."""

    camera: Camera
    exact: Camera | None


def _decode(payload: bytes) -> _Message:
    camera = Camera.model_validate(_Lenient.decode(payload).model_dump())
    try:
        return _Message(camera, Camera.decode(payload))
    except InvalidMessageError:
        return _Message(camera, None)
