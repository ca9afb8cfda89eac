"""Cameras, and what administrators decide about them."""

from __future__ import annotations

import re
from typing import Annotated

from beffroi.api.access import Administrator, AnyConsole, Identity
from beffroi.api.errors import ChangedInBetween, Invalid, NotFound
from beffroi.api.parts import Parts, PartsOf
from beffroi.api.problems import problems
from beffroi.common.contracts import CameraId
from fastapi import APIRouter, Header, Path, Response

from .schemas import CameraInput, CameraView, LegalBases, MaskingInput, Zones

router = APIRouter(prefix="/cameras", tags=["cameras"])

Camera = Annotated[CameraId, Path(description="The camera's id")]
IfMatch = Annotated[
    str | None, Header(max_length=40, description='`"<version>"` that was changed; without it the last one wins')
]
CHANGE = problems(NotFound, ChangedInBetween)


@router.get("")
def list_cameras(who: AnyConsole, parts: PartsOf) -> list[CameraView]:
    """All cameras by id."""
    return parts.cameras.views(who)


@router.get("/{camera}", responses=problems(NotFound))
def get_camera(camera: Camera, who: AnyConsole, response: Response, parts: PartsOf) -> CameraView:
    """One camera; its ETag goes into If-Match."""
    return _answer(camera, who, response, parts)


@router.put("/{camera}", responses=problems(ChangedInBetween))
def save_camera(
    camera: Camera, body: CameraInput, who: Administrator, response: Response, parts: PartsOf, if_match: IfMatch = None
) -> CameraView:
    """Make a camera, or replace what is said of it. Another source address ends the decision on masks."""
    parts.cameras.save(who, camera, body, _version(if_match))
    return _answer(camera, who, response, parts)


@router.delete("/{camera}", status_code=204, responses=CHANGE)
def remove_camera(camera: Camera, who: Administrator, parts: PartsOf, if_match: IfMatch = None) -> None:
    """Take a camera out. Its recordings live on until their time is over."""
    parts.cameras.remove(who, camera, _version(if_match))


@router.put("/{camera}/masking", responses=CHANGE)
def decide_masking(
    camera: Camera, body: MaskingInput, who: Administrator, response: Response, parts: PartsOf, if_match: IfMatch = None
) -> CameraView:
    """Decide what must never be seen. Who and when are recorded; in force from the next pictures on."""
    parts.cameras.decide_masking(who, camera, body, _version(if_match))
    return _answer(camera, who, response, parts)


@router.put("/{camera}/zones", responses=CHANGE)
def save_zones(
    camera: Camera, body: Zones, who: Administrator, response: Response, parts: PartsOf, if_match: IfMatch = None
) -> CameraView:
    """Replace the zones and their rules."""
    parts.cameras.save_zones(who, camera, body, _version(if_match))
    return _answer(camera, who, response, parts)


@router.put("/{camera}/legal-bases", responses=CHANGE)
def save_legal_bases(
    camera: Camera, body: LegalBases, who: Administrator, response: Response, parts: PartsOf, if_match: IfMatch = None
) -> CameraView:
    """Replace the legal bases. Without one in force no analytic runs."""
    parts.cameras.save_legal_bases(who, camera, body, _version(if_match))
    return _answer(camera, who, response, parts)


def _answer(camera: str, who: Identity, response: Response, parts: Parts) -> CameraView:
    view = parts.cameras.view(camera, who)
    response.headers["ETag"] = f'"{view.version}"'
    return view


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    found = re.fullmatch(r'(?:W/)?"?(\d{1,9})"?', if_match.strip())
    if found is None:
        raise Invalid('If-Match must be "<version>", as the ETag of the camera said.')
    return int(found.group(1))
