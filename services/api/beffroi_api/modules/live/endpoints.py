"""Live views and stills."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, WebSocket

from beffroi_api.authz.policies import may_watch, require
from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.errors import Busy, Destroyed, NoPicture, NotFound, StoreAway, UnknownStore, no_camera
from beffroi_api.http.access import Watcher
from beffroi_api.http.admission import aside
from beffroi_api.http.moments import Moment
from beffroi_api.http.problems import Responses, problems
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry
from beffroi_api.process.services import ProcessServicesOf
from beffroi_api.services import Services, ServicesOf
from beffroi_common.contracts import CameraId

from .schemas import View
from .service import DATABASE_AWAY
from .stills.pictures import Still
from .streaming.session import LiveSession

router = APIRouter(prefix="/cameras/{camera}", tags=["live"])

views = APIRouter(prefix="/cameras/{camera}", tags=["live"])
"""What `beffroi_api.live` serves too."""

JPEG: Responses = {
    200: {
        "description": "The picture",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            "X-Capture-Time": {"description": "ISO 8601, UTC", "schema": {"type": "string", "format": "date-time"}},
            "X-Mask-Version": {"description": "Absent where a segment holds several", "schema": {"type": "integer"}},
            "X-Drawn-On": {
                "description": "What a decision on masks that is drawn on this picture says as `drawn_on`, in JSON. "
                "Absent where it comes out of a recording.",
                "schema": {"type": "string"},
            },
        },
    }
}


@router.get(
    "/still",
    response_class=Response,
    responses=JPEG | problems(NotFound, NoPicture, Destroyed, Busy, StoreAway, UnknownStore),
)
async def still(
    request: Request,
    camera: CameraId,
    who: Watcher,
    services: ServicesOf,
    at: Annotated[Moment | None, Query(description="The moment; the newest picture where it is absent")] = None,
) -> Response:
    """One masked picture of a camera."""
    return await aside(request, services.still_making, who.username, _still, services, who, camera, at)


@views.websocket("/live")
async def live(
    websocket: WebSocket,
    camera: CameraId,
    who: Watcher,
    services: ProcessServicesOf,
    view: Annotated[View, Query()] = View.MASKED,
) -> None:
    """Pictures as they come; see `LiveHeader` and `LiveState` for what travels."""
    await LiveSession(websocket, services, who, camera, view).run()


def _still(services: Services, who: Identity, camera: str, at: datetime | None) -> Response:
    scope = Scope.of(who)
    require(may_watch(who, services.cameras.known(scope, camera)), camera)
    found = services.stills.latest(scope, camera) if at is None else services.stills.at(scope, camera, at)
    return picture(services, who, camera, found, Action.STILL_SEEN)


def picture(
    services: Services, who: Identity, camera: str, found: Still, action: Action, subject: str | None = None
) -> Response:
    """A still as an answer, after a row in the trail."""
    taken = found.captured_at.isoformat()
    services.trail.record(Entry.of(who, action, camera=camera, subject=subject, captured_at=taken))
    # The row may have waited for the transaction of a new decision on masks, or of a new commune, which is in force by
    # now; another process may have made one, too.
    if not services.news.catch_up():
        raise NoPicture(DATABASE_AWAY.message)
    if not Scope.of(who).covers(camera, services.directory.commune(camera)):
        raise no_camera(camera)
    services.stills.refuse_outdated(camera, found)
    headers = {"X-Capture-Time": taken}
    if found.mask_version is not None:
        headers["X-Mask-Version"] = str(found.mask_version)
    if found.drawn_on is not None:
        headers["X-Drawn-On"] = found.drawn_on.model_dump_json()
    return Response(found.jpeg, media_type="image/jpeg", headers=headers)
