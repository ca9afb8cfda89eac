"""What the api says on the bus: cameras, leases for annotated pictures, and how it is itself.

Cameras are an outbox: the database knows which version the broker has, so a change made while the broker is away is
sent when it is back. Everything is sent once at each start, after what the bus says was read: see `restored`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

import structlog

from beffroi_api.bus.reconciliation import BusSnapshotReader, Reconciler
from beffroi_api.db.database import AWAY, Database
from beffroi_api.db.tables import CameraRow
from beffroi_api.modules.cameras import repository
from beffroi_api.modules.cameras.registry.decisions import Decisions
from beffroi_api.modules.cameras.service import Cameras
from beffroi_api.modules.live.streaming.annotated import AnnotatedLeases
from beffroi_common.bus import Bus, Producer, RetryLater, StatusReporter
from beffroi_common.contracts import Camera
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import CAMERAS, VIEWERS

log = structlog.get_logger(__name__)

ROUND_S = 1.0
"""Without being woken it looks so often whether something is due."""

FLUSH_S = 5.0
"""Patience with the broker in one round; what is not acknowledged then is looked at again in the next."""


class Publisher:
    """The one who sends. `wake` may be called from any thread."""

    def __init__(
        self,
        bus: Bus,
        cameras: Callable[[], Cameras],
        decisions: Decisions,
        leases: Callable[[], AnnotatedLeases],
        instance: str,
        clock: Clock,
        beat: Callable[[], None],
    ) -> None:
        self._bus = bus
        self._cameras = cameras
        self._decisions = decisions
        self._leases = leases
        self._instance = instance
        self._clock = clock
        self._beat = beat
        self._work = threading.Event()

    def wake(self) -> None:
        """Something is to be sent now."""
        self._work.set()

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set.

        Raises:
            DeliveryError: the broker refused a message for too long; run again, with a new producer.
            TableDeadError: what the bus says of cameras cannot be read.
        """
        producer = self._bus.producer()
        status = StatusReporter(producer, "api", self._instance, self._clock)
        try:
            outbox = _Outbox(producer, self._cameras().database)
            with closing(BusSnapshotReader(self._bus)) as reader:
                while not stop.is_set():
                    self._beat()
                    self._round(producer, outbox, reader, status)
                    self._work.wait(ROUND_S)
                    self._work.clear()
        finally:
            producer.close()

    def _round(self, producer: Producer, outbox: _Outbox, reader: BusSnapshotReader, status: StatusReporter) -> None:
        try:
            if outbox.begun or self._begin(outbox, reader):
                outbox.send()
        except AWAY:
            log.warning("the database does not answer: cameras are sent when it does")
        self._send_leases(producer)
        status.service()
        if producer.flush(FLUSH_S) == 0:
            outbox.acknowledged()

    def _begin(self, outbox: _Outbox, reader: BusSnapshotReader) -> bool:
        """Whether the bus was read to its end and the outbox is open. While the broker is away no camera is sent."""
        snapshot = reader.wait(ROUND_S)
        if snapshot is None:
            return False
        Reconciler(self._cameras()).settle(snapshot)
        outbox.begin()
        return True

    def _send_leases(self, producer: Producer) -> None:
        for lease in self._leases().due():
            camera = self._decisions.camera(lease.camera)
            if camera is None:
                continue
            try:
                producer.send(VIEWERS, lease.camera, lease, partition=camera.slot)
            except RetryLater:
                self._leases().unsent(lease.camera)


class _Outbox:
    """Cameras on their way, with one producer."""

    def __init__(self, producer: Producer, database: Database) -> None:
        self._producer = producer
        self._database = database
        self._sent: dict[str, int] = {}
        self._known: dict[str, int] = {}
        self.begun = False

    def begin(self) -> None:
        """Send everything once: the broker may be a new one."""
        with self._database.read() as session:
            rows = repository.every(session)
        for row in rows:
            self._send(row)
        self.begun = True

    def send(self) -> None:
        """Send what changed since."""
        with self._database.read() as session:
            rows = repository.unpublished(session)
        for row in rows:
            if self._sent.get(row.id, 0) < row.version:
                self._send(row)

    def acknowledged(self) -> None:
        """The broker has everything that was sent."""
        fresh = {camera: version for camera, version in self._sent.items() if self._known.get(camera) != version}
        if not fresh:
            return
        try:
            with self._database.write() as session:
                repository.mark_published(session, fresh)
        except AWAY:
            return  # it is written down in a later round
        self._known |= fresh

    def _send(self, row: CameraRow) -> None:
        try:
            camera: Camera = repository.document(row)
            self._producer.send(CAMERAS, row.id, camera, partition=row.slot)
            if row.removed_at is not None:  # first switched off for those who run it, then gone for those who come
                self._producer.send(CAMERAS, row.id, None, partition=row.slot)
        except RetryLater as reason:
            log.warning("camera not sent yet", camera=row.id, reason=str(reason))
        else:
            self._sent[row.id] = row.version
