"""One camera's recording: its open segment and its chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from beffroi_common.bus import Record
from beffroi_common.bus.errors import TooLarge
from beffroi_common.bus.keyed import Output
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_common.contracts import FrameBatch, InvalidMessageError, StoreName
from beffroi_common.media.nal import ParameterSets, is_annex_b, parameter_sets
from beffroi_common.media.samples import Sample, samples
from beffroi_common.recordings.heads import Head
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import BATCHES_DROPPED, FRAMES_DROPPED
from beffroi_recorder.trouble import Troubles

from .cutting import CutRules, Shape, why_cut
from .segment import FinishedSegment, OpenSegment, Origin
from .work_dir import DiskFull, WorkDir

log = structlog.get_logger(__name__)


DISK = "disk"
"""What is put off while there is no room to make segments in; see `Troubles`."""


@dataclass
class Counters:
    """Since this stream began."""

    segments: int = 0
    frames: int = 0
    missing_batches: int = 0
    stored_at_s: float | None = None
    dropped_batches: int = 0


@dataclass(frozen=True)
class RecordingContext:
    """What every camera is recorded with.

    Attributes:
        store: which store the segments go to.
        rules: where segments are cut.
        work: where segments are made.
        troubles: where a full disk is noted.
        clock: time.
        idle_s: a segment that nothing could be added to for so long ends, so that the store can take it.
        finished: takes the segments.
        discarded: is called with a camera that has no stream any more.
    """

    store: StoreName
    rules: CutRules
    work: WorkDir
    troubles: Troubles
    clock: Clock
    idle_s: float
    finished: Callable[[FinishedSegment], None]
    discarded: Callable[[str], object]


class CameraStream:
    """Hands on segments as they are finished, to the uploads and not as outputs; see `KeyedStream`.

    The uploads outlive the stream, and while the store is away they wait on the local disk. An output that cannot be
    sent would keep the batches after it in memory.
    """

    def __init__(self, camera: str, head: Head | None, context: RecordingContext) -> None:
        """Go on where `head` says that the camera's chain ends."""
        self.camera = camera
        self.counters = Counters()
        self.sequences = SequenceTracker(head.taken if head else None)
        self._previous_sha256 = head.recording.sha256 if head else None
        self._context = context
        self._taken_at_s = context.clock.monotonic_s()
        self._open: OpenSegment | None = None

    @property
    def needed_offset(self) -> int | None:
        """Where the open segment begins."""
        return self._open.origin.offset if self._open else None

    @property
    def waits_s(self) -> float:
        """How long ago the last batch was taken."""
        return self._context.clock.monotonic_s() - self._taken_at_s

    def handle(self, batch: FrameBatch, record: Record) -> list[Output]:
        """Record one batch.

        Raises:
            DiskFull: no room on the local disk.
            InvalidMessageError: it cannot be recorded, ever.
        """
        self._make_room()
        pictures = samples(batch)
        sets = _sets_in_front(batch)
        self._cut(batch, pictures[0], sets)
        self._taken_at_s = self._context.clock.monotonic_s()
        if self._open is None:
            if sets is None:
                # Nothing can be shown of it. It counts as missing before the next segment.
                self._drop(batch, "before_key")
                return []
            origin = Origin(record.source, record.offset, self._previous_sha256)
            self._open = OpenSegment(batch, pictures, sets, origin, self._context.work)
        missing = self.sequences.take(batch.epoch, batch.sequence)
        self._open.add(batch, pictures, missing)
        self.counters.frames += len(pictures)
        self.counters.missing_batches += missing
        return []

    def left_out(self, _batch: FrameBatch) -> None:
        """A batch came twice, or of a connection that is over."""
        self.counters.dropped_batches += 1

    def rest(self) -> list[Output]:
        """The camera is idle, or in another slot now: the segment ends, so that it holds back no offset."""
        self._close("idle")
        return []

    def sent(self, output: Output) -> None:
        """There are no outputs."""

    def too_large(self, output: Output, reason: TooLarge) -> None:
        """There are no outputs."""

    def discard(self) -> None:
        """Drop the open segment: somebody else will make it."""
        if self._open is not None:
            self._open.discard()
            self._open = None
        self._context.discarded(self.camera)

    def _make_room(self) -> None:
        try:
            self._context.work.make_room()
        except DiskFull as reason:
            self._context.troubles.deferred(DISK, reason, "disk_full")
            if self.waits_s > self._context.idle_s:
                self._close("disk_full")  # once stored it makes room, and nothing else would
            raise
        self._context.troubles.over(DISK)

    def _cut(self, batch: FrameBatch, first: Sample, sets: ParameterSets | None) -> None:
        if self._open is None:
            return
        shape, rules = Shape.of(batch), self._context.rules
        cut = why_cut(self._open.shape, self._open.sets, self._open.extent, shape, sets, first, rules)
        if cut is not None:
            self._close(cut.value)

    def _close(self, why: str) -> None:
        if self._open is None:
            return
        segment = self._open.finish(self._context.store, self._context.clock.now(), self.sequences.snapshot())
        log.debug("segment ends", camera=self.camera, object=segment.recording.object_name, why=why)
        self._open = None
        self._previous_sha256 = segment.recording.sha256
        self._context.finished(segment)

    def _drop(self, batch: FrameBatch, reason: str) -> None:
        self.counters.dropped_batches += 1
        BATCHES_DROPPED.labels(camera=self.camera, reason=reason).inc()
        FRAMES_DROPPED.labels(camera=self.camera, reason=reason).inc(len(batch.units))


def _sets_in_front(batch: FrameBatch) -> ParameterSets | None:
    """Parameter sets of a batch that begins with a key picture, else None.

    Raises:
        InvalidMessageError: it says that a decoder can start here, and none could.
    """
    if not all(is_annex_b(unit.data) for unit in batch.units):
        raise InvalidMessageError("FrameBatch: a picture does not begin with an Annex B start code")
    if not batch.starts_with_key:
        return None
    sets = parameter_sets(batch.codec, batch.units[0].data)
    if sets is None:
        raise InvalidMessageError("FrameBatch: a key picture comes without its SPS and PPS")
    return sets
