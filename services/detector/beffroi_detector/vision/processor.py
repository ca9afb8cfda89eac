"""Between the buses: masked batches in, tracks and annotated batches out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from beffroi_common.bus import Partition, Processor, Producer, Record, RetryLater, StatusReporter, TooLarge
from beffroi_common.bus.batches import masked_batch
from beffroi_common.bus.idle import IdleTracker
from beffroi_common.contracts import FrameBatch, Level, Tracks
from beffroi_common.runtime import metrics
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import FRAMES_ANNOTATED, TRACKS, Topic
from beffroi_rules.fitting import Plan, RestReason

from .camera_stream import AnalysisRequest, BatchResult, CameraStream

log = structlog.get_logger(__name__)

NANOSECONDS = 1_000_000_000

MESSAGES: dict[str, tuple[Level, str]] = {
    "analysed": (Level.OK, "What the camera's rules need is looked for."),
    "no_rule": (Level.OK, "Nothing is analysed: no rule looks at this camera."),
    "no_legal_basis": (Level.OK, "Nothing is analysed: no legal basis is in force for this camera."),
    "awaiting_key": (Level.WARNING, "Waiting for a key frame to begin at."),
    "decoder_error": (Level.WARNING, "A batch could not be decoded; going on with the next key frame."),
}


class Configuration(Protocol):
    """Cameras and viewers as they are at present."""

    def plan(self, camera: str) -> Plan:
        """The rules of a camera as it is configured, of those that the model has classes for."""

    def watched(self, camera: str) -> bool:
        """Whether somebody watches the annotated picture."""


@dataclass(frozen=True)
class Pace:
    """How often pictures are analysed, and until when drawn; see `VisionSettings`."""

    period_s: float
    catch_up_after_s: float
    catch_up_period_s: float
    annotated_late_s: float


@dataclass
class _Entry:
    """A camera's stream and its place on the bus."""

    stream: CameraStream
    partition: Partition
    seen_at_s: float = 0.0
    restart_offset: int = 0
    batches_since: int = 0
    counters: dict[str, float] = field(default_factory=lambda: {"frames_in": 0, "analysed": 0, "dropped": 0})


@dataclass(frozen=True)
class _Unsent:
    topic: Topic
    partition: Partition
    hold_offset: int
    value: Tracks | FrameBatch


@dataclass
class Vision(Processor):
    """The processor of `frames.masked.v1`.

    Attributes:
        new_stream: makes the stream of a camera.
        silence: a camera that is silent is let go, so that it holds no offset back.
        max_rewind_batches: see `VisionSettings`.
        on_assignment: called when partitions were given.
    """

    configuration: Configuration
    producer: Producer
    status: StatusReporter
    clock: Clock
    new_stream: Callable[[], CameraStream]
    pace: Pace
    idle: IdleTracker
    max_rewind_batches: int
    on_assignment: Callable[[], None] = lambda: None
    _streams: dict[str, _Entry] = field(default_factory=dict)
    _unsent: deque[_Unsent] = field(default_factory=deque)

    def handle(self, record: Record) -> None:
        """Look at one batch.

        Raises:
            RetryLater: what was seen before could not be sent yet; nothing was done with this batch.
            InvalidRecord: it is no masked frame batch of the camera that its key names.
        """
        self._send()
        batch = masked_batch(record)
        entry = self._visit(batch, record)
        metrics.BATCHES_IN.labels(camera=batch.camera).inc()
        metrics.FRAMES_IN.labels(camera=batch.camera).inc(len(batch.units))
        entry.counters["frames_in"] += len(batch.units)
        if entry.stream.repeats(batch):
            metrics.BATCHES_DROPPED.labels(camera=batch.camera, reason="repeated").inc()
            return
        self._note_restart(entry, batch, record.offset)
        with metrics.WORK_SECONDS.labels(step="vision").time():
            request = self._work(batch)
            seen = entry.stream.take(batch, request)
        self._settle(entry, batch, request.plan, seen)
        with suppress(RetryLater):  # the next batch says it; what waits holds its offset back
            self._send()

    def tick(self) -> None:
        """Send what waits, and let go of cameras that fell silent."""
        self.idle.tick(listening=not self._unsent)
        self._streams = {
            camera: entry for camera, entry in self._streams.items() if not self.idle.is_idle(entry.seen_at_s)
        }
        with suppress(RetryLater):
            self._send()
        self.status.service(counters={"cameras": len(self._streams), "unsent": len(self._unsent)})

    def needed(self) -> Mapping[Partition, int]:
        """The start of the group of pictures at work in each partition, and what is not sent."""
        needed: dict[Partition, int] = {}
        held = [
            (entry.partition, entry.restart_offset)
            for entry in self._streams.values()
            if entry.batches_since <= self.max_rewind_batches
        ]
        held += [(each.partition, each.hold_offset) for each in self._unsent]
        for partition, offset in held:
            needed[partition] = min(offset, needed.get(partition, offset))
        return needed

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Nothing to prepare: a stream begins with its first batch."""
        log.info("assigned", partitions=sorted(number for _, number in partitions))
        self.on_assignment()

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Forget these cameras: their new owner begins where the last commit says."""
        self._streams = {key: entry for key, entry in self._streams.items() if entry.partition not in partitions}
        self._unsent = deque(each for each in self._unsent if each.partition not in partitions)

    def _visit(self, batch: FrameBatch, record: Record) -> _Entry:
        entry = self._streams.get(batch.camera)
        if entry is None or entry.partition != record.source:  # a camera that was given another slot begins anew
            entry = self._streams[batch.camera] = _Entry(self.new_stream(), record.source, restart_offset=record.offset)
        entry.seen_at_s = self.idle.observe(batch)
        return entry

    def _note_restart(self, entry: _Entry, batch: FrameBatch, offset: int) -> None:
        entry.batches_since += 1
        if batch.starts_with_key:
            entry.restart_offset, entry.batches_since = offset, 0

    def _work(self, batch: FrameBatch) -> AnalysisRequest:
        age_s = (self.clock.now_ns() - batch.units[-1].capture_time_ns) / NANOSECONDS
        late = age_s > self.pace.catch_up_after_s
        return AnalysisRequest(
            plan=self.configuration.plan(batch.camera),
            annotate=self.configuration.watched(batch.camera) and age_s <= self.pace.annotated_late_s,
            period_s=self.pace.catch_up_period_s if late else self.pace.period_s,
        )

    def _settle(self, entry: _Entry, batch: FrameBatch, plan: Plan, seen: BatchResult) -> None:
        if seen.trouble is not None:
            entry.counters["dropped"] += len(batch.units)
            metrics.BATCHES_DROPPED.labels(camera=batch.camera, reason=seen.trouble).inc()
        if seen.analysed:
            entry.counters["analysed"] += len(seen.tracks)
        for tracks in seen.tracks:
            self._unsent.append(_Unsent(TRACKS, entry.partition, entry.restart_offset, tracks))
        if seen.annotated is not None:
            self._unsent.append(_Unsent(FRAMES_ANNOTATED, entry.partition, entry.restart_offset, seen.annotated))
        age_s = (self.clock.now_ns() - batch.units[0].capture_time_ns) / NANOSECONDS
        metrics.CAPTURE_AGE_SECONDS.labels(camera=batch.camera).observe(max(0.0, age_s))
        self.status.camera(batch.camera, *_situation(plan, seen), entry.counters)

    def _send(self) -> None:
        while self._unsent:
            each = self._unsent[0]
            try:
                self.producer.send(each.topic, each.value.camera, each.value, partition=each.partition[1])
            except TooLarge as reason:
                log.error("not sent", topic=each.topic.name, camera=each.value.camera, reason=str(reason))
            self._unsent.popleft()


def _situation(plan: Plan, seen: BatchResult) -> tuple[Level, str, str]:
    """How a camera is for vision: level, code and message. What rests for another reason the rules say themselves."""
    missing = [each for each in plan.resting if each.reason is RestReason.CLASSES]
    if seen.trouble is None and missing:
        said = "; ".join(f"rule {each.id} rests: {each.message}" for each in missing)
        return Level.WARNING, RestReason.CLASSES.value, f"{said}. The other rules go on."
    code = seen.trouble or ("analysed" if seen.analysed else "no_legal_basis" if plan.running else "no_rule")
    return MESSAGES[code][0], code, MESSAGES[code][1]
