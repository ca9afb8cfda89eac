"""Between the buses: raw batches in, masked batches out, every batch counted, and nothing passes by default."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import structlog

from beffroi_common.bus import Partition, Record, StatusReporter, TableStaleError, TooLarge
from beffroi_common.bus.batches import raw_batch
from beffroi_common.bus.keyed import Key, KeyedWork, Output
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_common.contracts import FrameBatch, Level, MaskDecision
from beffroi_common.media.encoding import Quality
from beffroi_common.runtime import metrics
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import FRAMES_MASKED

from .decisions import Decisions
from .first_shapes import FirstShapes
from .lateness import Lateness
from .messages import CATCHING_UP, DRAWN_BLIND, MESSAGES, STALE, WIDENED
from .stream import Limits, MaskedStream, Outcome, Reason

log = structlog.get_logger(__name__)

FORGET_S = 600.0
"""Raw batches live so long on the bus: after it nothing can go on where a stream ended."""


@dataclass(frozen=True)
class Masking:
    """What every stream is masked by."""

    decisions: Decisions
    status: StatusReporter
    clock: Clock
    limits: Limits
    quality: Quality
    lateness: Lateness
    first_shapes: FirstShapes = field(default_factory=FirstShapes)


def masker_work(masking: Masking) -> KeyedWork:
    """What the masker does with `frames.raw.v1`."""
    return KeyedWork(
        read=raw_batch,
        new_stream=lambda key, source: KeyedMaskedStream(key, source, masking),
        report=partial(_report, masking),
        forget_s=FORGET_S,
    )


def _report(masking: Masking, counters: Mapping[str, float]) -> None:
    behind = masking.lateness.partitions()
    said = CATCHING_UP if behind else (Level.OK, "running", "")
    counted = dict(counters) | {"lanes": len(behind)}
    masking.status.service(*(STALE if masking.decisions.are_stale else said), counted)


class KeyedMaskedStream:
    """A `MaskedStream` between the buses: its batches counted, its state reported; see `KeyedStream`."""

    def __init__(self, key: Key, source: Partition, masking: Masking) -> None:
        self.sequences = SequenceTracker()
        self._camera = key.camera
        self._source = source
        self._masking = masking
        self._stream = MaskedStream(masking.limits, masking.quality, masking.first_shapes)
        self._frames_in = 0
        self._frames_out = 0
        self._dropped = 0
        self._said = ""

    @property
    def needed_offset(self) -> int | None:
        """The start of the oldest group of pictures at work."""
        return self._stream.needed_offset

    def handle(self, batch: FrameBatch, record: Record) -> list[Output]:
        """Mask one raw batch.

        Raises:
            TableStaleError: which masks are in force is not known at present; the batch is kept.
        """
        try:
            decision = self._masking.decisions.of(batch.camera, batch.source_version)
        except TableStaleError:
            self._say(*STALE)
            raise
        if decision is Reason.UNKNOWN_CAMERA:
            self._masking.first_shapes.forget(batch.camera)
        if isinstance(decision, Reason):
            outcomes = self._stream.refuse(batch, decision)
        else:
            self._masking.lateness.note(record)
            outcomes = self._stream.mask(batch, record.offset, decision)
        self.sequences.take(batch.epoch, batch.sequence)
        self._frames_in += len(batch.units)
        return self._settle(outcomes)

    def left_out(self, batch: FrameBatch) -> None:
        """A batch came twice, or of a connection that is over."""
        self._frames_in += len(batch.units)
        self._dropped += len(batch.units)

    def rest(self) -> list[Output]:
        """Hand on what the decoder holds back; without any it goes on in mid-group, should ingest be cut off only."""
        if not self._stream.holds_back:
            return []
        decision = self._masking.decisions.of(self._camera, self._stream.source_version)
        return self._settle(self._stream.finish(decision)) if isinstance(decision, MaskDecision) else []

    def sent(self, output: Output) -> None:
        """Count a masked batch."""
        batch = _batch(output)
        self._frames_out += len(batch.units)
        metrics.BATCHES_OUT.labels(camera=batch.camera).inc()
        metrics.FRAMES_OUT.labels(camera=batch.camera).inc(len(batch.units))
        age_s = batch.units[0].age_s(self._masking.clock.now_ns())
        metrics.CAPTURE_AGE_SECONDS.labels(camera=batch.camera).observe(age_s)
        if self._masking.lateness.is_behind(self._source, self._camera):
            self._say(*CATCHING_UP)
        elif self._stream.widened:
            code, message = WIDENED
            self._say(Level.WARNING, code, message.format(percent=100 * self._stream.widened))
        elif self._stream.drawn_blind:
            self._say(*DRAWN_BLIND)
        else:
            self._say(Level.OK, "masked", f"Masked with version {batch.mask_version}.")

    def too_large(self, output: Output, _reason: TooLarge) -> None:
        """A masked batch is more than the bus takes."""
        self._drop_batch(_batch(output), Reason.TOO_LARGE)

    def discard(self) -> None:
        """The decoder goes with the stream."""

    def _settle(self, outcomes: list[Outcome]) -> list[Output]:
        outputs = []
        for outcome in outcomes:
            if isinstance(outcome.result, Reason):
                self._drop_batch(outcome.raw, outcome.result)
            else:
                outputs.append(Output(FRAMES_MASKED, self._camera, outcome.result))
                not_shown = len(outcome.raw.units) - len(outcome.result.units)
                if not_shown:
                    self._drop(Reason.AWAITING_KEY, not_shown)
        return outputs

    def _drop_batch(self, batch: FrameBatch, reason: Reason) -> None:
        metrics.BATCHES_DROPPED.labels(camera=self._camera, reason=reason.value).inc()
        self._drop(reason, len(batch.units))

    def _drop(self, reason: Reason, frames: int) -> None:
        self._dropped += frames
        metrics.FRAMES_DROPPED.labels(camera=self._camera, reason=reason.value).inc(frames)
        level, message = MESSAGES[reason]
        self._say(level, reason.value, message)

    def _say(self, level: Level, code: str, message: str) -> None:
        if code != self._said:
            log.log(_LOG_LEVELS[level], code, camera=self._camera, message=message)
            self._said = code
        counters = {
            "frames_in": self._frames_in,
            "frames_out": self._frames_out,
            "dropped": self._dropped,
            "missing_batches": self._stream.missing_batches,
        }
        self._masking.status.camera(self._camera, level, code, message, counters)


_LOG_LEVELS = {Level.OK: logging.INFO, Level.WARNING: logging.WARNING, Level.ERROR: logging.ERROR}


def _batch(output: Output) -> FrameBatch:
    return cast("FrameBatch", output.value)  # a stream is given its own outputs only
