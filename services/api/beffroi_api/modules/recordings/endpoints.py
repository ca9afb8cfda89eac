"""Playback."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import StreamingResponse

from beffroi_api.authz.scope import Scope
from beffroi_api.errors import Destroyed, NotFound, RangeNotSatisfiable, StoreAway, UnknownStore
from beffroi_api.http.access import AnyConsole, Watcher
from beffroi_api.http.moments import Moment
from beffroi_api.http.problems import problems
from beffroi_api.services import ServicesOf
from beffroi_common.contracts import CameraId

from .schemas import SegmentPage

router = APIRouter(prefix="/cameras/{camera}/recordings", tags=["recordings"])

Segment = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$")]
MP4 = {"content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}}
VIDEO = {
    200: {"description": "The whole segment", **MP4},
    206: {"description": "The range asked for", **MP4},
    **problems(NotFound, Destroyed, RangeNotSatisfiable, StoreAway, UnknownStore),
}


@router.get("")
def list_recordings(
    camera: CameraId,
    who: AnyConsole,
    services: ServicesOf,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
) -> SegmentPage:
    """Segments that overlap a span of at most two days (the last day where nothing is said), oldest first."""
    return services.recordings.page(Scope.of(who), camera, since, until)


@router.get("/{segment}/video", response_class=StreamingResponse, responses=VIDEO)
def play_recording(
    camera: CameraId,
    segment: Segment,
    who: Watcher,
    services: ServicesOf,
    requested: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
) -> StreamingResponse:
    """The video of a segment (fragmented MP4), whole or a range of it."""
    video = services.recordings.play(who, camera, segment, requested)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(video.span.length)}
    if video.span.partial:
        headers["Content-Range"] = f"bytes {video.span.first}-{video.span.last}/{video.total_bytes}"
    return StreamingResponse(
        video.chunks, status_code=206 if video.span.partial else 200, media_type="video/mp4", headers=headers
    )
