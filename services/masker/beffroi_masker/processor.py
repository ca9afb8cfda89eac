"""Between the buses: raw batches in, masked batches out, every batch counted, and nothing passes by default."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from beffroi_common.bus import Partition, Producer, Record, RetryLater, TooLarge
from beffroi_common.bus.batches import raw_batch
from beffroi_common.bus.idle import IdleTracker
from beffroi_common.bus.reporter import StatusReporter
from beffroi_common.contracts import FrameBatch, Level, MaskDecision
from beffroi_common.runtime import metrics
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import FRAMES_MASKED

from .decisions import Decisions
from .encoding import Quality
from .messages import MESSAGES
from .stream import Limits, MaskedStream, Outcome, Reason

log = structlog.get_logger(__name__)

FORGET_S = 600.0
"""Raw batches live so long on the bus: after it nothing can go on where a stream ended."""


@dataclass
class _CameraStream:
    """One stream, where it comes from, and what it has counted."""

    partition: Partition
    stream: MaskedStream
    seen_at_s: float = 0.0
    silent: bool = False
    offset: int = 0
    frames_in: int = 0
    frames_out: int = 0
    dropped: int = 0
    said: str = ""


@dataclass(frozen=True)
class _Unsent:
    entry: _CameraStream
    hold_offset: int
    batch: FrameBatch


@dataclass
class Masker:
    """The processor of `frames.raw.v1`.

    Attributes:
        silence: a stream that is silent holds no offset back.
        on_assignment: called when partitions were given.
    """

    decisions: Decisions
    producer: Producer
    status: StatusReporter
    clock: Clock
    limits: Limits
    quality: Quality
    idle: IdleTracker
    on_assignment: Callable[[], None] = lambda: None
    _streams: dict[tuple[str, str], _CameraStream] = field(default_factory=dict)
    _unsent: deque[_Unsent] = field(default_factory=deque)

    def handle(self, record: Record) -> None:
        """Mask one raw batch.

        Raises:
            RetryLater: what was masked before could not be sent yet; nothing was done with this batch.
            InvalidRecord: it is not a raw frame batch of the camera that its key names.
        """
        self._send()
        batch = raw_batch(record)
        entry = self._lane(batch, record)
        hold_offset = _or(entry.stream.needed_offset, record.offset)
        decision = self.decisions.of(batch.camera, batch.source_version)
        if isinstance(decision, Reason):
            outcomes = entry.stream.refuse(batch, decision)
        else:
            outcomes = entry.stream.mask(batch, record.offset, decision)
        entry.frames_in += len(batch.units)
        metrics.BATCHES_IN.labels(camera=batch.camera).inc()
        metrics.FRAMES_IN.labels(camera=batch.camera).inc(len(batch.units))
        self._settle(entry, outcomes, hold_offset)
        self._try_to_send()

    def tick(self) -> None:
        """Send what waits, and evict idle streams."""
        self.idle.tick(listening=not self._unsent)
        for key, entry in list(self._streams.items()):
            if self.idle.is_idle(entry.seen_at_s):
                self._let_go(key, entry)
        self._try_to_send()
        self.status.service(counters={"streams": len(self._streams), "unsent_batches": len(self._unsent)})

    def needed(self) -> Mapping[Partition, int]:
        """The start of the oldest group of pictures at work in each partition."""
        needed: dict[Partition, int] = {}
        held = [(entry.partition, entry.stream.needed_offset) for entry in self._streams.values() if not entry.silent]
        held += [(unsent.entry.partition, unsent.hold_offset) for unsent in self._unsent]
        for partition, offset in held:
            if offset is not None:
                needed[partition] = min(offset, needed.get(partition, offset))
        return needed

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Nothing to prepare: a stream begins with its first batch."""
        log.info("assigned", partitions=sorted(number for _, number in partitions))
        self.on_assignment()

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Forget the streams of these partitions: their new owner begins where the last commit says."""
        self._streams = {key: entry for key, entry in self._streams.items() if entry.partition not in partitions}
        self._unsent = deque(unsent for unsent in self._unsent if unsent.entry.partition not in partitions)

    def _lane(self, batch: FrameBatch, record: Record) -> _CameraStream:
        key = (batch.camera, batch.stream.value)
        entry = self._streams.get(key)
        if entry is None or entry.partition != record.source:  # a camera that was given another slot begins anew
            entry = self._streams[key] = _CameraStream(record.source, MaskedStream(self.limits, self.quality))
        entry.seen_at_s, entry.offset, entry.silent = self.idle.observe(batch), record.offset, False
        return entry

    def _let_go(self, key: tuple[str, str], entry: _CameraStream) -> None:
        entry.silent = True
        if not entry.stream.holds_back and self.idle.idle_for_s(entry.seen_at_s) < FORGET_S:
            return  # ingest may only be cut off from the broker: what it sends then goes on in mid-group
        decision = self.decisions.of(key[0], entry.stream.source_version)
        if isinstance(decision, MaskDecision):
            hold_offset = _or(entry.stream.needed_offset, entry.offset)
            self._settle(entry, entry.stream.finish(decision), hold_offset)
        del self._streams[key]

    def _settle(self, entry: _CameraStream, outcomes: list[Outcome], hold_offset: int) -> None:
        for outcome in outcomes:
            if isinstance(outcome.result, Reason):
                self._drop(entry, outcome.raw, outcome.result, len(outcome.raw.units))
                metrics.BATCHES_DROPPED.labels(camera=outcome.raw.camera, reason=outcome.result.value).inc()
            else:
                self._unsent.append(_Unsent(entry, hold_offset, outcome.result))
                not_shown = len(outcome.raw.units) - len(outcome.result.units)
                if not_shown:
                    self._drop(entry, outcome.raw, Reason.AWAITING_KEY, not_shown)

    def _drop(self, entry: _CameraStream, raw: FrameBatch, reason: Reason, frames: int) -> None:
        entry.dropped += frames
        metrics.FRAMES_DROPPED.labels(camera=raw.camera, reason=reason.value).inc(frames)
        level, message = MESSAGES[reason]
        if reason is not Reason.REPEATED:
            self._say(raw.camera, entry, level, reason.value, message)

    def _try_to_send(self) -> None:
        with suppress(RetryLater):  # `handle` says it with the next batch; what waits holds its offset back
            self._send()

    def _send(self) -> None:
        while self._unsent:
            unsent = self._unsent[0]
            try:
                self.producer.send(
                    FRAMES_MASKED, unsent.batch.camera, unsent.batch, partition=unsent.entry.partition[1]
                )
            except TooLarge:
                self._drop(unsent.entry, unsent.batch, Reason.TOO_LARGE, len(unsent.batch.units))
                metrics.BATCHES_DROPPED.labels(camera=unsent.batch.camera, reason=Reason.TOO_LARGE.value).inc()
            else:
                self._sent(unsent.entry, unsent.batch)
            self._unsent.popleft()

    def _sent(self, entry: _CameraStream, batch: FrameBatch) -> None:
        entry.frames_out += len(batch.units)
        metrics.BATCHES_OUT.labels(camera=batch.camera).inc()
        metrics.FRAMES_OUT.labels(camera=batch.camera).inc(len(batch.units))
        age_s = (self.clock.now_ns() - batch.units[0].capture_time_ns) / 1e9
        metrics.CAPTURE_AGE_SECONDS.labels(camera=batch.camera).observe(age_s)
        self._say(batch.camera, entry, Level.OK, "masked", f"Masked with version {batch.mask_version}.")

    def _say(self, camera: str, entry: _CameraStream, level: Level, code: str, message: str) -> None:
        if code != entry.said:
            log.log(_LOG_LEVELS[level], code, camera=camera, message=message)
            entry.said = code
        counters = {
            "frames_in": entry.frames_in,
            "frames_out": entry.frames_out,
            "dropped": entry.dropped,
            "missing_batches": entry.stream.missing_batches,
        }
        self.status.camera(camera, level, code, message, counters)


_LOG_LEVELS = {Level.OK: 20, Level.WARNING: 30, Level.ERROR: 40}


def _or(offset: int | None, otherwise: int) -> int:
    return otherwise if offset is None else offset
