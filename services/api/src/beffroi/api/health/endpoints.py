"""Health, for people. Probes of the platform use the internal port instead."""

from __future__ import annotations

from beffroi.api.access import AnyConsole
from beffroi.api.parts import PartsOf
from fastapi import APIRouter

from .schemas import HealthView

router = APIRouter(prefix="/health", tags=["health"])


@router.get("")
def read_health(_who: AnyConsole, parts: PartsOf) -> HealthView:
    """How services, cameras, broker and store are."""
    return parts.health.now()
