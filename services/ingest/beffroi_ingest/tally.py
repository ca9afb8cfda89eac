"""What is counted of one camera. The sum closes: in = out + dropped + waiting."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from beffroi_common.contracts import FrameBatch
from beffroi_common.runtime import metrics

WINDOW_S = 5.0
"""Rates are taken over so long: shorter trembles, longer tells late."""


@dataclass
class Tally:
    """Counters of one camera, filled by several threads."""

    camera: str
    frames_in: int = 0
    batches_in: int = 0
    frames_out: int = 0
    batches_out: int = 0
    dropped: int = 0
    connections: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def taken(self, batch: FrameBatch) -> None:
        """A batch was cut."""
        with self._lock:
            self.batches_in += 1
            self.frames_in += len(batch.units)
        metrics.BATCHES_IN.labels(camera=self.camera).inc()
        metrics.FRAMES_IN.labels(camera=self.camera).inc(len(batch.units))

    def delivered(self, batch: FrameBatch) -> None:
        """The broker has acknowledged a batch."""
        with self._lock:
            self.batches_out += 1
            self.frames_out += len(batch.units)
        metrics.BATCHES_OUT.labels(camera=self.camera).inc()
        metrics.FRAMES_OUT.labels(camera=self.camera).inc(len(batch.units))

    def lost(self, batch: FrameBatch, reason: str) -> None:
        """A batch will never arrive."""
        with self._lock:
            self.dropped += len(batch.units)
        metrics.BATCHES_DROPPED.labels(camera=self.camera, reason=reason).inc()
        metrics.FRAMES_DROPPED.labels(camera=self.camera, reason=reason).inc(len(batch.units))

    def counters(self) -> dict[str, float]:
        """For the status."""
        with self._lock:
            return {
                "frames_in": self.frames_in,
                "frames_out": self.frames_out,
                "batches_in": self.batches_in,
                "batches_out": self.batches_out,
                "dropped": self.dropped,
                "connections": self.connections,
            }


class Rate:
    """Pictures and bits a second over the last few seconds of arrivals."""

    def __init__(self) -> None:
        self._arrivals: deque[tuple[float, int]] = deque()
        self._bytes = 0

    def add(self, at_s: float, size_bytes: int) -> None:
        """A picture arrived at the monotonic time `at_s`."""
        self._arrivals.append((at_s, size_bytes))
        self._bytes += size_bytes
        while at_s - self._arrivals[0][0] > WINDOW_S:
            self._bytes -= self._arrivals.popleft()[1]

    @property
    def settled(self) -> bool:
        """Whether there was time to measure."""
        return self._span_s() > WINDOW_S / 2

    @property
    def fps(self) -> float:
        """Pictures a second."""
        span_s = self._span_s()
        return (len(self._arrivals) - 1) / span_s if span_s > 0 else 0.0

    @property
    def bitrate_bps(self) -> float:
        """Bits a second."""
        span_s = self._span_s()
        return 8 * (self._bytes - self._arrivals[0][1]) / span_s if span_s > 0 else 0.0

    def _span_s(self) -> float:
        return self._arrivals[-1][0] - self._arrivals[0][0] if self._arrivals else 0.0
