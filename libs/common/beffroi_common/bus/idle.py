"""Tells an idle camera from one that nobody listened to."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection

from beffroi_common.contracts import FrameBatch
from beffroi_common.runtime.clock import Clock

from .interfaces import Partition

LONGEST_TURN_S = 1.0
"""A turn of the loop that took longer was not spent listening to cameras."""


class IdleTracker:
    """Counts idle time in time spent listening to the camera's own partition, from the last batch of it that came late.

    A turn spent on something slow, such as a store that hangs, is not listening. A partition of which there is more to
    read is not listened to; nor can anything be said of its cameras while whoever writes it works off a backlog. What
    another partition does holds up none of this.
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
        self._missed_s: dict[Partition, float] = defaultdict(float)
        self._late_at_s: dict[Partition, float] = {}

    def tick(self, *, listening: bool = True, unread: Collection[Partition] = ()) -> None:
        """A turn of the loop is over.

        Args:
            listening: without it no record was taken, since earlier ones are not done with.
            unread: partitions of which there is more than was taken.
        """
        now_s = self._clock.monotonic_s()
        turn_s = min(now_s - self._turned_at_s, LONGEST_TURN_S)
        self._turned_at_s = now_s
        if not listening:
            return
        self._listened_s += turn_s
        for partition in unread:
            self._missed_s[partition] += turn_s

    def observe(self, batch: FrameBatch, partition: Partition) -> float:
        """Note a batch of any camera; return when that was, in seconds spent listening to its partition."""
        if batch.units[-1].age_s(self._clock.now_ns()) > self._idle_s:
            self._late_at_s[partition] = self._time_of(partition)
        return self._time_of(partition)

    def idle_for_s(self, partition: Partition, observed_at_s: float) -> float:
        """How long nothing came from the camera that was observed last in this partition, at `observed_at_s`."""
        return self._time_of(partition) - max(observed_at_s, self._late_at_s.get(partition, -math.inf))

    def is_idle(self, partition: Partition, observed_at_s: float) -> bool:
        """Whether that camera is idle now."""
        return self.idle_for_s(partition, observed_at_s) > self._idle_s

    def _time_of(self, partition: Partition) -> float:
        return self._listened_s - self._missed_s.get(partition, 0.0)
