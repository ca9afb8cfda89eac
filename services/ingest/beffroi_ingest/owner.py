"""Which cameras are this instance's: those of the partitions of `cameras.v1` that its consumer group gave it.

Partitions are read again from the beginning whenever they are given, so that nothing has to be remembered. Cameras
start once everything was read: what was true last year must not be connected to for a moment.

A loss is not a hand-over: it happens to everybody when the broker is away, and then nobody else films these cameras.
They run on, their pictures wait, and the group decides when the broker is back. A process that was frozen for a session
is another matter: somebody else was given its cameras and films them, so it stops, and throws away what it still has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from beffroi_common.bus import Partition, Record, RetryLater
from beffroi_common.bus.dead_letters import Refusals
from beffroi_common.bus.reporter import StatusReporter
from beffroi_common.contracts import Camera, InvalidMessageError, Level
from beffroi_common.runtime.camera_series import CameraSeries
from beffroi_common.runtime.clock import Clock

from .camera_stream import CameraStream
from .outbox import Outbox

log = structlog.get_logger(__name__)

STALE = (
    "unheard_configuration",
    "It is not known whether cameras were changed, removed or switched off, since cameras.v1 cannot be read: those "
    "known before are filmed on. Look at the broker, and at ingest's right to read that topic.",
)
"""To film on shows nothing to anybody: the masker has an age of its own, and lets nothing pass that it knows nothing
of. To stop would lose, at each trouble of the broker's, what nobody asked to lose."""

STOP_S = 2.0
"""Longest wait for all threads together when cameras go to another instance; who still waits for a dead camera sends
nothing."""


@dataclass
class Owner:
    """Starts, changes and stops the streams of this instance's cameras.

    Attributes:
        new_stream: makes the stream of a camera, not started.
        outbox: where their batches wait.
        status: where disabled cameras are named.
        refusals: takes configurations that cannot be read, and ends a release that understands none.
        clock: for time-outs.
        is_stale: says whether what the topic says now has not been known for too long.
        was_frozen: says whether this process stood still for so long that the group gave its partitions away.
    """

    new_stream: Callable[[Camera], CameraStream]
    outbox: Outbox
    status: StatusReporter
    refusals: Refusals
    clock: Clock
    is_stale: Callable[[], bool] = lambda: False
    was_frozen: Callable[[], bool] = lambda: False
    _wanted: dict[str, tuple[Camera, Partition]] = field(default_factory=dict)
    _streams: dict[str, CameraStream] = field(default_factory=dict)
    _undecided: frozenset[Partition] = frozenset()
    _series: CameraSeries = field(init=False)

    def __post_init__(self) -> None:
        """Count for nobody yet."""
        self._series = CameraSeries(self.clock)

    def take(self, record: Record) -> None:
        """Note what a record says; `reconcile` acts on it. Who is described unreadably is stopped.

        Raises:
            TooManyDeadLettersError: this release does not understand the configurations.
        """
        camera = self._read(record)
        if camera is not None and camera.slot == record.partition and camera.id == record.key:
            self._wanted[record.key] = (camera, record.source)
        elif self._wanted.get(record.key, (None, record.source))[1] == record.source:
            self._wanted.pop(record.key, None)

    def reconcile(self) -> None:
        """Make what runs what is wanted."""
        wanted = {name: camera for name, (camera, _) in self._wanted.items() if camera.enabled}
        self._stop([name for name in self._streams if name not in wanted])
        self._stop([name for name, camera in wanted.items() if not self._goes_on(name, camera)])
        for name, camera in wanted.items():
            if name not in self._streams:
                log.info("camera starts", camera=name, slot=camera.slot)
                self._streams[name] = self.new_stream(camera)
                self._streams[name].start()
        self._series.retain(self._streams)
        for name, (camera, _) in self._wanted.items():
            if not camera.enabled:
                self.status.camera(name, Level.OK, "disabled", "The camera is switched off in its configuration.")
        self.tell()

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Their records follow. Of what was lost before, these come back, and the rest is another instance's."""
        log.info("assigned", partitions=_slots(partitions))
        gone, self._undecided = self._undecided - frozenset(partitions), frozenset()
        # Their cameras run on meanwhile. Which are wanted is read again: a tombstone may be compacted away by now.
        self._forget(partitions)
        self.outbox.release(_slots(partitions))
        if gone:
            self._give_up(gone)

    def lost(self, partitions: Collection[Partition]) -> None:
        """Run on, and keep what is captured, unless this process was frozen: see the module's text."""
        if self.was_frozen():
            self._stop(self._running_in(partitions))
            self._forget(partitions)
            batches = self.outbox.clear(_slots(partitions))
            log.warning("frozen for a session: its cameras are another instance's", batches=batches)
            return
        log.warning("partitions lost: their cameras run on, and their pictures wait", partitions=_slots(partitions))
        self._undecided |= frozenset(partitions)
        self.outbox.hold(_slots(partitions))

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Stop their cameras before another instance starts them, and send what they still had."""
        self._forget(partitions)
        self._stop(self._running_in(partitions))
        self.outbox.drain(STOP_S, _slots(partitions))

    def stop(self) -> None:
        """Stop every camera."""
        self._stop(list(self._streams))

    def _give_up(self, partitions: Collection[Partition]) -> None:
        """Stop the cameras of lost partitions that another instance was given, which filmed the same seconds.

        Two interleaved epochs would make every reader cut at each switch: what was captured since is discarded.
        """
        self._forget(partitions)
        self._stop(self._running_in(partitions))
        batches = self.outbox.discard(_slots(partitions))
        log.warning(
            "another instance has these partitions: what was captured since their loss is discarded",
            partitions=_slots(partitions),
            batches=batches,
        )

    def _forget(self, partitions: Collection[Partition]) -> None:
        self._wanted = {name: wanted for name, wanted in self._wanted.items() if wanted[1] not in partitions}
        self.refusals.drop(partitions)  # read again, what is refused of them is no more than it was

    def _running_in(self, partitions: Collection[Partition]) -> list[str]:
        slots = _slots(partitions)
        return [name for name, stream in self._streams.items() if stream.camera.slot in slots]

    def _read(self, record: Record) -> Camera | None:
        camera: Camera | None = None
        try:
            if record.value is not None:
                camera = Camera.decode(record.value)
        except InvalidMessageError as reason:
            log.error("unreadable configuration: the camera is stopped", record=repr(record), reason=str(reason))
            with suppress(RetryLater):  # it was said, and is met again at the next assignment
                self.refusals.refuse(record, str(reason))
            return None
        self.refusals.accept(record.source)
        return camera

    def _goes_on(self, name: str, camera: Camera) -> bool:
        stream = self._streams.get(name)
        return stream is None or stream.update(camera)

    def _stop(self, names: Collection[str]) -> None:
        streams = [self._streams.pop(name) for name in names if name in self._streams]
        for stream in streams:
            stream.ask_to_stop()
        deadline_s = self.clock.monotonic_s() + STOP_S
        for stream in streams:
            log.info("camera stops", camera=stream.camera.id)
            if not stream.join(max(0.0, deadline_s - self.clock.monotonic_s())):
                stream.abandon()

    def tell(self) -> None:
        """Say how this instance is, and again what of its dead letters the broker did not take."""
        self.refusals.turn()
        counters = {"cameras": len(self._streams)} | self.outbox.counters()
        if (complaint := self.outbox.complaint) is not None:
            self.status.service(Level.ERROR, "outbox_filling", complaint, counters)
        elif self._streams and self.is_stale():
            self.status.service(Level.ERROR, *STALE, counters)
        else:
            self.status.service(counters=counters)


def _slots(partitions: Collection[Partition]) -> list[int]:
    return sorted(number for _, number in partitions)
