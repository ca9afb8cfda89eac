"""What travels for health."""

from __future__ import annotations

from pydantic import BaseModel

from beffroi_common.contracts import CameraId, CameraStatus, ServiceStatus
from beffroi_common.contracts.base import UtcTime


class Heard(BaseModel):
    """What we know of a message besides what it says. `at` is by the clock of whoever sent it, which may be wrong."""

    stale: bool
    """It is too long ago to believe."""
    silent_s: float
    """How long ago we heard it, by our own clock."""


class ServiceHealth(ServiceStatus, Heard):
    """What an instance said last."""


class CameraServiceHealth(CameraStatus, Heard):
    """What a service said last of a camera."""


class CameraHealth(BaseModel):
    """All that is said of one camera."""

    camera: CameraId
    statuses: list[CameraServiceHealth]


class Dependency(BaseModel):
    """The broker or the object store, as the api reaches it."""

    reachable: bool
    message: str
    checked_at: UtcTime | None


class HealthView(BaseModel):
    """Everything at a glance."""

    now: UtcTime
    """By the api's clock, as `silent_s` and `checked_at` are."""
    services: list[ServiceHealth]
    cameras: list[CameraHealth]
    broker: Dependency
    store: Dependency
