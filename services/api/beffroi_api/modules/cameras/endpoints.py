"""Cameras, and what administrators decide about them."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from beffroi_api.authz.roles import Identity
from beffroi_api.errors import ChangedInBetween, Invalid, NotFound
from beffroi_api.http.access import Administrator, AnyConsole
from beffroi_api.http.problems import problems
from beffroi_api.modules.rules.schemas import ZonesInput
from beffroi_api.services import Services, ServicesOf
from beffroi_common.contracts import CameraId

from .schemas import CameraInput, CameraView, LegalBases, MaskingInput

router = APIRouter(prefix="/cameras", tags=["cameras"])

Camera = Annotated[CameraId, Path(description="The camera's id")]
IfMatch = Annotated[
    str | None, Header(max_length=40, description='`"<version>"` that was changed; without it the last one wins')
]
CHANGE = problems(NotFound, ChangedInBetween)


@router.get("", response_model=list[CameraView])
def list_cameras(who: AnyConsole, services: ServicesOf) -> Response:
    """All cameras by id."""
    return Response(services.cameras.views(who), media_type="application/json")


@router.get("/{camera}", responses=problems(NotFound))
def get_camera(camera: Camera, who: AnyConsole, response: Response, services: ServicesOf) -> CameraView:
    """One camera; its ETag goes into If-Match."""
    return _answer(camera, who, response, services)


@router.put("/{camera}", responses=problems(ChangedInBetween))
def save_camera(
    camera: Camera,
    body: CameraInput,
    who: Administrator,
    response: Response,
    services: ServicesOf,
    if_match: IfMatch = None,
) -> CameraView:
    """Make a camera, or replace what is said of it. Another source address ends the decision on masks."""
    services.cameras.save(who, camera, body, _version(if_match))
    return _answer(camera, who, response, services)


@router.delete("/{camera}", status_code=204, responses=CHANGE)
def remove_camera(camera: Camera, who: Administrator, services: ServicesOf, if_match: IfMatch = None) -> None:
    """Take a camera out. Its recordings live on until their time is over."""
    services.cameras.remove(who, camera, _version(if_match))


@router.put("/{camera}/masking", responses=CHANGE)
def decide_masking(
    camera: Camera,
    body: MaskingInput,
    who: Administrator,
    response: Response,
    services: ServicesOf,
    if_match: IfMatch = None,
) -> CameraView:
    """Decide what must never be seen. Who and when are recorded; in force from the next pictures on."""
    services.cameras.decide_masking(who, camera, body, _version(if_match))
    return _answer(camera, who, response, services)


@router.put("/{camera}/zones", responses=CHANGE)
def save_zones(
    camera: Camera,
    body: ZonesInput,
    who: Administrator,
    response: Response,
    services: ServicesOf,
    if_match: IfMatch = None,
) -> CameraView:
    """Replace the zones and the rules that look at them. A rule left as it was is kept even if it rests."""
    services.cameras.save_zones(who, camera, body, _version(if_match))
    return _answer(camera, who, response, services)


@router.put("/{camera}/legal-bases", responses=CHANGE)
def save_legal_bases(
    camera: Camera,
    body: LegalBases,
    who: Administrator,
    response: Response,
    services: ServicesOf,
    if_match: IfMatch = None,
) -> CameraView:
    """Replace the legal bases. Without one in force no analytic runs."""
    services.cameras.save_legal_bases(who, camera, body, _version(if_match))
    return _answer(camera, who, response, services)


def _answer(camera: str, who: Identity, response: Response, services: Services) -> CameraView:
    view = services.cameras.view(camera, who)
    response.headers["ETag"] = f'"{view.version}"'
    return view


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    found = re.fullmatch(r'(?:W/)?"?(\d{1,10})"?', if_match.strip())
    if found is None:
        raise Invalid('If-Match must be "<version>", as the ETag of the camera said.')
    return int(found.group(1))
