"""What travels for health."""

from __future__ import annotations

from pydantic import BaseModel

from beffroi_common.contracts import CameraId, CameraStatus, ServiceStatus
from beffroi_common.contracts.base import UtcTime


class ServiceHealth(ServiceStatus):
    """What an instance said last, and whether that is too long ago to believe."""

    stale: bool


class CameraServiceHealth(CameraStatus):
    """What a service said last of a camera, and whether that is too long ago to believe."""

    stale: bool


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

    services: list[ServiceHealth]
    cameras: list[CameraHealth]
    broker: Dependency
    store: Dependency
