"""`viewers.v1`: which cameras somebody watches with boxes drawn, so that nobody draws for nobody."""

from __future__ import annotations

from .base import CameraId, Contract, UtcTime


class Viewers(Contract):
    """Somebody watches the annotated picture of `camera` until `annotated_until`, renewed while it lasts."""

    camera: CameraId
    annotated_until: UtcTime
