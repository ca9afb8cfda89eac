"""What travels for alerts."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from beffroi_common.contracts import AlertState, Box, CameraId, CloseReason
from beffroi_common.contracts.base import UtcTime


class Life(StrEnum):
    """Which alerts are asked for."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


class AlertView(BaseModel):
    """An alert as it stands, and who took it."""

    id: str
    camera: CameraId
    camera_name: str
    zone: str
    zone_name: str
    rule: str
    rule_version: int
    parameters: dict[str, Any]
    legal_basis: str
    state: AlertState
    onset: UtcTime
    onset_unknown: bool
    opened_at: UtcTime
    """Capture time of the picture on which it opened."""
    occurred_at: UtcTime
    """Capture time of the latest picture it was seen on."""
    closed_reason: CloseReason | None
    track: str
    box: Box
    """Where the person was at `opened_at`, which is what the still shows."""
    received_at: UtcTime
    acknowledged_by: str | None
    acknowledged_at: UtcTime | None


class AlertPage(BaseModel):
    """Newest first. `next` goes into `before` for the page after."""

    items: list[AlertView]
    next: str | None
