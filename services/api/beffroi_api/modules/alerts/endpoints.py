"""Alerts."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.errors import (
    AlreadyAcknowledged,
    Busy,
    Destroyed,
    Invalid,
    NoPicture,
    NotFound,
    StoreAway,
    UnknownStore,
)
from beffroi_api.http.access import Watcher, WatchingConsole
from beffroi_api.http.admission import aside
from beffroi_api.http.problems import problems
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.live.endpoints import JPEG, picture
from beffroi_api.services import Services, ServicesOf
from beffroi_common.contracts import CameraId

from .schemas import AlertPage, AlertView, Life

router = APIRouter(prefix="/alerts", tags=["alerts"])

AlertId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


@router.get("", responses=problems(Invalid))
def list_alerts(
    who: WatchingConsole,
    services: ServicesOf,
    camera: Annotated[CameraId | None, Query()] = None,
    state: Annotated[Life, Query()] = Life.ALL,
    acknowledged: Annotated[bool | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[str | None, Query(max_length=200)] = None,
) -> AlertPage:
    """Alerts, newest first."""
    return services.alerts.page(
        Scope.of(who), camera=camera, life=state, acknowledged=acknowledged, before=before, limit=limit
    )


@router.get("/{alert}", responses=problems(NotFound))
def get_alert(alert: AlertId, who: Watcher, services: ServicesOf) -> AlertView:
    """One alert."""
    return services.alerts.get(Scope.of(who), alert)


@router.post("/{alert}/acknowledgement", responses=problems(NotFound, AlreadyAcknowledged))
def acknowledge_alert(alert: AlertId, who: Watcher, services: ServicesOf) -> AlertView:
    """Take an alert: by whom and when is recorded."""
    return services.alerts.acknowledge(who, alert)


@router.get(
    "/{alert}/still",
    response_class=Response,
    responses=JPEG | problems(NotFound, NoPicture, Destroyed, Busy, StoreAway, UnknownStore),
)
async def alert_still(request: Request, alert: AlertId, who: Watcher, services: ServicesOf) -> Response:
    """The masked picture on which the alert opened."""
    return await aside(request, services.still_making, who.username, _still, services, who, alert)


def _still(services: Services, who: Identity, alert: str) -> Response:
    found = services.alerts.get(Scope.of(who), alert)
    still = services.stills.at(Scope.of(who), found.camera, found.opened_at)
    return picture(services, who, found.camera, still, Action.ALERT_STILL_SEEN, subject=found.id)
