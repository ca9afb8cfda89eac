"""Masked batches in, segments out; says which offsets are still needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping

import structlog
from beffroi.common.bus import Never, NotNow, Partition, Record, StatusReporter
from beffroi.common.bus.batches import masked_batch
from beffroi.common.bus.silence import Silence
from beffroi.common.contracts import Codec, Level, Recording, Stream
from beffroi.common.runtime.clock import Clock
from beffroi.common.runtime.metrics import BATCHES_OUT, FRAMES_OUT, QUEUE_BYTES
from beffroi.common.runtime.patience import Patience

from .auditor import Auditor
from .cutting import CutRules
from .heads import Heads, StoreAway
from .line import CameraLine
from .segment import Origin
from .storing import Shelf
from .work_dir import DiskFull, WorkDir

log = structlog.get_logger(__name__)

REPORT_INTERVAL_S = 1.0
"""The reporter repeats itself every few seconds; asking it more often than this is wasted."""


class Recorder:
    """See `Processor`. Writes to local disk as batches come, and to the store between them."""

    def __init__(
        self,
        *,
        rules: CutRules,
        silence: Silence,
        patience: Patience,
        work: WorkDir,
        heads: Heads,
        shelf: Callable[[Callable[[Recording], None]], Shelf],
        auditor: Auditor,
        reporter: StatusReporter,
        clock: Clock,
        owned: Callable[[Collection[Partition]], None] = lambda _partitions: None,
    ) -> None:
        """Wire it.

        Args:
            rules: where segments are cut.
            silence: a camera that is silent gets its segment closed.
            patience: with a store that is away.
            work: where segments are made.
            heads: ends of the chains.
            shelf: makes the shelf, given what to call with each recording stored.
            auditor: destroys what is due, between batches.
            reporter: says how it goes.
            clock: time.
            owned: hears the partitions held, whenever they change.
        """
        self._rules = rules
        self._silence = silence
        self._work = work
        self._heads = heads
        self._shelf = shelf(self._stored)
        self._auditor = auditor
        self._patience = patience
        self._errands: deque[tuple[str, Callable[[], object]]] = deque(
            [("store", self._shelf.store_next), ("audit", auditor.tick)]
        )
        self._reporter = reporter
        self._clock = clock
        self._owned = owned
        self._partitions: set[Partition] = set()
        self._lines: dict[str, CameraLine] = {}
        self._heard_at_s: dict[str, float] = {}
        self._report_at_s = 0.0
        self._trouble: dict[str, tuple[str, str]] = {}

    def handle(self, record: Record) -> None:
        """Record one batch.

        Raises:
            NotNow: no room on the local disk, or the store is away when a camera's chain must be read.
            InvalidMessageError, Never: it cannot be recorded, ever.
            StoreDenied: the store refuses our key.
        """
        self._trouble.pop("bus", None)
        try:
            self._take(record)
        except NotNow as reason:
            self._trouble["bus"] = (_code(reason), str(reason))
            if isinstance(reason, StoreAway):
                self._patience.failed()  # whoever comes next in this turn would wait for the same silence
            raise

    def tick(self) -> None:
        """Store what is finished, close what fell silent, destroy what is due, say how it goes.

        Raises:
            StoreDenied, RetentionError, NotDestroyedError: a person must act; see `Auditor.tick`.
            DeliveryError: the broker refused a message for good.
        """
        self._silence.turn()
        self._close_silent()
        if self._patience.is_over():
            self._run_errands()
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
        self._hold()

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Drop what is unfinished: whoever has these partitions now makes the same out of the same batches."""
        for line in [each for each in self._lines.values() if each.source in partitions]:
            line.discard()
            del self._lines[line.camera]
        self._shelf.drop(partitions)
        self._partitions -= set(partitions)
        self._hold()

    def _hold(self) -> None:
        self._auditor.own(self._partitions)
        self._owned(self._partitions)

    def _take(self, record: Record) -> None:
        self._work.make_room()
        batch = masked_batch(record)
        if batch.codec is not Codec.H264:
            raise Never(f"{batch.codec.value} is not recorded: the masker makes h264 of everything")
        if batch.stream is not Stream.MAIN:
            return  # the smaller picture of the same scene: recording it as well would double what must be destroyed
        line = self._line(batch.camera, record.source)
        self._heard_at_s[batch.camera] = self._silence.heard(batch)
        line.take(record, batch)

    def _line(self, camera: str, source: Partition) -> CameraLine:
        line = self._lines.get(camera)
        if line is None:
            line = self._lines[camera] = CameraLine(
                camera, source, self._heads.load(camera), self._rules, self._work, self._clock, self._shelf.add
            )
        return line

    def _unfinished(self) -> Iterator[Origin]:
        yield from (segment.origin for segment in self._shelf)
        yield from (line.open_origin for line in self._lines.values() if line.open_origin is not None)

    def _close_silent(self) -> None:
        for camera, line in self._lines.items():
            if line.open_origin is not None and self._silence.since(self._heard_at_s[camera]):
                line.close("silence")

    def _run_errands(self) -> None:
        """Do what needs the store, until something fails: one time-out in a turn is enough.

        What failed is the last one next time: a full store takes nothing before something is destroyed.
        """
        for name, errand in tuple(self._errands):
            try:
                errand()
            except NotNow as reason:
                self._put_off(name, reason)
                self._errands.remove((name, errand))
                self._errands.append((name, errand))
                return
            self._trouble.pop(name, None)
        self._patience.begin_anew()

    def _put_off(self, name: str, reason: NotNow) -> None:
        if name not in self._trouble:
            log.warning("put off", errand=name, code=_code(reason), reason=str(reason))
        self._trouble[name] = (_code(reason), str(reason))
        self._patience.failed()

    def _stored(self, recording: Recording) -> None:
        BATCHES_OUT.labels(camera=recording.camera).inc(recording.batches)
        FRAMES_OUT.labels(camera=recording.camera).inc(recording.frames)
        line = self._lines.get(recording.camera)
        if line is not None:
            line.counters.segments += 1

    def _report(self) -> None:
        QUEUE_BYTES.labels(queue="work_dir").set(self._work.used_bytes)
        for camera, line in self._lines.items():
            self._report_camera(camera, line)
        code, message = next(iter(self._trouble.values()), ("running", ""))
        level = Level.ERROR if self._trouble else Level.OK
        counters = {"cameras": len(self._lines), "work_bytes": self._work.used_bytes, "waiting": len(list(self._shelf))}
        self._reporter.service(level, code, message, counters)

    def _report_camera(self, camera: str, line: CameraLine) -> None:
        counted = line.counters
        counters = {
            "segments": counted.segments,
            "frames": counted.frames,
            "missing_batches": counted.missing_batches,
            "dropped_batches": counted.dropped_batches,
        }
        if line.open_origin is not None:
            self._reporter.camera(camera, Level.OK, "recording", "", counters)
        else:
            lasts_s = self._silence.lasts_s(self._heard_at_s[camera])
            message = f"no picture for {lasts_s:.0f} s: look at ingest and masker"
            self._reporter.camera(camera, Level.WARNING, "silent", message, counters)


def _code(reason: NotNow) -> str:
    match reason:
        case DiskFull():
            return "disk_full"
        case StoreAway():
            return "store_away"
        case _:
            return "broker_away"
