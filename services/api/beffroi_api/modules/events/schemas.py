"""What travels as news: the name of the event, and the shape of its `data`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from beffroi_api.modules.alerts.schemas import AlertView
from beffroi_api.modules.cameras.schemas import CameraView
from beffroi_api.modules.health.schemas import CameraServiceHealth, ServiceHealth


class RecordingNews(BaseModel):
    """A segment was stored, held or destroyed: ask again for the timeline of its camera."""

    camera: str
    segment: str
    state: str


class CameraRemoved(BaseModel):
    """A camera is no longer there."""

    id: str
    removed: Literal[True] = True


class News(BaseModel):
    """Every kind of event by name, for types generated from the OpenAPI document. Never sent as a whole."""

    alert: AlertView
    status: ServiceHealth | CameraServiceHealth
    recording: RecordingNews
    camera: CameraView | CameraRemoved
