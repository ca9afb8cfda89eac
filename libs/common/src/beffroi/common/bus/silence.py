"""Tells a camera that fell silent from one whose batches only wait behind those of others."""

from __future__ import annotations

import math
from dataclasses import dataclass

from beffroi.common.contracts import FrameBatch
from beffroi.common.runtime.clock import Clock

NANOSECONDS = 1_000_000_000


@dataclass
class Silence:
    """Counts silence from the last batch that came late: whoever works off a backlog reads one partition after another,
    and in the meantime nothing can be said of the cameras of the others.

    Attributes:
        clock: whose wall clock goes with that of ingest.
        idle_s: after so long without a batch a camera is silent; a batch older than this is late.
    """

    clock: Clock
    idle_s: float
    _late_at_s: float = -math.inf

    def heard(self, batch: FrameBatch) -> float:
        """Note a batch of any camera; return when that was, on the monotonic clock."""
        now_s = self.clock.monotonic_s()
        if self.clock.now_ns() - batch.units[-1].capture_time_ns > self.idle_s * NANOSECONDS:
            self._late_at_s = now_s
        return now_s

    def since(self, heard_at_s: float) -> bool:
        """Whether the camera that was heard last at `heard_at_s` is silent now."""
        return self.clock.monotonic_s() - max(heard_at_s, self._late_at_s) > self.idle_s
