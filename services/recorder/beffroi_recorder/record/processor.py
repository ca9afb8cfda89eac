"""Masked batches in, segments out: cameras as `beffroi_common.bus.keyed` works on them, and the uploads beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from beffroi_common.bus import (
    Deferred,
    InvalidRecord,
    Partition,
    Processor,
    Producer,
    Record,
    RetryLater,
    Settled,
    StatusReporter,
)
from beffroi_common.bus.batches import masked_batch
from beffroi_common.bus.journal import Journal
from beffroi_common.bus.keyed import InlineExecutor, Key, KeyedProcessor, KeyedWork
from beffroi_common.contracts import Codec, FrameBatch, Level, Recording, StoreName, Stream
from beffroi_common.recordings.heads import Head
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import BATCHES_OUT, FRAMES_OUT, LAST_STORED_TIMESTAMP, QUEUE_BYTES
from beffroi_common.store import StoreUnavailable
from beffroi_recorder.keep.sweep import Sweep
from beffroi_recorder.trouble import Troubles

from .camera_stream import DISK, CameraStream, RecordingContext
from .cutting import CutRules
from .heads import Heads
from .uploads import UploadQueue
from .work_dir import DiskFull, WorkDir

REPORT_INTERVAL_S = 1.0
"""The reporter repeats itself every few seconds; asking it more often than this is wasted."""

FORGET_S = 7200.0
"""Masked batches live so long on the bus: after it nothing comes of a camera that its stream would have to know."""

SILENT_S = 30.0
"""A camera of which the store did not say twice where its chain ends is asked for again after so long. It may be the
store that is away, or that one object: meanwhile all others are asked for."""

CHAINS, STORE = "chains", "store"
"""What is put off beside `DISK`: reading where chains end, and storing segments. See `Troubles`."""


class Recorder(Processor):
    """See `Processor`. Writes to local disk as batches come, and to the store between them."""

    def __init__(
        self,
        *,
        store: StoreName,
        rules: CutRules,
        idle_s: float,
        queue_bytes: int,
        backoff: Backoff,
        work: WorkDir,
        heads: Heads,
        uploads: Callable[[Callable[[Recording], None]], UploadQueue],
        producer: Producer,
        troubles: Troubles,
        reporter: StatusReporter,
        clock: Clock,
        sweep: Sweep,
        owned: Callable[[Collection[Partition]], None] = lambda _partitions: None,
        journal: Journal | None = None,
    ) -> None:
        """Wire it.

        Args:
            store: which store the segments go to.
            rules: where segments are cut.
            idle_s: a camera that is idle for so long gets its segment closed.
            queue_bytes: of batches that wait for room, or for the end of their camera's chain.
            backoff: from a store that is away.
            work: where segments are made.
            heads: ends of the chains.
            uploads: makes the uploads, given what to call with each recording stored.
            producer: takes the outputs of streams; these have none.
            troubles: what this loop and others put off; the status says it.
            reporter: says how it goes.
            clock: time.
            sweep: how the destroying goes, which the same status says.
            owned: is called with the partitions held, whenever they change.
            journal: is told on what is worked.
        """
        self._work = work
        self._heads = heads
        self._uploads = uploads(self._stored)
        self._backoff = backoff
        self._reporter = reporter
        self._sweep = sweep
        self._clock = clock
        self._troubles = troubles
        self._streams: dict[str, CameraStream] = {}
        self._silent_until_s: dict[str, float] = {}
        """By camera of which the store did not say where its chain ends: until when it is not asked again."""
        self._silent = ""
        """The camera of which it did not say so last."""
        self._report_at_s = 0.0
        self._context = RecordingContext(
            store, rules, work, troubles, clock, idle_s, self._uploads.add, self._streams.pop
        )
        self._cameras = KeyedProcessor(
            KeyedWork(_to_be_recorded, self._new_stream, self._report, FORGET_S),
            producer,
            clock,
            InlineExecutor(),  # half a percent of a core a camera: threads would bring nothing
            idle_s=idle_s,
            queue_bytes=queue_bytes,
            hang_s=math.inf,  # it works in the loop, which has a heartbeat
            on_assignment=owned,
            journal=journal,
        )

    def handle(self, record: Record) -> Deferred | None:
        """Record one batch, or keep it until there is room and its camera's chain is known.

        Raises:
            InvalidRecord: it cannot be recorded, ever.
            StoreDenied: the store refuses our key.
        """
        return self._cameras.handle(record)

    def tick(self) -> None:
        """Try again what is due, end the segments of idle cameras, store what is finished, say how it goes.

        Raises:
            StoreDenied: the store refuses our key.
            DeliveryError: the broker refused a message for good.
        """
        self._cameras.tick()
        if self._backoff.is_due():
            self._store_next()

    def is_full(self) -> bool:
        """Whether so many batches wait that reading must."""
        return self._cameras.is_full()

    def full_partitions(self) -> Collection[Partition]:
        """Those of which so many batches wait that reading them must."""
        return self._cameras.full_partitions()

    def unread(self, partitions: Collection[Partition]) -> None:
        """The broker has more of these than was handed over."""
        self._cameras.unread(partitions)

    def settled(self) -> Sequence[Settled]:
        """What became of batches since this was asked last."""
        return self._cameras.settled()

    def needed(self) -> Mapping[Partition, int]:
        """What the cameras need, and the first offset of every segment that is not stored, published and in its chain.

        The cameras come first: a segment that ends passes from them to the uploads, and is not to be missed between.
        """
        lowest = dict(self._cameras.needed())
        for origin in (segment.origin for segment in self._uploads):
            lowest[origin.source] = min(origin.offset, lowest.get(origin.source, origin.offset))
        return lowest

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Cameras are met, and their chains read, as their batches come."""
        self._cameras.assigned(partitions)

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Drop what is unfinished: whoever has these partitions now makes the same out of the same batches."""
        self._cameras.revoked(partitions)
        self._uploads.drop(partitions)
        self._silent_until_s.clear()
        for work in (CHAINS, DISK):  # the camera that it was about may be gone; else it is said again
            self._troubles.over(work)

    def _new_stream(self, key: Key, _source: Partition) -> CameraStream:
        stream = CameraStream(key.camera, self._chain_end(key.camera), self._context)
        self._streams[key.camera] = stream
        return stream

    def _chain_end(self, camera: str) -> Head | None:
        """Where the chain of a camera goes on. Every camera that waits for it would take a time-out of its own."""
        waiting = self._uploads.last_head(camera)
        if waiting is not None:
            return waiting
        if not self._backoff.is_due() or self._clock.monotonic_s() < self._silent_until_s.get(camera, -math.inf):
            raise RetryLater("the end of its chain is read once it is time to ask the object store again")
        try:
            head = self._heads.load(camera)
        except StoreUnavailable as reason:
            self._troubles.deferred(CHAINS, reason)
            if self._silent == camera:
                self._silent_until_s[camera] = self._clock.monotonic_s() + SILENT_S
            self._silent = camera
            self._backoff.failed()
            raise
        self._forget_silent(camera)
        if not self._silent_until_s:
            self._troubles.over(CHAINS)
        self._backoff.reset()
        return head

    def _forget_silent(self, camera: str) -> None:
        """The chain of this camera is known. One that was not asked for when it was time to has gone."""
        gone_s = self._clock.monotonic_s() - SILENT_S
        left = {each: until_s for each, until_s in self._silent_until_s.items() if until_s > gone_s}
        left.pop(camera, None)
        self._silent_until_s = left

    def _store_next(self) -> None:
        """One segment a turn: batches are taken in between, and a store that hangs costs one time-out."""
        try:
            stored = self._uploads.store_next()
        except RetryLater as reason:
            self._troubles.deferred(STORE, reason, "disk_full" if isinstance(reason, DiskFull) else None)
            self._backoff.failed()
        else:
            self._troubles.over(STORE)
            if stored:
                self._backoff.reset()

    def _stored(self, recording: Recording) -> None:
        BATCHES_OUT.labels(camera=recording.camera).inc(recording.batches)
        FRAMES_OUT.labels(camera=recording.camera).inc(recording.frames)
        stream = self._streams.get(recording.camera)
        if stream is not None:
            stream.counters.segments += 1
            stream.counters.stored_at_s = self._clock.monotonic_s()
        LAST_STORED_TIMESTAMP.labels(camera=recording.camera).set(self._clock.now_ns() / 1e9)

    def _report(self, waiting: Mapping[str, float]) -> None:
        now_s = self._clock.monotonic_s()
        if now_s < self._report_at_s:
            return
        self._report_at_s = now_s + REPORT_INTERVAL_S
        QUEUE_BYTES.labels(queue="work_dir").set(self._work.used_bytes)
        for stream in self._streams.values():
            self._report_camera(stream)
        trouble = self._troubles.first()
        counters: dict[str, float] = {
            "cameras": len(self._streams),
            "work_bytes": self._work.used_bytes,
            "waiting": len(list(self._uploads)),
            "waiting_batches": waiting["waiting_batches"],
            "queue_bytes": waiting["queue_bytes"],
        }
        if (age_s := self._sweep.age_s) is not None:
            counters["last_sweep_age_s"] = round(age_s, 1)
        if trouble is not None:
            self._reporter.service(Level.ERROR, trouble.code, trouble.message, counters)
        elif (late := self._sweep.complaint) is not None:
            self._reporter.service(Level.ERROR, "destruction_late", late, counters)
        else:
            self._reporter.service(Level.OK, "running", "", counters)

    def _report_camera(self, stream: CameraStream) -> None:
        counted = stream.counters
        counters: dict[str, float] = {
            "segments": counted.segments,
            "frames": counted.frames,
            "missing_batches": counted.missing_batches,
            "dropped_batches": counted.dropped_batches,
        }
        if counted.stored_at_s is not None:
            counters["last_stored_age_s"] = round(self._clock.monotonic_s() - counted.stored_at_s, 1)
        if stream.needed_offset is not None:
            self._reporter.camera(stream.camera, Level.OK, "recording", "", counters)
        else:
            message = f"no picture for {stream.waits_s:.0f} s: look at ingest and masker"
            self._reporter.camera(stream.camera, Level.WARNING, "idle", message, counters)


def _to_be_recorded(record: Record) -> FrameBatch | None:
    """Read a batch; None is the smaller picture of the same scene: recording it would double what must be destroyed.

    Raises:
        InvalidRecord: it cannot be recorded, ever.
    """
    batch = masked_batch(record)
    if batch.codec is not Codec.H264:
        raise InvalidRecord(f"{batch.codec.value} is not recorded: the masker makes h264 of everything")
    return batch if batch.stream is Stream.MAIN else None
