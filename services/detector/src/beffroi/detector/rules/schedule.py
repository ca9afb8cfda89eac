"""The hours in which a rule looks, in the commune's local time."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from beffroi.common.contracts.camera import Hours


def within(hours: Hours | None, at: datetime) -> bool:
    """Whether the instant `at` falls within `hours` (end excluded). No hours, or an empty span, is all day.

    In a time zone that nobody knows it is never time: an analysis that may not be meant does not run.
    """
    if hours is None:
        return True
    try:
        zone = ZoneInfo(hours.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    local = at.astimezone(zone).time()
    start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    if start == end:
        return True
    if start < end:
        return start <= local < end
    return local >= start or local < end
