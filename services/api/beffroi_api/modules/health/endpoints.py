"""Health, for people. Probes of the platform use the internal port instead."""

from __future__ import annotations

from fastapi import APIRouter, Response

from beffroi_api.authz.scope import Scope
from beffroi_api.http.access import AnyConsole
from beffroi_api.services import ServicesOf

from .schemas import HealthView

router = APIRouter(prefix="/health", tags=["health"])


@router.get("", response_model=HealthView)
def read_health(who: AnyConsole, services: ServicesOf) -> Response:
    """How services, cameras, broker and store are."""
    return Response(services.health.now(Scope.of(who)), media_type="application/json")
