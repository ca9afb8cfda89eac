"""Playback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.errors import Destroyed, NotFound, RangeNotSatisfiable, StoreAway, UnknownStore
from beffroi_api.http.access import AnyConsole, Watcher
from beffroi_api.http.admission import aside
from beffroi_api.http.moments import Moment
from beffroi_api.http.presence import Presence
from beffroi_api.http.problems import problems
from beffroi_api.services import Services, ServicesOf
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


@router.get("", response_model=SegmentPage)
def list_recordings(
    camera: CameraId,
    who: AnyConsole,
    services: ServicesOf,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
) -> Response:
    """Segments that overlap a span of at most two days (the last day where nothing is said), oldest first."""
    return Response(services.recordings.page(Scope.of(who), camera, since, until), media_type="application/json")


@router.get("/{segment}/video", response_class=StreamingResponse, responses=VIDEO)
async def play_recording(
    request: Request,
    camera: CameraId,
    segment: Segment,
    who: Watcher,
    services: ServicesOf,
    requested: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
) -> StreamingResponse:
    """The video of a segment (fragmented MP4), whole or a range of it."""
    play = services.recordings.play
    video = await aside(request, services.playing, who.username, play, who, camera, segment, requested)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(video.span.length)}
    if video.span.partial:
        headers["Content-Range"] = f"bytes {video.span.first}-{video.span.last}/{video.total_bytes}"
    return StreamingResponse(
        _sent(services, Presence(services, request, who), who, video.chunks),
        status_code=206 if video.span.partial else 200,
        media_type="video/mp4",
        headers=headers,
    )


async def _sent(services: Services, presence: Presence, who: Identity, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks as they are read, as long as their viewer is signed in."""
    while await presence.who() is not None:
        chunk = await services.playing.run(who.username, next, chunks, b"")
        if not chunk:
            return
        yield chunk
