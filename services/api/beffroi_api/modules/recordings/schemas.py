"""What travels for recordings."""

from __future__ import annotations

from pydantic import BaseModel

from beffroi_common.contracts.base import UtcTime


class SegmentView(BaseModel):
    """About a minute of one camera's recording."""

    id: str
    store: str
    object: str
    starts_at: UtcTime
    ends_at: UtcTime
    frames: int
    missing_batches: int
    width: int
    height: int
    size_bytes: int
    sha256: str
    codec: str
    mask_versions: list[int]
    video_url: str


class SegmentPage(BaseModel):
    """Segments that overlap the time asked for, oldest first, none past its retention."""

    segments: list[SegmentView]
    retention_days: int
