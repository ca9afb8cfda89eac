"""The audit trail, for those who audit."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from beffroi_api.http.access import Auditor
from beffroi_api.services import ServicesOf
from beffroi_common.contracts import CameraId

from .schemas import AuditPage

router = APIRouter(prefix="/audit", tags=["audit"])

MOST = 2**53 - 1
"""No trail has so many rows, and beyond it JSON's numbers are not exact."""


@router.get("")
def read_audit(
    who: Auditor,
    services: ServicesOf,
    before: Annotated[int | None, Query(ge=1, le=MOST)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    user: Annotated[str | None, Query(max_length=63)] = None,
    camera: Annotated[CameraId | None, Query()] = None,
) -> AuditPage:
    """Who looked at what and did what, newest first. Reading it is in it too."""
    return services.trail.read(who, before=before, limit=limit, user=user, camera=camera)
