"""Time, injected: nothing else in Beffroi asks the system for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall clock and media-independent monotonic clock."""

    def now(self) -> datetime:
        """Wall clock, UTC."""

    def now_ns(self) -> int:
        """Wall clock, nanoseconds since 1970 UTC."""

    def monotonic_s(self) -> float:
        """Seconds that only ever grow; for time-outs and intervals."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Wall clock, UTC."""
        return datetime.now(UTC)

    def now_ns(self) -> int:
        """Wall clock, nanoseconds since 1970 UTC."""
        return time.time_ns()

    def monotonic_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()
