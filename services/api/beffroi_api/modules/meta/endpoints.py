"""What this installation is."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Depends

from beffroi_api.http.access import everyone
from beffroi_api.services import ServicesOf

from .schemas import Meta

router = APIRouter(prefix="/meta", tags=["meta"])

LANGUAGES = ["fr", "en"]
"""Of the console, the usual one first."""


@router.get("", dependencies=[Depends(everyone)])
def read_meta(services: ServicesOf) -> Meta:
    """Name, version and languages: what a console shows before anybody signs in."""
    return Meta(name="Beffroi", version=version("beffroi-api"), commune=services.settings.commune, languages=LANGUAGES)
