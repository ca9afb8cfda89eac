"""The hours in which a rule looks, in the commune's local time."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

from beffroi_common.contracts.camera import Hours


def within(hours: Hours | None, at: datetime) -> bool:
    """Whether the instant `at` falls within `hours` (end excluded). No hours, or an empty span, is all day."""
    if hours is None:
        return True
    local = at.astimezone(ZoneInfo(hours.timezone)).time()
    start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    if start == end:
        return True
    if start < end:
        return start <= local < end
    return local >= start or local < end
