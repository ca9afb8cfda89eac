"""The rules that can be put on a camera."""

from __future__ import annotations

from fastapi import APIRouter

from beffroi_api.http.access import AnyConsole
from beffroi_api.services import ServicesOf

from .schemas import RuleView

router = APIRouter(prefix="/rules", tags=["rules"])


@router.get("")
def list_rules(_who: AnyConsole, services: ServicesOf) -> list[RuleView]:
    """All rules by name, each with what it needs, what can be set, and its words in every language."""
    return services.rules.catalogue()
