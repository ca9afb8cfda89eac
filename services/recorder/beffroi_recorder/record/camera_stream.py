"""One camera's recording: its progress, its open segment, its chain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from beffroi_common.bus import Partition, Record
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_common.contracts import FrameBatch, InvalidMessageError, StoreName
from beffroi_common.media.nal import ParameterSets, is_annex_b, parameter_sets
from beffroi_common.media.samples import Sample, samples
from beffroi_common.recordings.heads import Head
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import BATCHES_DROPPED, BATCHES_IN, FRAMES_DROPPED, FRAMES_IN

from .cutting import CutRules, Shape, why_cut
from .segment import FinishedSegment, OpenSegment, Origin
from .work_dir import WorkDir

log = structlog.get_logger(__name__)


@dataclass
class Counters:
    """Since this process began."""

    segments: int = 0
    frames: int = 0
    missing_batches: int = 0
    dropped_batches: int = 0


class CameraStream:
    """Takes the batches of one camera in order, and hands on segments as they are finished."""

    def __init__(
        self,
        camera: str,
        source: Partition,
        head: Head | None,
        store: StoreName,
        rules: CutRules,
        work: WorkDir,
        clock: Clock,
        finished: Callable[[FinishedSegment], None],
    ) -> None:
        self.camera = camera
        self.source = source
        self.counters = Counters()
        self._sequences = SequenceTracker(head.taken if head else None)
        self._previous_sha256 = head.recording.sha256 if head else None
        self._store = store
        self._rules = rules
        self._work = work
        self._clock = clock
        self._finished = finished
        self._open: OpenSegment | None = None

    @property
    def open_origin(self) -> Origin | None:
        """Where the open segment begins; None when none is open."""
        return self._open.origin if self._open else None

    def take(self, record: Record, batch: FrameBatch) -> None:
        """Record one batch.

        Raises:
            InvalidMessageError: it cannot be recorded, ever.
        """
        BATCHES_IN.labels(camera=self.camera).inc()
        FRAMES_IN.labels(camera=self.camera).inc(len(batch.units))
        if self._sequences.is_repeat(batch.epoch, batch.sequence):
            self._drop(batch, "repeat")
            return
        pictures = samples(batch)
        sets = _sets_in_front(batch)
        self.source = record.source
        self._cut(record, batch, pictures[0], sets)
        if self._open is None:
            if sets is None:
                # Nothing can be shown of it. It counts as missing before the next segment.
                self._drop(batch, "before_key")
                return
            origin = Origin(record.source, record.offset, self._previous_sha256)
            self._open = OpenSegment(batch, pictures, sets, origin, self._work)
        missing = self._sequences.take(batch.epoch, batch.sequence)
        self._open.add(batch, pictures, missing)
        self.counters.frames += len(pictures)
        self.counters.missing_batches += missing

    def close(self, why: str) -> None:
        """End the open segment, if there is one."""
        if self._open is None:
            return
        segment = self._open.finish(self._store, self._clock.now(), self._sequences.snapshot())
        log.debug("segment ends", camera=self.camera, object=segment.recording.object_name, why=why)
        self._open = None
        self._previous_sha256 = segment.recording.sha256
        self._finished(segment)

    def discard(self) -> None:
        """Drop the open segment: somebody else will make it."""
        if self._open is not None:
            self._open.discard()
            self._open = None

    def _cut(self, record: Record, batch: FrameBatch, first: Sample, sets: ParameterSets | None) -> None:
        if self._open is None:
            return
        shape = Shape.of(record.partition, batch)
        cut = why_cut(self._open.shape, self._open.sets, self._open.extent, shape, sets, first, self._rules)
        if cut is not None:
            self.close(cut.value)

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
