"""Messages of the bus as tests send them: what a test does not care about is filled in."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Any

from beffroi_common.contracts import Alert, AlertState, Recording, RecordingState


def alert_of(camera: str, at: datetime, **fields: Any) -> Alert:
    """An alert that opens."""
    filled: dict[str, Any] = {
        "id": uuid.uuid4().hex,
        "zone": "crossroads",
        "rule": "loitering",
        "rule_version": 1,
        "parameters": {},
        "legal_basis": "A-1",
        "state": AlertState.OPENED,
        "onset": at,
        "occurred_at": at,
        "track": "t",
        "box": (0.1, 0.1, 0.2, 0.2),
    }
    return Alert(camera=camera, **filled | fields)


def recording_of(camera: str, starts_at: datetime, content: bytes = b"video", **fields: Any) -> Recording:
    """A segment that was stored, of one picture."""
    filled: dict[str, Any] = {
        "store": "recordings",
        "object_name": f"segments/{camera}.mp4",
        "state": RecordingState.STORED,
        "ends_at": starts_at,
        "frames": 1,
        "batches": 1,
        "missing_batches": 0,
        "width": 160,
        "height": 96,
        "codec": "avc1.42c00a",
        "mask_versions": (1,),
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "previous_sha256": None,
        "changed_at": starts_at,
    }
    return Recording(camera=camera, starts_at=starts_at, **filled | fields)
