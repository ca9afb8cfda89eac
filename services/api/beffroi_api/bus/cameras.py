"""Cameras on their way to `cameras.v1`. One process at a time sends them: whoever holds the lease.

An outbox: the database knows which version the broker has, so a change made while the broker is away is sent when it is
back. Everything is sent once when a process begins to publish, after what the bus says was read: see `reconciliation`.

A process that stalls between looking at its lease and sending may send an older version after its successor's newer
one. Whoever publishes follows the topic all along, sees that, and sends the newer one again; and undoes what nobody
here decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from beffroi_api.bus.publisher import Trouble
from beffroi_api.bus.reconciliation import SCOPE, BusSnapshotReader, LastWord, Reconciler, Verdict
from beffroi_api.db.database import AWAY
from beffroi_api.db.leases import Lease
from beffroi_api.db.tables import CameraRow
from beffroi_api.modules.cameras import repository
from beffroi_api.modules.cameras.service import Cameras
from beffroi_common.bus import Bus, Producer, RetryLater
from beffroi_common.contracts import Camera, Level
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.topics import CAMERAS

log = structlog.get_logger(__name__)

LEASE = "publisher"
"""Name of the lease in the database."""

SNAPSHOT_WAIT_S = 1.0
"""Longest wait for the broker in one round until the topic was read to its end."""

UNDO_AGAIN_S = (1.0, 60.0)
"""From undoing a camera to undoing it again, doubled from the first to the most: two databases that publish on one bus
would answer each other for ever."""

WATCH_AGE_S = 30.0
"""What others say on the topic is undone within a few seconds; unheard for longer than this, it is not watched."""

UNWATCHED: Trouble = (
    Level.ERROR,
    "stale_configuration",
    "Nobody sees who else writes on cameras.v1, since it cannot be read: look at the broker, and at the api's right to "
    "read that topic.",
)


class CamerasSender:
    """Sends cameras while this process holds the lease; see `Sender`."""

    def __init__(self, bus: Bus, cameras: Cameras, lease: Lease, producer: Producer) -> None:
        self._bus = bus
        self._cameras = cameras
        self._lease = lease
        self._producer = producer
        self._term: _Term | None = None

    def send(self) -> None:
        """See `Sender.send`.

        Raises:
            TableDeadError: what the bus says of cameras cannot be read.
        """
        try:
            term = self._current_term()
            if term is not None and (term.begun or self._begin(term)):
                self._send_due(term)
        except AWAY:
            log.warning("the database does not answer: cameras are sent when it does")

    def acknowledged(self) -> None:
        """See `Sender.acknowledged`."""
        if self._term is None:
            return
        versions = self._term.unmarked()
        if not versions:
            return
        try:
            with self._cameras.database.write(SCOPE) as session:
                repository.mark_published(session, versions)
        except AWAY:
            return  # it is written down in a later round
        self._term.known |= versions

    def trouble(self) -> Trouble | None:
        """See `Sender.trouble`."""
        is_unwatched = self._term is not None and self._term.begun and self._term.topic.is_stale
        return UNWATCHED if is_unwatched else None

    def close(self) -> None:
        """See `Sender.close`. Another process goes on at once."""
        self._end_term()
        try:
            self._lease.release()
        except AWAY:
            log.warning("the database does not answer: the lease to publish ends by itself")

    def _current_term(self) -> _Term | None:
        if not self._lease.hold():
            self._end_term()
            return None
        number = self._lease.term
        if self._term is None or self._term.number != number:
            self._end_term()
            self._term = _Term(number, BusSnapshotReader(self._bus, self._cameras.clock, WATCH_AGE_S), {}, {})
            log.info("this process publishes cameras from now on", term=number)
        return self._term

    def _end_term(self) -> None:
        if self._term is not None:
            log.info("this process publishes no cameras any more", term=self._term.number)
            self._term.topic.close()
            self._term = None

    def _begin(self, term: _Term) -> bool:
        """Whether the topic was read to its end and all cameras sent once. While the broker is away none is sent."""
        snapshot = term.topic.wait(SNAPSHOT_WAIT_S)
        if snapshot is None:
            return False
        Reconciler(self._cameras).settle(snapshot)
        with self._cameras.database.read(SCOPE) as session:
            rows = repository.every(session)
        for row in rows:
            if not self._send(term, row):
                term.due[row.id] = row.version
        term.begun = True
        return True

    def _send_due(self, term: _Term) -> None:
        self._judge(term)
        with self._cameras.database.read(SCOPE) as session:
            changed = [row for row in repository.unpublished(session) if term.sent.get(row.id, 0) < row.version]
            due = [(camera, repository.find(session, camera)) for camera in term.due]
        for camera, row in due:
            self._send_again(term, camera, row)
        for row in changed:
            self._send(term, row)

    def _judge(self, term: _Term) -> None:
        """Look at what was said of cameras on the bus, and have sent again what somebody else spoilt."""
        term.unjudged |= term.topic.take_unjudged()
        for camera in sorted(term.unjudged):
            with self._cameras.database.read(SCOPE) as session:
                row = repository.find(session, camera)
            said = term.topic.last_word(camera, row.slot if row else None)
            match said.judged(row):
                case Verdict.OUTDATED:
                    log.warning("an older version came after a newer one", camera=camera)
                    term.due[camera] = said.numbers.version
                case Verdict.FOREIGN if not self._undo(term, camera, said):
                    continue
            term.unjudged.discard(camera)

    def _undo(self, term: _Term, camera: str, said: LastWord) -> bool:
        """Whether it was undone; not if that is to wait, having been done just now."""
        backoff = term.undone.setdefault(camera, Backoff(self._cameras.clock, *UNDO_AGAIN_S))
        if not backoff.is_due():
            return False
        backoff.failed()
        reconciler = Reconciler(self._cameras)
        with self._cameras.database.read(SCOPE) as session:
            row = repository.find(session, camera)
        if row is None and isinstance(said.camera, Camera):
            reconciler.take_in(said.camera, said.numbers)
        elif row is not None and row.version < term.sent.get(camera, 0):
            reconciler.end_decision(camera, term.topic.snapshot())  # not the bus was changed, but the database put back
        else:
            reconciler.undo(camera, said)
        return True

    def _send_again(self, term: _Term, camera: str, row: CameraRow | None) -> None:
        # Where the database itself is behind, another one publishes too: sending again would never end.
        if row is None or row.version < term.due[camera] or self._send(term, row):
            del term.due[camera]

    def _send(self, term: _Term, row: CameraRow) -> bool:
        """Whether it was handed to the producer; if not, it is due in the next round."""
        if not self._lease.is_held():  # looked at before each: a round may take long
            return False
        try:
            camera: Camera = repository.document(row)
            for stray in term.topic.strays(row.id, row.slot):
                self._producer.send(CAMERAS, row.id, None, partition=stray)
            self._producer.send(CAMERAS, row.id, camera, partition=row.slot)
            if row.removed_at is not None:  # first switched off for those who run it, then gone for those who come
                self._producer.send(CAMERAS, row.id, None, partition=row.slot)
        except RetryLater as reason:
            log.warning("camera not sent yet", camera=row.id, reason=str(reason))
            return False
        term.sent[row.id] = row.version
        return True


@dataclass
class _Term:
    """From taking the lease to losing it.

    Attributes:
        sent: by camera, the version that was handed to the producer.
        known: by camera, the version that the database knows the broker to have.
        due: by camera, the version that is to be sent whatever the database says: it could not be sent when the term
            began, or an older one came after it.
        unjudged: of which something was said that was not compared with the database yet.
        undone: by camera, when what somebody else said of it may be undone again.
    """

    number: int | None
    topic: BusSnapshotReader
    sent: dict[str, int]
    known: dict[str, int]
    due: dict[str, int] = field(default_factory=dict)
    begun: bool = False
    unjudged: set[str] = field(default_factory=set)
    undone: dict[str, Backoff] = field(default_factory=dict)

    def unmarked(self) -> dict[str, int]:
        return {camera: version for camera, version in self.sent.items() if self.known.get(camera) != version}
