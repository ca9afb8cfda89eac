"""Tells an idle camera from one that nobody listened to."""

from __future__ import annotations

import math

from beffroi_common.contracts import FrameBatch
from beffroi_common.runtime.clock import Clock

LONGEST_TURN_S = 1.0
"""A turn of the loop that took longer was not spent listening to cameras."""


class IdleTracker:
    """Counts idle time in time spent listening, from the last batch that came late.

    A turn spent on something slow, such as a store that hangs, is not listening. And whoever works off a backlog reads
    one partition after another: in the meantime nothing can be said of the cameras of the others.
    """

    def __init__(self, clock: Clock, idle_s: float) -> None:
        """Begin to listen.

        Args:
            clock: whose wall clock goes with that of ingest.
            idle_s: after so long without a batch a camera is idle; a batch older than this is late.
        """
        self._clock = clock
        self._idle_s = idle_s
        self._turned_at_s = clock.monotonic_s()
        self._listened_s = 0.0
        self._late_at_s = -math.inf

    def tick(self, *, listening: bool = True) -> None:
        """A turn of the loop is over; without `listening` it took no records, since earlier ones are not done with."""
        now_s = self._clock.monotonic_s()
        if listening:
            self._listened_s += min(now_s - self._turned_at_s, LONGEST_TURN_S)
        self._turned_at_s = now_s

    def observe(self, batch: FrameBatch) -> float:
        """Note a batch of any camera; return when that was, in seconds spent listening."""
        if batch.units[-1].age_s(self._clock.now_ns()) > self._idle_s:
            self._late_at_s = self._listened_s
        return self._listened_s

    def idle_for_s(self, observed_at_s: float) -> float:
        """How long nothing came from the camera that was observed last at `observed_at_s`."""
        return self._listened_s - max(observed_at_s, self._late_at_s)

    def is_idle(self, observed_at_s: float) -> bool:
        """Whether the camera that was observed last at `observed_at_s` is idle now."""
        return self.idle_for_s(observed_at_s) > self._idle_s
