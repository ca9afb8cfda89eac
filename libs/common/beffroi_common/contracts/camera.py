"""`cameras.v1`: one camera with its source, masks, zones, rules and legal bases."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from shapely import Polygon as ShapelyPolygon
from shapely.validation import explain_validity

from .base import CameraId, Contract, Point, ShortText, UtcTime

MAX_SLOTS = 4096
"""Highest number of partitions that a cell's frame topics may have."""

MAX_ASPECT = 100.0
"""No camera's picture is a hundred times as wide as high."""

MIN_AREA = 1e-5
"""Smallest polygon: about 4 pixels of a 768×576 picture. A smaller one is a slip of the hand."""


def _simple_polygon(points: tuple[Point, ...]) -> tuple[Point, ...]:
    shape = ShapelyPolygon(points)
    if not shape.is_valid:
        raise ValueError(f"the outline must not cross or touch itself ({explain_validity(shape)}): draw it again")
    if shape.area < MIN_AREA:
        raise ValueError("the outline holds next to nothing: draw it larger")
    return points


Polygon = Annotated[tuple[Point, ...], Field(min_length=3, max_length=64), AfterValidator(_simple_polygon)]
"""3 to 64 corners in order, not repeated at the end, crossing itself nowhere."""

SecretReference = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,126}$")]
"""The name of a secret. The secret itself never is on the bus."""

SOURCE_SCHEMES = ("rtsp", "file", "pattern")


class CameraSource(Contract):
    """Where the pictures come from.

    `url` is `rtsp://host:port/path`, `file:///path` (played at its own pace, in a loop) or
    `pattern:WIDTHxHEIGHT@FPS` (a test pattern with its frame number burned in).
    """

    url: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    credentials: SecretReference | None = None
    transport: Literal["tcp"] = "tcp"

    @model_validator(mode="after")
    def _check_url(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in SOURCE_SCHEMES:
            raise ValueError(f"url must begin with one of {', '.join(SOURCE_SCHEMES)}")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url must not hold a user or a password: name a secret in `credentials`")
        if parts.scheme == "rtsp" and not parts.hostname:
            raise ValueError("an rtsp url needs a host")
        return self


class MaskMode(StrEnum):
    """What a person decided about private spaces on this camera."""

    BURN = "burn"
    """Private spaces are in view: decode, cover the polygons, encode."""
    OPEN = "open"
    """Nothing private is in view, in so many words of the person who decided."""


class MaskDecision(Contract):
    """A person's decision on what must never be seen. Without one the masker lets nothing pass."""

    mode: MaskMode
    polygons: tuple[Polygon, ...] = Field(default=(), max_length=32)
    version: int = Field(ge=1)
    decided_by: ShortText
    decided_at: UtcTime
    reason: Annotated[str, StringConstraints(max_length=500)] = ""
    aspect: float | None = Field(default=None, gt=0.0, le=MAX_ASPECT)
    """Width over height of the picture that it was drawn on; None: on no picture. Polygons are fractions of it, so in
    a picture of another shape they lie elsewhere: such a picture does not pass."""

    @model_validator(mode="after")
    def _mode_fits_polygons(self) -> Self:
        if self.mode is MaskMode.BURN and not self.polygons:
            raise ValueError("mode `burn` needs at least one polygon; if nothing private is in view decide `open`")
        if self.mode is MaskMode.OPEN and self.polygons:
            raise ValueError("mode `open` says that nothing private is in view: it takes no polygon")
        if self.mode is MaskMode.OPEN and not self.reason:
            raise ValueError("mode `open` needs a reason in words")
        return self


class ZoneKind(StrEnum):
    """What a polygon means. Later rules bring their own kinds."""

    SENSITIVE = "sensitive"


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is an OSError
        raise ValueError("the time zone is not known: name one as Europe/Paris is named") from None
    return name


class Hours(Contract):
    """Local hours of the commune in which a rule looks, e.g. 22:00–06:00. Over midnight when `end` < `start`."""

    start: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    end: Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    timezone: Annotated[ShortText, AfterValidator(_known_timezone)] = "Europe/Paris"


class LoiteringRule(Contract):
    """Parameters of `loitering` (rules.md): a person stays near one point of a sensitive zone."""

    rule: Literal["loitering"] = "loitering"
    threshold_s: float = Field(default=60.0, ge=5.0, le=3600.0)
    radius_height: float = Field(default=0.10, gt=0.0, le=1.0)
    """Radius of the stay as a fraction of the picture's height."""
    gap_s: float = Field(default=3.0, ge=0.0, le=30.0)
    schedule: Hours | None = None
    """None: at all hours."""
    version: int = Field(default=1, ge=1)


class Zone(Contract):
    """A polygon with a meaning and the rules that look at it."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    name: ShortText
    kind: ZoneKind
    polygon: Polygon
    rules: tuple[LoiteringRule, ...] = Field(default=(), max_length=8)


class LegalBasis(Contract):
    """The act that allows one analytic on one camera, from a day to a day. Without it the analytic does not run."""

    analytic: Literal["loitering"]
    purpose: ShortText
    reference: ShortText
    """The act itself, e.g. the number and date of the prefect's order."""
    starts_at: UtcTime
    ends_at: UtcTime

    @model_validator(mode="after")
    def _ends_after_start(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("a legal basis must end after it starts")
        return self

    def in_force(self, at: datetime) -> bool:
        """Say whether the act covers the instant `at` (its end excluded)."""
        return self.starts_at <= at < self.ends_at


class Camera(Contract):
    """One camera as every service sees it. Its `slot` is the partition of all its messages."""

    id: CameraId
    name: ShortText
    commune: ShortText
    slot: int = Field(ge=0, lt=MAX_SLOTS)
    enabled: bool = True
    source: CameraSource
    source_version: int = Field(default=1, ge=1)
    """Grows when the source's address changes or the camera is made again: pictures still on their way from the one
    before are never covered, or left open, by a decision about the one after."""
    nominal_fps: float | None = Field(default=None, gt=0.0, le=120.0)
    masking: MaskDecision | None = None
    zones: tuple[Zone, ...] = Field(default=(), max_length=64)
    legal_bases: tuple[LegalBasis, ...] = Field(default=(), max_length=16)
    version: int = Field(default=1, ge=1)
    """Grows with each change: what was published late, or of a database restored, is told from what is new."""

    @model_validator(mode="after")
    def _unique_zones(self) -> Self:
        if len({zone.id for zone in self.zones}) != len(self.zones):
            raise ValueError("two zones have the same id")
        return self

    def basis_in_force(self, analytic: str, at: datetime) -> LegalBasis | None:
        """Return the legal basis that allows `analytic` at the instant `at`, or None."""
        return next((basis for basis in self.legal_bases if basis.analytic == analytic and basis.in_force(at)), None)
