"""Capture times as whole microseconds since 1970 UTC: exact, and the same in every replay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_us(at: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (at - EPOCH) // MICROSECOND


def from_us(time_us: int) -> datetime:
    """The instant, in UTC."""
    return EPOCH + time_us * MICROSECOND


def seconds(value_s: float) -> int:
    """Seconds as microseconds."""
    return round(value_s * 1_000_000)
