"""When pictures were captured, and where a stream's clocks break.

Two clocks are kept apart. The media clock (pts, dts) is the camera's. The capture time is the wall clock at arrival; it
is not smoothed with the media clock's help, since then one would be derived from the other and a camera's wrong rhythm
would become a wrong time. Inside an epoch it goes on with the monotonic clock: a step of the wall clock neither turns
it back nor tears it; when wall clock and capture time have come apart, a new epoch begins with the right time.
"""

from __future__ import annotations

from fractions import Fraction

from beffroi_common.contracts.frames import NS_PER_S, ticks
from beffroi_common.runtime.clock import Clock

STEP_S = 0.25
"""Wall and monotonic clock are slewed alike: this much between them is a step, and visible on a picture."""

MAX_SKIP_S = 10.0
"""A media clock that jumps so far ahead of the time that passed was reset; smaller gaps are lost pictures."""


class CaptureClock:
    """Capture times of one epoch: UTC at its start, going on with the monotonic clock, always growing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start_ns = clock.now_ns()
        self._start_monotonic_s = clock.monotonic_s()
        self._last_ns = 0

    def stamp_ns(self) -> int:
        """Capture time of a picture that arrives now: UTC in nanoseconds, later than the one before."""
        self._last_ns = max(self._now_ns(), self._last_ns + 1)
        return self._last_ns

    def stepped(self) -> bool:
        """Whether the wall clock was set since the start."""
        return abs(self._clock.now_ns() - self._now_ns()) > STEP_S * NS_PER_S

    def _now_ns(self) -> int:
        return self._start_ns + round((self._clock.monotonic_s() - self._start_monotonic_s) * NS_PER_S)


class MediaClock:
    """Watches the decoding times of one epoch."""

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._last: tuple[int, int] | None = None

    def breaks(self, dts: int, capture_time_ns: int) -> bool:
        """Whether a unit cannot follow the one before: its time stands still, runs back, or leaps ahead."""
        last, self._last = self._last, (dts, capture_time_ns)
        if last is None:
            return False
        media_s = float((dts - last[0]) * self._time_base)
        passed_s = (capture_time_ns - last[1]) / NS_PER_S
        stands_still = ticks(dts, self._time_base) <= ticks(last[0], self._time_base)
        return stands_still or media_s > passed_s + MAX_SKIP_S
