"""The alerts of a series of masked batches where nothing goes wrong: what every run must give as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from tests.simulation.footage import ScriptedFinder

from beffroi_common.bus import Record
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_common.contracts import Alert, Camera, FrameBatch, InvalidMessageError
from beffroi_common.media.encoding import Quality
from beffroi_detector.vision.camera_stream import AnalysisRequest, CameraStream
from beffroi_detector.vision.decoding import PictureDecoder
from beffroi_detector.vision.tracking import CameraTracker, TrackOptions
from beffroi_rules import registry
from beffroi_rules.engine import advance
from beffroi_rules.fitting import Plans
from beffroi_rules.state import CameraState

PLANS = Plans(registry.load(), ScriptedFinder.classes)
TRACKING = TrackOptions(confidence_high=0.4, lost_track_s=2.0, sample_period_s=0.2)
PERIOD_S = 0.2


@dataclass(frozen=True, order=True)
class Said:
    """How an alert stands."""

    id: str
    camera: str
    onset: datetime
    state: str
    closed_reason: str | None

    @classmethod
    def of(cls, alert: Alert) -> Said:
        """How `alert` stands."""
        reason = alert.closed_reason.value if alert.closed_reason else None
        return cls(alert.id, alert.camera, alert.onset, alert.state.value, reason)

    def is_like(self, other: Said, onset_s: float) -> bool:
        """Whether both speak of one event."""
        alike = (self.camera, self.closed_reason, self.is_open) == (other.camera, other.closed_reason, other.is_open)
        return alike and abs((self.onset - other.onset).total_seconds()) <= onset_s

    @property
    def is_open(self) -> bool:
        """Whether the event goes on."""
        return self.closed_reason is None


def alerts_of(records: Sequence[Record], cameras: Mapping[str, Camera]) -> list[Said]:
    """What vision and rules say of these batches, read once, in order, by one of each that lives all along."""
    latest: dict[str, Said] = {}
    for name, camera in cameras.items():
        mine = tuple((record.value or b"", record.timestamp_ms) for record in records if record.key == name)
        for alert in _alerts_of_camera(mine, name, camera.encode()):
            latest[alert.id] = Said.of(alert)
    return list(latest.values())


@lru_cache(maxsize=30)
def _alerts_of_camera(batches: tuple[tuple[bytes, int], ...], name: str, configuration: bytes) -> list[Alert]:
    stream = CameraStream(PictureDecoder(10_000), ScriptedFinder(), CameraTracker(TRACKING), Quality("ultrafast", 26))
    plan = PLANS.of(name, Camera.decode(configuration))
    sequences = SequenceTracker()
    state: CameraState | None = None
    alerts: list[Alert] = []
    for value, at_ms in batches:
        batch = FrameBatch.decode(value)
        if sequences.stale(batch.epoch, batch.sequence, at_ms) is not None:
            continue
        sequences.take(batch.epoch, batch.sequence)
        for tracks in stream.take(batch, AnalysisRequest(plan, annotate=False, period_s=PERIOD_S)).tracks:
            try:
                state, said = advance(state, tracks, plan)
            except InvalidMessageError:
                continue
            alerts.extend(said)
    return alerts
