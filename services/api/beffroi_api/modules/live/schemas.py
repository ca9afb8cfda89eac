"""What travels on a live view."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel

from beffroi_common.contracts import CameraId


class View(StrEnum):
    """Which picture of a camera."""

    MASKED = "masked"
    ANNOTATED = "annotated"


class LiveUnit(BaseModel):
    """One encoded picture of a live message."""

    size: int
    key: bool
    capture_time_ms: int
    pts_us: int


class LiveHeader(BaseModel):
    """The JSON header of a binary live message: 4 bytes big-endian length, this, then the Annex B units in order."""

    camera: CameraId
    view: View
    epoch: int
    sequence: int
    mask_version: int
    codec: str
    """As a browser names it, e.g. `avc1.42c01e`."""
    width: int
    height: int
    server_time_ms: int
    catching_up: bool
    """It comes ahead of pictures that are late: until these are caught up, one comes now and then."""
    units: list[LiveUnit]


class LiveState(BaseModel):
    """A text message: why there is no picture, in a code for translations and in words."""

    type: Literal["state"] = "state"
    code: str
    message: str
