"""`recordings.v1`: a segment of a camera's recording and what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from .base import CameraId, Contract, Count, ObjectName, Side, SizeBytes, UtcTime, Version

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


StoreName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
"""What a store is called in settings and recordings, whatever its bucket and address are: part of variables' names."""


MAX_MASK_VERSIONS = 10_000
"""Of one segment: more than it can have pictures, should each batch be masked by another."""


class RecordingState(StrEnum):
    """What is known of a segment's object."""

    STORED = "stored"
    DESTROYED = "destroyed"
    HELD = "held"


class Recording(Contract):
    """One object in the store: about a minute of one camera's masked video."""

    camera: CameraId
    store: StoreName
    """Which store holds the object."""
    object_name: ObjectName
    state: RecordingState
    starts_at: UtcTime
    """Capture time of the first picture."""
    ends_at: UtcTime
    """Capture time of the last picture."""
    frames: Annotated[Count, Field(ge=1)]
    batches: Annotated[Count, Field(ge=1)]
    missing_batches: Count
    """Sequence numbers that never came, before or inside this segment."""
    width: Side
    height: Side
    codec: Annotated[str, StringConstraints(max_length=40)]
    """As a browser names it, e.g. `avc1.42c01e`."""
    mask_versions: Annotated[tuple[Version, ...], Field(max_length=MAX_MASK_VERSIONS)]
    size_bytes: Annotated[SizeBytes, Field(gt=0)]
    sha256: Sha256
    previous_sha256: Sha256 | None
    """Of this camera's segment before: a chain. None for the very first."""
    changed_at: UtcTime
    """When the object came into `state`."""

    @property
    def key(self) -> str:
        """Key on the bus: of an object and not of a camera, or compaction would keep a camera's last segment only."""
        return f"{self.store}/{self.object_name}"
