"""Follows objects from picture to picture of one camera, by ByteTrack, and gives them names that never come again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import supervision
from trackers import ByteTrackTracker

from beffroi_common.contracts.frames import NS_PER_S

from .detections import Detections, Floats

NOMINAL_FPS = 30.0
"""In which the library counts how long a track may be lost, whatever the real rate."""


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """How to track; see `VisionSettings`."""

    confidence_high: float
    lost_track_s: float
    sample_period_s: float


@dataclass(frozen=True, slots=True)
class Tracked:
    """One object that is followed.

    Attributes:
        track: its name.
        label: its class, as the model calls it.
        xyxy: box in pixels.
        confidence: of the detection.
    """

    track: str
    label: str
    xyxy: tuple[float, float, float, float]
    confidence: float


class Tracker(Protocol):
    """Gives detections of successive pictures their identities."""

    def follow(self, detections: Detections, time_ns: int) -> list[Tracked]:
        """Take one more picture, later than the one before."""


class CameraTracker:
    """One camera's tracker. Names follow from the pictures: when a track was first sure, and which of those it was."""

    def __init__(self, options: TrackOptions) -> None:
        self._options = options
        self._names: dict[int, str] = {}
        self._last_ns: int | None = None
        self._begin()

    def follow(self, detections: Detections, time_ns: int) -> list[Tracked]:
        """See `Tracker.follow`. After a longer pause, or a step back in time, everybody is new."""
        if self._last_ns is not None and not 0 < time_ns - self._last_ns <= self._options.lost_track_s * NS_PER_S:
            self._begin()
        self._last_ns = time_ns
        labels = sorted(set(detections.labels))
        found = supervision.Detections(
            xyxy=detections.xyxy,
            confidence=detections.confidence,
            class_id=np.array([labels.index(label) for label in detections.labels], int),
        )
        followed = self._tracker.update(found, timestamp=time_ns / NS_PER_S)
        identities = followed.tracker_id if followed.tracker_id is not None else ()
        confidence = followed.confidence if followed.confidence is not None else np.zeros(len(followed))
        classes = followed.class_id if followed.class_id is not None else np.zeros(len(followed), int)
        rows = sorted(zip(identities, classes, followed.xyxy, confidence, strict=True), key=lambda row: int(row[0]))
        sure = [(int(number), labels[int(kind)], box, float(score)) for number, kind, box, score in rows if number >= 0]
        self._name([number for number, *_ in sure], time_ns)
        return [Tracked(self._names[number], label, _corners(box), score) for number, label, box, score in sure]

    def _begin(self) -> None:
        self._names.clear()
        self._tracker = ByteTrackTracker(
            lost_track_buffer=round(self._options.lost_track_s * NOMINAL_FPS),
            frame_rate=1 / self._options.sample_period_s,
            track_activation_threshold=self._options.confidence_high,
            high_conf_det_threshold=self._options.confidence_high,
            minimum_consecutive_frames=2,  # one sighting is no object
            minimum_iou_threshold=0.1,  # at five pictures a second a walker's boxes share little
        )

    def _name(self, numbers: list[int], time_ns: int) -> None:
        fresh = [number for number in numbers if number not in self._names]
        for index, number in enumerate(fresh):
            self._names[number] = f"{time_ns:x}-{index}"
        alive = {track.tracker_id for track in self._tracker.tracks} | set(numbers)
        for number in self._names.keys() - alive:
            del self._names[number]


def _corners(box: Floats) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(value) for value in box)
    return (left, top, right, bottom)
