"""Whether our own clock was set forward: where all clocks are one machine's, only the time that passed can tell."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from .clock import Clock

MOST_STEP = timedelta(hours=1)
"""What is due by a clock that was set forward by this much at most is destroyed, so much too early."""

BELIEVED_AFTER = timedelta(days=1)
"""A time that a clock was set forward to, and that nobody corrected for so long, is the time. (A machine that slept, or
that had no clock until the network told it the time, was rightly set.) Whoever starts the process anew believes it."""


class Steadiness:
    """Compares how far the wall clock went with the time that passed since the process began.

    A clock that is set back is believed at once: less is due by it. Safe to call from several threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._began = self._beginning()
        self._set: tuple[datetime, float] | None = None

    def set_forward(self) -> timedelta:
        """How far the clock was set forward, as long as that is not believed; nothing: it went as time did."""
        with self._lock:
            return self._unbelieved()

    def _unbelieved(self) -> timedelta:
        beginning, now_s = self._beginning(), self._clock.monotonic_s()
        if beginning <= self._began + MOST_STEP:
            self._began, self._set = min(beginning, self._began), None
            return timedelta()
        if self._set is None or abs(beginning - self._set[0]) > MOST_STEP:
            self._set = beginning, now_s
        if now_s - self._set[1] >= BELIEVED_AFTER.total_seconds():
            self._began, self._set = beginning, None
            return timedelta()
        return beginning - self._began

    def _beginning(self) -> datetime:
        """When the monotonic clock began, by the wall clock: the same as long as nobody sets that."""
        return self._clock.now() - timedelta(seconds=self._clock.monotonic_s())
