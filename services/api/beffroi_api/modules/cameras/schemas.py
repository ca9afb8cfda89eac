"""What travels for cameras."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from beffroi_api.modules.rules.schemas import CameraRuleView
from beffroi_common.addresses import read_address
from beffroi_common.contracts import (
    CameraId,
    CameraSource,
    DrawnPicture,
    LegalBasis,
    Level,
    MaskDecision,
    MaskMode,
    Polygon,
    Zone,
)
from beffroi_common.contracts.base import Prose, ShortText
from beffroi_common.contracts.camera import MAX_ASPECT


def _readable(source: CameraSource) -> CameraSource:
    read_address(source.url)
    return source


LegalBases = Annotated[tuple[LegalBasis, ...], Field(max_length=16)]


class CameraInput(BaseModel):
    """What an administrator says of a camera. Slot, version, masks, zones and legal bases are kept apart."""

    model_config = ConfigDict(extra="forbid")

    name: ShortText
    commune: ShortText
    source: Annotated[CameraSource, AfterValidator(_readable)]
    nominal_fps: Annotated[float, Field(gt=0.0, le=120.0)] | None = None
    enabled: bool = True


class MaskingInput(BaseModel):
    """A decision on what must never be seen; who and when are added by the api."""

    model_config = ConfigDict(extra="forbid")

    mode: MaskMode
    polygons: Annotated[tuple[Polygon, ...], Field(max_length=32)] = ()
    reason: Prose = ""
    aspect: Annotated[float, Field(gt=0.0, le=MAX_ASPECT)] | None = None
    """Width over height, as it is seen, of the picture it was drawn on, where no more is known of it; pictures of
    another shape will not pass. None with no `drawn_on` either: on none."""
    drawn_on: DrawnPicture | None = None
    """The picture it was drawn on, as the still says in `X-Drawn-On`; then `aspect` is left out."""


class StatusSummary(BaseModel):
    """The worst of what the services say of a camera at present."""

    level: Level
    code: str
    message: str
    service: str | None


class CameraView(BaseModel):
    """A camera as the console sees it."""

    id: CameraId
    name: str
    commune: str
    slot: int
    enabled: bool
    source: CameraSource | None
    """Only for administrators."""
    nominal_fps: float | None
    masking: MaskDecision | None
    zones: tuple[Zone, ...]
    rules: list[CameraRuleView]
    legal_bases: tuple[LegalBasis, ...]
    version: int
    published: bool
    """False while the broker does not know this version yet: the services still work with the one before."""
    status: StatusSummary
