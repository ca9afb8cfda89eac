"""Health, for people. Probes of the platform use the internal port instead."""

from __future__ import annotations

from fastapi import APIRouter

from beffroi_api.authz.scope import Scope
from beffroi_api.http.access import AnyConsole
from beffroi_api.services import ServicesOf

from .schemas import HealthView

router = APIRouter(prefix="/health", tags=["health"])


@router.get("")
def read_health(who: AnyConsole, services: ServicesOf) -> HealthView:
    """How services, cameras, broker and store are."""
    return services.health.now(Scope.of(who))
