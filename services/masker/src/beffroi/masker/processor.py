"""Between the buses: raw batches in, masked batches out, every batch counted, and nothing passes by default."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from beffroi.common.bus import NotNow, Partition, Producer, Record, TooLarge
from beffroi.common.bus.batches import raw_batch
from beffroi.common.bus.reporter import StatusReporter
from beffroi.common.bus.silence import Silence
from beffroi.common.contracts import FrameBatch, Level, MaskDecision
from beffroi.common.runtime import metrics
from beffroi.common.runtime.clock import Clock
from beffroi.common.topics import FRAMES_MASKED

from .decisions import Decisions
from .encoding import Quality
from .messages import MESSAGES
from .stream import Limits, MaskedStream, Outcome, Reason

log = structlog.get_logger(__name__)

FORGET_S = 600.0
"""Raw batches live so long on the bus: after it nothing can go on where a stream ended."""


@dataclass
class _Lane:
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
    lane: _Lane
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
    silence: Silence
    on_assignment: Callable[[], None] = lambda: None
    _lanes: dict[tuple[str, str], _Lane] = field(default_factory=dict)
    _unsent: deque[_Unsent] = field(default_factory=deque)

    def handle(self, record: Record) -> None:
        """Mask one raw batch.

        Raises:
            NotNow: what was masked before could not be sent yet; nothing was done with this batch.
            Never: it is not a raw frame batch of the camera that its key names.
        """
        self._send()
        batch = raw_batch(record)
        lane = self._lane(batch, record)
        hold_offset = _or(lane.stream.needed_offset, record.offset)
        decision = self.decisions.of(batch.camera, batch.source_version)
        if isinstance(decision, Reason):
            outcomes = lane.stream.refuse(batch, decision)
        else:
            outcomes = lane.stream.mask(batch, record.offset, decision)
        lane.frames_in += len(batch.units)
        metrics.BATCHES_IN.labels(camera=batch.camera).inc()
        metrics.FRAMES_IN.labels(camera=batch.camera).inc(len(batch.units))
        self._settle(lane, outcomes, hold_offset)
        self._try_to_send()

    def tick(self) -> None:
        """Send what waits, and let go of streams that fell silent."""
        self.silence.turn(listening=not self._unsent)
        for key, lane in list(self._lanes.items()):
            if self.silence.since(lane.seen_at_s):
                self._let_go(key, lane)
        self._try_to_send()
        self.status.service(counters={"streams": len(self._lanes), "unsent_batches": len(self._unsent)})

    def needed(self) -> Mapping[Partition, int]:
        """The start of the oldest group of pictures at work in each partition."""
        needed: dict[Partition, int] = {}
        held = [(lane.partition, lane.stream.needed_offset) for lane in self._lanes.values() if not lane.silent]
        held += [(unsent.lane.partition, unsent.hold_offset) for unsent in self._unsent]
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
        self._lanes = {key: lane for key, lane in self._lanes.items() if lane.partition not in partitions}
        self._unsent = deque(unsent for unsent in self._unsent if unsent.lane.partition not in partitions)

    def _lane(self, batch: FrameBatch, record: Record) -> _Lane:
        key = (batch.camera, batch.stream.value)
        lane = self._lanes.get(key)
        if lane is None or lane.partition != record.source:  # a camera that was given another slot begins anew
            lane = self._lanes[key] = _Lane(record.source, MaskedStream(self.limits, self.quality))
        lane.seen_at_s, lane.offset, lane.silent = self.silence.heard(batch), record.offset, False
        return lane

    def _let_go(self, key: tuple[str, str], lane: _Lane) -> None:
        lane.silent = True
        if not lane.stream.holds_back and self.silence.lasts_s(lane.seen_at_s) < FORGET_S:
            return  # ingest may only be cut off from the broker: what it sends then goes on in mid-group
        decision = self.decisions.of(key[0], lane.stream.source_version)
        if isinstance(decision, MaskDecision):
            hold_offset = _or(lane.stream.needed_offset, lane.offset)
            self._settle(lane, lane.stream.finish(decision), hold_offset)
        del self._lanes[key]

    def _settle(self, lane: _Lane, outcomes: list[Outcome], hold_offset: int) -> None:
        for outcome in outcomes:
            if isinstance(outcome.result, Reason):
                self._drop(lane, outcome.raw, outcome.result, len(outcome.raw.units))
                metrics.BATCHES_DROPPED.labels(camera=outcome.raw.camera, reason=outcome.result.value).inc()
            else:
                self._unsent.append(_Unsent(lane, hold_offset, outcome.result))
                not_shown = len(outcome.raw.units) - len(outcome.result.units)
                if not_shown:
                    self._drop(lane, outcome.raw, Reason.AWAITING_KEY, not_shown)

    def _drop(self, lane: _Lane, raw: FrameBatch, reason: Reason, frames: int) -> None:
        lane.dropped += frames
        metrics.FRAMES_DROPPED.labels(camera=raw.camera, reason=reason.value).inc(frames)
        level, message = MESSAGES[reason]
        if reason is not Reason.REPEATED:
            self._say(raw.camera, lane, level, reason.value, message)

    def _try_to_send(self) -> None:
        with suppress(NotNow):  # `handle` says it with the next batch; what waits holds its offset back
            self._send()

    def _send(self) -> None:
        while self._unsent:
            unsent = self._unsent[0]
            try:
                self.producer.send(FRAMES_MASKED, unsent.batch.camera, unsent.batch, partition=unsent.lane.partition[1])
            except TooLarge:
                self._drop(unsent.lane, unsent.batch, Reason.TOO_LARGE, len(unsent.batch.units))
                metrics.BATCHES_DROPPED.labels(camera=unsent.batch.camera, reason=Reason.TOO_LARGE.value).inc()
            else:
                self._sent(unsent.lane, unsent.batch)
            self._unsent.popleft()

    def _sent(self, lane: _Lane, batch: FrameBatch) -> None:
        lane.frames_out += len(batch.units)
        metrics.BATCHES_OUT.labels(camera=batch.camera).inc()
        metrics.FRAMES_OUT.labels(camera=batch.camera).inc(len(batch.units))
        age_s = (self.clock.now_ns() - batch.units[0].capture_time_ns) / 1e9
        metrics.CAPTURE_AGE_SECONDS.labels(camera=batch.camera).observe(age_s)
        self._say(batch.camera, lane, Level.OK, "masked", f"Masked with version {batch.mask_version}.")

    def _say(self, camera: str, lane: _Lane, level: Level, code: str, message: str) -> None:
        if code != lane.said:
            log.log(_LOG_LEVELS[level], code, camera=camera, message=message)
            lane.said = code
        counters = {
            "frames_in": lane.frames_in,
            "frames_out": lane.frames_out,
            "dropped": lane.dropped,
            "missing_batches": lane.stream.missing_batches,
        }
        self.status.camera(camera, level, code, message, counters)


_LOG_LEVELS = {Level.OK: 20, Level.WARNING: 30, Level.ERROR: 40}


def _or(offset: int | None, otherwise: int) -> int:
    return otherwise if offset is None else offset
