"""Between the buses: masked batches in, tracks and annotated batches out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from beffroi_common.bus import Record, StatusReporter, TooLarge
from beffroi_common.bus.batches import masked_batch
from beffroi_common.bus.keyed import Key, KeyedWork, Output
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_common.contracts import FrameBatch, Level
from beffroi_common.runtime import metrics
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import FRAMES_ANNOTATED, TRACKS
from beffroi_rules.fitting import Plan, RestReason

from .camera_stream import AnalysisRequest, BatchResult, CameraStream

log = structlog.get_logger(__name__)

MESSAGES: dict[str, tuple[Level, str]] = {
    "analysed": (Level.OK, "What the camera's rules need is looked for."),
    "no_rule": (Level.OK, "Nothing is analysed: no rule looks at this camera."),
    "no_legal_basis": (Level.OK, "Nothing is analysed: no legal basis is in force for this camera."),
    "awaiting_key": (Level.WARNING, "Waiting for a key frame to begin at."),
    "decoder_error": (Level.WARNING, "A batch could not be decoded; going on with the next key frame."),
    "annotation_failed": (
        Level.WARNING,
        "Pictures with boxes could not be encoded; the analysis goes on without them.",
    ),
}

STALE = (
    Level.ERROR,
    "stale_configuration",
    "It is not known whether a legal basis is still in force, since cameras.v1 cannot be read: nothing is analysed, "
    "and pictures wait. Look at the broker, and at vision's right to read that topic.",
)


class Configuration(Protocol):
    """Cameras and viewers as they are at present."""

    @property
    def is_stale(self) -> bool:
        """Whether cameras may be configured otherwise by now: a legal basis may have ended."""

    def plan(self, camera: str) -> Plan:
        """The rules of a camera as it is configured, of those that the model has classes for.

        Raises:
            TableStaleError: it may be configured otherwise by now.
        """

    def watched(self, camera: str) -> bool:
        """Whether somebody watches the annotated picture."""


@dataclass(frozen=True)
class Pace:
    """How often pictures are analysed, and until when drawn; see `VisionSettings`."""

    period_s: float
    catch_up_after_s: float
    catch_up_period_s: float
    annotated_late_s: float


@dataclass(frozen=True)
class Looking:
    """What every camera is looked at by.

    Attributes:
        new_stream: makes the stream of a camera.
        max_rewind_batches: see `VisionSettings`.
    """

    configuration: Configuration
    status: StatusReporter
    clock: Clock
    new_stream: Callable[[], CameraStream]
    pace: Pace
    max_rewind_batches: int


def vision_work(looking: Looking) -> KeyedWork:
    """What vision does with `frames.masked.v1`."""
    return KeyedWork(
        read=masked_batch,
        new_stream=lambda key, _source: KeyedCameraStream(key, looking),
        report=partial(_report, looking),
        forget_s=0.0,  # an idle camera need not keep a decoder: it starts over at a key frame
    )


def _report(looking: Looking, counters: Mapping[str, float]) -> None:
    looking.status.service(*(STALE if looking.configuration.is_stale else (Level.OK, "running", "")), counters)


class KeyedCameraStream:
    """A `CameraStream` between the buses: its batches counted, its state reported; see `KeyedStream`."""

    def __init__(self, key: Key, looking: Looking) -> None:
        self.sequences = SequenceTracker()
        self._camera = key.camera
        self._looking = looking
        self._stream = looking.new_stream()
        self._restart_offset: int | None = None
        self._batches_since = 0
        self._counters: dict[str, float] = {"frames_in": 0, "analysed": 0, "dropped": 0}

    @property
    def needed_offset(self) -> int | None:
        """The start of the group of pictures at work, unless that is too long ago."""
        return self._restart_offset if self._batches_since <= self._looking.max_rewind_batches else None

    def handle(self, batch: FrameBatch, record: Record) -> list[Output]:
        """Look at one batch.

        Raises:
            TableStaleError: whether it may be looked at is not known at present; the batch is kept.
        """
        request = self._request(batch)
        self._counters["frames_in"] += len(batch.units)
        self._note_restart(batch, record.offset)
        with metrics.WORK_SECONDS.labels(step="vision").time():
            seen = self._stream.take(batch, request)
        self.sequences.take(batch.epoch, batch.sequence)
        self._count(batch, request.plan, seen)
        outputs = [Output(TRACKS, self._camera, tracks) for tracks in seen.tracks]
        if seen.annotated is not None:
            outputs.append(Output(FRAMES_ANNOTATED, self._camera, seen.annotated, expendable=True))
        return outputs

    def left_out(self, batch: FrameBatch) -> None:
        """A batch came twice, or of a connection that is over."""
        self._counters["frames_in"] += len(batch.units)

    def rest(self) -> list[Output]:
        """Nothing is held back: each batch is looked at when it comes."""
        return []

    def sent(self, output: Output) -> None:
        """Tracks and drawn pictures are counted where they are made."""

    def too_large(self, output: Output, reason: TooLarge) -> None:
        """Say it: nobody waits for a drawn picture, and tracks are small."""
        log.error("not sent", topic=output.topic.name, camera=self._camera, reason=str(reason))

    def discard(self) -> None:
        """The decoder goes with the stream."""

    def _note_restart(self, batch: FrameBatch, offset: int) -> None:
        self._batches_since += 1
        if batch.starts_with_key or self._restart_offset is None:
            self._restart_offset, self._batches_since = offset, 0

    def _request(self, batch: FrameBatch) -> AnalysisRequest:
        looking = self._looking
        age_s = batch.units[-1].age_s(looking.clock.now_ns())
        late = age_s > looking.pace.catch_up_after_s
        return AnalysisRequest(
            plan=looking.configuration.plan(batch.camera),
            annotate=looking.configuration.watched(batch.camera) and age_s <= looking.pace.annotated_late_s,
            period_s=looking.pace.catch_up_period_s if late else looking.pace.period_s,
        )

    def _count(self, batch: FrameBatch, plan: Plan, seen: BatchResult) -> None:
        if seen.trouble is not None:
            self._counters["dropped"] += len(batch.units)
            metrics.BATCHES_DROPPED.labels(camera=batch.camera, reason=seen.trouble).inc()
        if seen.analysed:
            self._counters["analysed"] += len(seen.tracks)
        age_s = batch.units[0].age_s(self._looking.clock.now_ns())
        metrics.CAPTURE_AGE_SECONDS.labels(camera=batch.camera).observe(age_s)
        self._looking.status.camera(batch.camera, *_situation(plan, seen), self._counters, plan.reasons)


def _situation(plan: Plan, seen: BatchResult) -> tuple[Level, str, str]:
    """How a camera is for vision: level, code and message. What rests for another reason the rules say themselves."""
    missing = [each for each in plan.resting if each.reason is RestReason.CLASSES]
    if seen.trouble is None and missing:
        said = "; ".join(f"rule {each.id} rests: {each.message}" for each in missing)
        return Level.WARNING, RestReason.CLASSES.value, f"{said}. The other rules go on."
    code = seen.trouble or ("analysed" if seen.analysed else "no_legal_basis" if plan.running else "no_rule")
    return MESSAGES[code][0], code, MESSAGES[code][1]
