"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from beffroi_common.contracts.frames import NS_PER_S

START = datetime(2026, 11, 1, 12, 0, 0, tzinfo=UTC)


class ManualClock:
    """See `Clock`."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._monotonic_s = 1000.0

    def now(self) -> datetime:
        """Wall clock."""
        return self._now

    def now_ns(self) -> int:
        """Wall clock in nanoseconds."""
        return int(self._now.timestamp()) * NS_PER_S + self._now.microsecond * 1000

    def monotonic_s(self) -> float:
        """Monotonic seconds."""
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Let both clocks go on."""
        self._now += timedelta(seconds=seconds)
        self._monotonic_s += seconds

    def set(self, seconds: float) -> None:
        """Set the wall clock forward by this much, or back; time does not go on."""
        self._now += timedelta(seconds=seconds)
