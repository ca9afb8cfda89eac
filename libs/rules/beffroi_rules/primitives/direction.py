"""How far somebody has travelled against a direction (docs/rules.md: wrong way, by more than 120° over a minimum)."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

from .geometry import Place, distance


class Travel(BaseModel):
    """One object on its way against a direction; where that began is the onset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Place
    start_us: int
    against: float = 0.0
    """Farthest way against the direction since then, in picture heights."""


def step(
    before: Travel | None, place: Place, now_us: int, heading: Place, min_angle_deg: float, jitter: float
) -> Travel:
    """Count one more place; who turns off, goes back or stands still starts over.

    Args:
        before: None for an object that was not seen yet.
        place: where it is, in picture heights.
        now_us: when.
        heading: the direction that is allowed, of any length but 0.
        min_angle_deg: between the travel and the heading; less is no travel against it.
        jitter: way in picture heights that a box trembles by without anybody moving.
    """
    fresh = Travel(start=place, start_us=now_us)
    if before is None or distance(before.start, place) <= jitter:
        # Within the jitter of where it began nobody travels: the onset is the last moment before they do.
        return fresh if before is None or before.against > 0 else before.model_copy(update={"start_us": now_us})
    way = (place[0] - before.start[0], place[1] - before.start[1])
    against = -(way[0] * heading[0] + way[1] * heading[1]) / math.hypot(*heading)
    angle_deg = math.degrees(math.acos(min(1.0, max(-1.0, -against / math.hypot(*way)))))
    if angle_deg <= min_angle_deg or against < before.against - jitter:
        return fresh
    return before.model_copy(update={"against": max(before.against, against)})
