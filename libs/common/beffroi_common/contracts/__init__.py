"""The messages on the bus: versioned, validated, limited in size.

Small messages are JSON, described by frozen pydantic models that refuse unknown fields. A frame batch is Protobuf
(`docs/adr/0001-frame-batch-is-protobuf.md`). `beffroi_common.topics` says which topic carries which.
"""

from .alert import Alert, AlertState, CloseReason
from .base import Box, CameraId, Contract, InvalidMessageError, JsonObject, Point, Slug, Term, UtcTime
from .camera import (
    Camera,
    CameraRule,
    CameraSource,
    DrawnPicture,
    LegalBasis,
    MaskDecision,
    MaskMode,
    Polygon,
    Zone,
)
from .dead_letter import DeadLetter
from .frames import AccessUnit, Codec, FrameBatch, Stream
from .recording import Recording, RecordingState, StoreName
from .status import CameraStatus, Level, ServiceStatus, Status
from .tracks import TrackedObject, Tracks
from .trail_head import TrailHead
from .viewers import Viewers

__all__ = [
    "AccessUnit",
    "Alert",
    "AlertState",
    "Box",
    "Camera",
    "CameraId",
    "CameraRule",
    "CameraSource",
    "CameraStatus",
    "CloseReason",
    "Codec",
    "Contract",
    "DeadLetter",
    "DrawnPicture",
    "FrameBatch",
    "InvalidMessageError",
    "JsonObject",
    "LegalBasis",
    "Level",
    "MaskDecision",
    "MaskMode",
    "Point",
    "Polygon",
    "Recording",
    "RecordingState",
    "ServiceStatus",
    "Slug",
    "Status",
    "StoreName",
    "Stream",
    "Term",
    "TrackedObject",
    "Tracks",
    "TrailHead",
    "UtcTime",
    "Viewers",
    "Zone",
]
