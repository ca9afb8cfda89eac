"""Playback."""

from __future__ import annotations

from typing import Annotated

from beffroi.api.access import AnyConsole, Watcher
from beffroi.api.errors import Destroyed, NotFound, RangeNotSatisfiable, StoreAway
from beffroi.api.moments import Moment
from beffroi.api.parts import PartsOf
from beffroi.api.problems import problems
from beffroi.common.contracts import CameraId
from fastapi import APIRouter, Header, Path, Query
from fastapi.responses import StreamingResponse

from .schemas import SegmentPage

router = APIRouter(prefix="/cameras/{camera}/recordings", tags=["recordings"])

Segment = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$")]
MP4 = {"content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}}
VIDEO = {
    200: {"description": "The whole segment", **MP4},
    206: {"description": "The range asked for", **MP4},
    **problems(NotFound, Destroyed, RangeNotSatisfiable, StoreAway),
}


@router.get("")
def list_recordings(
    camera: CameraId,
    _who: AnyConsole,
    parts: PartsOf,
    since: Annotated[Moment | None, Query(alias="from")] = None,
    until: Annotated[Moment | None, Query(alias="to")] = None,
) -> SegmentPage:
    """Segments that overlap a span of at most two days (the last day where nothing is said), oldest first."""
    return parts.recordings.page(camera, since, until)


@router.get("/{segment}/video", response_class=StreamingResponse, responses=VIDEO)
def play_recording(
    camera: CameraId,
    segment: Segment,
    who: Watcher,
    parts: PartsOf,
    requested: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
) -> StreamingResponse:
    """The video of a segment (fragmented MP4), whole or a range of it."""
    video = parts.recordings.play(who, camera, segment, requested)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(video.span.length)}
    if video.span.partial:
        headers["Content-Range"] = f"bytes {video.span.first}-{video.span.last}/{video.total_bytes}"
    return StreamingResponse(
        video.chunks, status_code=206 if video.span.partial else 200, media_type="video/mp4", headers=headers
    )
