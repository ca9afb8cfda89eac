"""The metrics of cameras that a process no longer works for: removed, or another instance's by now."""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from .clock import Clock

KEEP_S = 600.0
"""So long the last values stay to be scraped: what was counted of a camera right before it left is not lost."""

PERIOD_S = 10.0
"""Between two looks at all series."""


class CameraSeries:
    """Told which cameras are held; it forgets the others, also what is counted of them when they are gone already."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_s = 0.0
        self._left_s: dict[str, float] = {}

    def retain(self, held: Collection[str]) -> None:
        """Forget what was counted of all cameras but these, a while after they left."""
        now_s = self._clock.monotonic_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + PERIOD_S
        left = counted() - frozenset(held)
        self._left_s = {camera: self._left_s.get(camera, now_s) for camera in left}
        for camera in [camera for camera, at_s in self._left_s.items() if now_s - at_s >= KEEP_S]:
            forget(camera)
            del self._left_s[camera]


def of_cameras() -> list[MetricWrapperBase]:
    """Every metric that is counted by camera."""
    return [
        each
        for each in set(REGISTRY._collector_to_names)
        if isinstance(each, MetricWrapperBase) and "camera" in each._labelnames
    ]


def counted() -> set[str]:
    """The cameras of which anything is counted."""
    return {
        labels[metric._labelnames.index("camera")]
        for metric in of_cameras()
        for labels in tuple(metric._metrics)  # a copy, made at once: others count meanwhile
    }


def forget(camera: str) -> None:
    """Take a camera out of every metric."""
    for metric in of_cameras():
        metric.remove_by_labels({"camera": camera})
