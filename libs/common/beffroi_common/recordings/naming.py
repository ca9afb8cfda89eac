"""Names of objects. The date comes first, so that a listing begins with what must be destroyed first."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from beffroi_common.contracts import FrameBatch

SEGMENTS = "segments/"
HEADS = "heads/"
PREFIXES = (SEGMENTS, HEADS)
"""All that a store of recordings holds begins with one of these."""

SEGMENT_ID_DIGITS = 24
"""96 bits in hexadecimal: of a thousand cameras' segments of ten years no two will share one."""

_NAME = re.compile(
    rf"^{SEGMENTS}(?P<day>\d{{4}}-\d{{2}}-\d{{2}})/[a-z0-9-]+/(?P<time>\d{{6}}\.\d{{3}})Z-\d+-\d+\.mp4$"
)  # fmt: skip


def segment_name(first: FrameBatch) -> str:
    """`segments/2026-11-01/<camera>/120000.040Z-<epoch>-<sequence>.mp4`, of the segment's first batch."""
    at = first.capture_time
    clock = f"{at:%H%M%S}.{at.microsecond // 1000:03d}"
    return f"{SEGMENTS}{at:%Y-%m-%d}/{first.camera}/{clock}Z-{first.epoch}-{first.sequence}.mp4"


def starts_at(name: str) -> datetime | None:
    """Capture time of a segment's first picture, to the millisecond; None for any other object."""
    match = _NAME.match(name)
    if match is None:
        return None
    try:
        return datetime.strptime(f"{match['day']} {match['time']}", "%Y-%m-%d %H%M%S.%f").replace(tzinfo=UTC)
    except ValueError:
        return None


def head_name(camera: str) -> str:
    """Where the end of a camera's chain is written down."""
    return f"{HEADS}{camera}.json"


def segment_id(key: str) -> str:
    """Name of the segment with this `Recording.key` in web addresses: the same after the index was rebuilt."""
    return hashlib.sha256(key.encode()).hexdigest()[:SEGMENT_ID_DIGITS]
