"""Masked batches in, segments out; says which offsets are still needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import structlog

from beffroi_common.bus import InvalidRecord, Partition, Processor, Record, RetryLater, StatusReporter
from beffroi_common.bus.batches import masked_batch
from beffroi_common.bus.idle import IdleTracker
from beffroi_common.contracts import Codec, Level, Recording, StoreName, Stream
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import BATCHES_OUT, FRAMES_OUT, QUEUE_BYTES
from beffroi_common.store import StoreUnavailable
from beffroi_recorder.trouble import Troubles

from .camera_stream import CameraStream
from .cutting import CutRules
from .heads import Heads
from .segment import Origin
from .uploads import UploadQueue
from .work_dir import DiskFull, WorkDir

log = structlog.get_logger(__name__)

REPORT_INTERVAL_S = 1.0
"""The reporter repeats itself every few seconds; asking it more often than this is wasted."""


class Recorder(Processor):
    """See `Processor`. Writes to local disk as batches come, and to the store between them."""

    def __init__(
        self,
        *,
        store: StoreName,
        rules: CutRules,
        idle: IdleTracker,
        backoff: Backoff,
        work: WorkDir,
        heads: Heads,
        uploads: Callable[[Callable[[Recording], None]], UploadQueue],
        troubles: Troubles,
        reporter: StatusReporter,
        clock: Clock,
        owned: Callable[[Collection[Partition]], None] = lambda _partitions: None,
    ) -> None:
        """Wire it.

        Args:
            store: which store the segments go to.
            rules: where segments are cut.
            idle: a camera that is idle gets its segment closed.
            backoff: from a store that is away.
            work: where segments are made.
            heads: ends of the chains.
            uploads: makes the uploads, given what to call with each recording stored.
            troubles: what this loop and others put off; the status says it.
            reporter: says how it goes.
            clock: time.
            owned: is called with the partitions held, whenever they change.
        """
        self._store = store
        self._rules = rules
        self._idle = idle
        self._work = work
        self._heads = heads
        self._uploads = uploads(self._stored)
        self._backoff = backoff
        self._reporter = reporter
        self._clock = clock
        self._owned = owned
        self._partitions: set[Partition] = set()
        self._streams: dict[str, CameraStream] = {}
        self._heard_at_s: dict[str, float] = {}
        self._report_at_s = 0.0
        self._troubles = troubles

    def handle(self, record: Record) -> None:
        """Record one batch.

        Raises:
            RetryLater: no room on the local disk, or the store is away when a camera's chain must be read.
            InvalidRecord: it cannot be recorded, ever.
            StoreDenied: the store refuses our key.
        """
        try:
            self._take(record)
        except RetryLater as reason:
            self._defer("bus", reason)
            if isinstance(reason, StoreUnavailable):
                self._backoff.failed()  # whoever comes next in this turn would wait for the same silence
            raise
        except InvalidRecord:
            self._troubles.over("bus")
            raise
        self._troubles.over("bus")

    def tick(self) -> None:
        """Close what fell silent, store what is finished, say how it goes.

        Raises:
            StoreDenied: the store refuses our key.
            DeliveryError: the broker refused a message for good.
        """
        self._idle.tick()
        self._close_silent()
        if self._backoff.is_due():
            self._store_next()
        now_s = self._clock.monotonic_s()
        if now_s >= self._report_at_s:
            self._report()
            self._report_at_s = now_s + REPORT_INTERVAL_S

    def needed(self) -> Mapping[Partition, int]:
        """The first offset of each partition's oldest segment that is not stored, published and in its chain."""
        lowest: dict[Partition, int] = {}
        for origin in self._unfinished():
            lowest[origin.source] = min(origin.offset, lowest.get(origin.source, origin.offset))
        return lowest

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Cameras are met, and their chains read, as their batches come."""
        self._partitions |= set(partitions)
        self._owned(frozenset(self._partitions))

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Drop what is unfinished: whoever has these partitions now makes the same out of the same batches."""
        for stream in [each for each in self._streams.values() if each.source in partitions]:
            stream.discard()
            del self._streams[stream.camera]
        self._uploads.drop(partitions)
        self._partitions -= set(partitions)
        self._owned(frozenset(self._partitions))

    def _take(self, record: Record) -> None:
        self._work.make_room()
        batch = masked_batch(record)
        if batch.codec is not Codec.H264:
            raise InvalidRecord(f"{batch.codec.value} is not recorded: the masker makes h264 of everything")
        if batch.stream is not Stream.MAIN:
            return  # the smaller picture of the same scene: recording it as well would double what must be destroyed
        stream = self._stream(batch.camera, record.source)
        self._heard_at_s[batch.camera] = self._idle.observe(batch)
        stream.take(record, batch)

    def _stream(self, camera: str, source: Partition) -> CameraStream:
        stream = self._streams.get(camera)
        if stream is None:
            stream = self._streams[camera] = CameraStream(
                camera,
                source,
                self._heads.load(camera),
                self._store,
                self._rules,
                self._work,
                self._clock,
                self._uploads.add,
            )
        return stream

    def _unfinished(self) -> Iterator[Origin]:
        yield from (segment.origin for segment in self._uploads)
        yield from (stream.open_origin for stream in self._streams.values() if stream.open_origin is not None)

    def _close_silent(self) -> None:
        for camera, stream in self._streams.items():
            if stream.open_origin is not None and self._idle.is_idle(self._heard_at_s[camera]):
                stream.close("silence")

    def _store_next(self) -> None:
        """One segment a turn: batches are taken in between, and a store that hangs costs one time-out."""
        try:
            self._uploads.store_next()
        except RetryLater as reason:
            self._defer("store", reason)
            self._backoff.failed()
        else:
            self._troubles.over("store")
            self._backoff.reset()

    def _defer(self, work: str, reason: RetryLater) -> None:
        self._troubles.deferred(work, reason, "disk_full" if isinstance(reason, DiskFull) else None)

    def _stored(self, recording: Recording) -> None:
        BATCHES_OUT.labels(camera=recording.camera).inc(recording.batches)
        FRAMES_OUT.labels(camera=recording.camera).inc(recording.frames)
        stream = self._streams.get(recording.camera)
        if stream is not None:
            stream.counters.segments += 1

    def _report(self) -> None:
        QUEUE_BYTES.labels(queue="work_dir").set(self._work.used_bytes)
        for camera, stream in self._streams.items():
            self._report_camera(camera, stream)
        trouble = self._troubles.first()
        counters = {
            "cameras": len(self._streams),
            "work_bytes": self._work.used_bytes,
            "waiting": len(list(self._uploads)),
        }
        if trouble is None:
            self._reporter.service(Level.OK, "running", "", counters)
        else:
            self._reporter.service(Level.ERROR, trouble.code, trouble.message, counters)

    def _report_camera(self, camera: str, stream: CameraStream) -> None:
        counted = stream.counters
        counters = {
            "segments": counted.segments,
            "frames": counted.frames,
            "missing_batches": counted.missing_batches,
            "dropped_batches": counted.dropped_batches,
        }
        if stream.open_origin is not None:
            self._reporter.camera(camera, Level.OK, "recording", "", counters)
        else:
            lasts_s = self._idle.idle_for_s(self._heard_at_s[camera])
            message = f"no picture for {lasts_s:.0f} s: look at ingest and masker"
            self._reporter.camera(camera, Level.WARNING, "silent", message, counters)
