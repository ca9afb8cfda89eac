"""One record of `tracks.v1` processed: alerts to send and state to keep. No Faust here, no clock in the rules."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from pydantic import ValidationError

from beffroi_common.bus import Absent, InvalidRecord, Producer, Record, RetryLater, StatusReporter
from beffroi_common.bus.crashes import Crashes, GivenUpError, RecordCrashError, about
from beffroi_common.bus.dead_letters import Refusals
from beffroi_common.bus.deliveries import Deliveries
from beffroi_common.bus.of_camera import decode_of_camera
from beffroi_common.contracts import Alert, Camera, Level, Tracks
from beffroi_common.runtime import camera_series, metrics
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import ALERTS
from beffroi_rules.engine import advance, end_idle
from beffroi_rules.fitting import Plan, Plans
from beffroi_rules.state import CameraState

log = structlog.get_logger(__name__)

MAX_STATE_BYTES = 4 * 1024 * 1024
"""Of one camera's state on the changelog: with every visit, anchor and alert that the rules remember it is 3 MB."""

MOST_WRITTEN_BYTES = MAX_STATE_BYTES - 64 * 1024
"""Of it as text: key and framing count, too, and that it is said to be idle."""


@dataclass
class TracksProcessor:
    """Turns tracks into alerts.

    Attributes:
        cameras: looks a camera's configuration up, see `Table.get`.
        producer: takes alerts; they are safe once `flush` says so.
        refusals: takes what can never be read, and ends a release that does not understand its input.
        status: takes how cameras are.
        clock: for the age of pictures, never for the rules.
        plans: says which rules a camera has, and which of them can run.
        crashes: counts the tries of records that nobody foresaw.
        waits_for: why nothing goes on at present; None: it does.
    """

    cameras: Callable[[str], Camera | Absent]
    producer: Producer
    refusals: Refusals
    status: StatusReporter
    clock: Clock
    plans: Plans
    crashes: Crashes = field(init=False)
    waits_for: RetryLater | None = None
    _alerts: Deliveries = field(init=False)
    _recalled: dict[str, tuple[str, CameraState]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with no crash counted, and nothing said."""
        self.crashes = Crashes(self.clock)
        self._alerts = Deliveries(self.producer)

    def process(self, record: Record, remembered: str | None) -> str | None:
        """Count one record, send what is to be said, and return what to remember as JSON; None: nothing new.

        Raises:
            RetryLater: the queue to the broker is full, or the cameras' configuration is too old to count. Nothing is
                remembered: process the record again.
            TooManyDeadLettersError: too many records of its partition were refused.
            RecordCrashError: so many records in a row ended in an unexpected error that they are not to blame.
        """
        try:
            after = self._tried(record, remembered)
        except InvalidRecord as reason:
            self.refusals.refuse(record, str(reason), of_release=not isinstance(reason, GivenUpError))
            return None
        self.refusals.accept(record.source)
        self.crashes.handled(record.source, record.offset)
        return after

    def _tried(self, record: Record, remembered: str | None) -> str | None:
        """Process a record; after an unexpected error once more, from what is written down."""
        while True:
            self.crashes.refuse_if_tried(record)
            try:
                with about(record.source, record.offset):
                    return self._process(record, remembered)
            except RecordCrashError as crash:
                self._recalled.pop(record.key, None)
                self.crashes.note(crash)

    def _process(self, record: Record, remembered: str | None) -> str | None:
        tracks = decode_of_camera(record, Tracks.decode)
        configured = self.cameras(tracks.camera)
        plan = self.plans.of(tracks.camera, configured if isinstance(configured, Camera) else None)
        before = self._recall(tracks.camera, remembered)
        after, alerts = advance(before, tracks, plan)
        if after is before:
            return None
        written = _to_be_written(after)
        for alert in alerts:
            self._say(alert, record.partition)
        self._report(tracks, configured, plan)
        return self._remember(tracks.camera, written, after)

    def end_idle(self, camera: str, partition: int, remembered: str) -> str | None:
        """End what is open of a camera that gives no tracks any more; return what to remember, None: nothing new.

        Raises:
            RetryLater: the queue to the broker is full. Nothing is remembered: try again.
        """
        before = self._recall(camera, remembered)
        if before is None:
            return None
        after, alerts = end_idle(before)
        if after is before:
            return None
        for alert in alerts:
            self._say(alert, partition)
        return self._remember(camera, _json(after), after)

    def flush(self, timeout_s: float) -> int:
        """Wait until the broker has what was said; return how many messages it has not.

        Raises:
            RetryLater: it does not take an alert at present. Nothing is remembered: process the record again.
        """
        return self._alerts.flush(timeout_s)

    def is_gone(self, camera: str) -> bool:
        """Whether a camera was removed."""
        return self.cameras(camera) is Absent.MISSING

    def is_elsewhere(self, camera: str, partition: int) -> bool:
        """Whether a camera is on another partition now, where it is remembered anew."""
        configured = self.cameras(camera)
        return isinstance(configured, Camera) and configured.slot != partition

    def forget(self, camera: str) -> None:
        """Nothing is remembered of a camera any more."""
        self._recalled.pop(camera, None)
        self.plans.forget(camera)
        camera_series.forget(camera)

    def retain(self, cameras: Collection[str]) -> None:
        """Forget what is held of all but these: another worker has them by now."""
        for camera in self._recalled.keys() - set(cameras):
            del self._recalled[camera]
            self.plans.forget(camera)

    def _remember(self, camera: str, written: str, after: CameraState) -> str:
        self._recalled[camera] = (written, after)
        return written

    def _recall(self, camera: str, remembered: str | None) -> CameraState | None:
        if remembered is None:
            return None
        known = self._recalled.get(camera)
        if known is not None and known[0] is remembered:
            return known[1]  # what was written last, and by us: no need to read it again
        try:
            return CameraState.model_validate_json(remembered)
        except ValidationError:
            log.warning("what was remembered is of another version: the camera starts over", camera=camera)
            return None

    def _say(self, alert: Alert, partition: int) -> None:
        self._alerts.send(ALERTS, alert.camera, alert, partition=partition)
        metrics.ALERTS.labels(camera=alert.camera, rule=alert.rule, state=alert.state.value).inc()
        log.info(
            "alert",
            id=alert.id,
            camera=alert.camera,
            zone=alert.zone,
            rule=alert.rule,
            state=alert.state.value,
            reason=alert.closed_reason,
        )

    def _report(self, tracks: Tracks, configured: Camera | Absent, plan: Plan) -> None:
        age_s = (self.clock.now() - tracks.capture_time).total_seconds()
        metrics.CAPTURE_AGE_SECONDS.labels(camera=tracks.camera).observe(max(0.0, age_s))
        situation = _situation(configured, plan, tracks.capture_time)
        self.status.camera(tracks.camera, *situation, resting_rules=plan.reasons)


def _to_be_written(after: CameraState) -> str:
    """What is remembered, as JSON.

    Raises:
        InvalidRecord: it is more than the broker takes; the camera stays where it was, and begins anew after a gap.
    """
    written = _json(after)
    if len(written.encode()) > MOST_WRITTEN_BYTES:
        raise InvalidRecord(f"after it {len(written)} bytes would be remembered, more than {MOST_WRITTEN_BYTES}")
    return written


def _json(state: CameraState) -> str:
    return state.model_dump_json(exclude_defaults=True)


def _situation(configured: Camera | Absent, plan: Plan, at: datetime) -> tuple[Level, str, str]:
    """How a camera is for the rules: level, code and message."""
    if configured is Absent.UNREADABLE:
        return Level.WARNING, "unreadable_configuration", "Tracks arrive of a camera whose settings cannot be read."
    if configured is Absent.MISSING:
        return Level.WARNING, "unknown_camera", "Tracks arrive of a camera that is not configured."
    if plan.resting:
        said = "; ".join(f"rule {each.id} rests: {each.message}" for each in plan.resting)
        return Level.WARNING, plan.resting[0].reason.value, f"{said}. The other rules go on."
    if not plan.running:
        return Level.OK, "no_rule", "No rule looks at this camera."
    if all(plan.basis(each.rule, at) is None for each in plan.running):
        return Level.OK, "no_legal_basis", "The rules rest: no legal basis is in force for this camera."
    return Level.OK, "watching", "The rules look at this camera."
