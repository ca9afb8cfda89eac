"""`cameras.v1`: one camera with its source, masks, zones, rules and legal bases."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from shapely import Polygon as ShapelyPolygon
from shapely.validation import explain_validity

from beffroi_common.addresses import SCHEMES

from .base import (
    CameraId,
    Contract,
    JsonObject,
    Offcut,
    Point,
    Prose,
    ShortText,
    Side,
    Slug,
    Term,
    UtcTime,
    Version,
)
from .frames import MAX_PIXEL_ASPECT
from .pattern_address import PatternAddress

MAX_SLOTS = 4096
"""Highest number of partitions that a cell's frame topics may have."""

MAX_ASPECT = 100.0
"""No camera's picture is a hundred times as wide as high."""

MAX_ZONES = 64
MAX_RULES = 32
"""Of one camera: nobody could tell more apart on one picture, and all of them fit into one message."""

MAX_ROLES = 16
"""Of a rule, each played by a zone."""

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
        # Only what must never be on the bus is refused here. Who opens it reads it by `addresses.read_address`, as does
        # the api for what somebody enters: so an odd address of an earlier release is one camera's trouble.
        parts = urlsplit(self.url)
        if parts.scheme not in SCHEMES:
            raise ValueError(f"url must begin with one of {', '.join(SCHEMES)}")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url must not hold a user or a password: name a secret in `credentials`")
        if parts.scheme == "rtsp" and not parts.hostname:
            raise ValueError("an rtsp url needs a host")
        if parts.scheme == "pattern":
            PatternAddress.read(self.url)
        return self


class MaskMode(StrEnum):
    """What a person decided about private spaces on this camera."""

    BURN = "burn"
    """Private spaces are in view: decode, cover the polygons, encode."""
    OPEN = "open"
    """Nothing private is in view, in so many words of the person who decided."""


class DrawnPicture(Contract):
    """The picture that a decision was drawn on, as it left the masker."""

    width: Side
    height: Side
    pixel_aspect: float = Field(default=1.0, ge=1 / MAX_PIXEL_ASPECT, le=MAX_PIXEL_ASPECT)
    """Width over height of one pixel."""
    cropped_left: Offcut = 0
    """Columns that the camera encoded in front of it and did not show."""
    cropped_top: Offcut = 0
    """Rows likewise."""

    @property
    def aspect(self) -> float:
        """Width over height as it is seen."""
        return self.width / self.height * self.pixel_aspect


class MaskDecision(Contract):
    """A person's decision on what must never be seen. Without one the masker lets nothing pass."""

    mode: MaskMode
    polygons: tuple[Polygon, ...] = Field(default=(), max_length=32)
    version: Version
    decided_by: ShortText
    decided_at: UtcTime
    reason: Prose = ""
    aspect: float | None = Field(default=None, gt=0.0, le=MAX_ASPECT)
    """Width over height, as it is seen, of the picture that it was drawn on, where no more is known of it; None with no
    `drawn_on` either: on no picture. Polygons are fractions of it, so in a picture of another shape they lie elsewhere:
    such a picture does not pass."""
    drawn_on: DrawnPicture | None = None

    @model_validator(mode="after")
    def _mode_fits_polygons(self) -> Self:
        if self.mode is MaskMode.BURN and not self.polygons:
            raise ValueError("mode `burn` needs at least one polygon; if nothing private is in view decide `open`")
        if self.mode is MaskMode.OPEN and self.polygons:
            raise ValueError("mode `open` says that nothing private is in view: it takes no polygon")
        if self.mode is MaskMode.OPEN and not self.reason:
            raise ValueError("mode `open` needs a reason in words")
        return self

    @model_validator(mode="after")
    def _one_aspect(self) -> Self:
        if self.aspect is not None and self.drawn_on is not None:
            raise ValueError("`drawn_on` says the aspect: leave `aspect` out")
        return self

    @property
    def drawn_aspect(self) -> float | None:
        """Width over height, as it is seen, of the picture that it was drawn on; None: on no picture."""
        return self.aspect if self.drawn_on is None else self.drawn_on.aspect


class Zone(Contract):
    """A shape drawn on the picture, with a meaning. What kinds and shapes there are only the rules know."""

    id: Slug
    name: ShortText
    kind: Term
    """What it means, e.g. a sensitive place or a stop line."""
    shape: Term
    """What the points are, e.g. the corners of a polygon or the ends of a directed line."""
    points: Annotated[tuple[Point, ...], Field(min_length=1, max_length=64)]


def _few(geometry: object) -> object:
    # Before they are looked at: to say what is wrong with each of thirty thousand takes a second.
    if isinstance(geometry, dict) and len(geometry) > MAX_ROLES:
        raise ValueError(f"a rule has at most {MAX_ROLES} roles")
    return geometry


Geometry = Annotated[dict[Term, Slug], Field(max_length=MAX_ROLES), BeforeValidator(_few)]
"""Id of the zone that plays each role of a rule."""


class CameraRule(Contract):
    """A rule that looks at one camera. Only those who run or offer rules read what it says (`beffroi_rules`)."""

    id: Slug
    rule: Term
    """Name of the rule."""
    version: Version = 1
    """Grows when parameters or geometry change: each alert carries the version that raised it."""
    parameters: JsonObject = Field(default_factory=dict)
    geometry: Geometry = Field(default_factory=dict)
    """Id of the zone that plays each role."""


class LegalBasis(Contract):
    """The act that allows one analytic on one camera, from a day to a day. Without it the analytic does not run."""

    analytic: Term
    """What may be analysed; each rule names the analytic it needs."""
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
    source_version: Version = 1
    """Grows when the source's address changes or the camera is made again: pictures still on their way from the one
    before are never covered, or left open, by a decision about the one after."""
    nominal_fps: float | None = Field(default=None, gt=0.0, le=120.0)
    masking: MaskDecision | None = None
    zones: tuple[Zone, ...] = Field(default=(), max_length=MAX_ZONES)
    rules: tuple[CameraRule, ...] = Field(default=(), max_length=MAX_RULES)
    legal_bases: tuple[LegalBasis, ...] = Field(default=(), max_length=16)
    version: Version = 1
    """Grows with each change, so what was published late, or from a restored database, is known to be older."""

    @model_validator(mode="after")
    def _unique_ids(self) -> Self:
        for what, ids in (("zones", [zone.id for zone in self.zones]), ("rules", [rule.id for rule in self.rules])):
            if len(set(ids)) != len(ids):
                raise ValueError(f"two {what} have the same id")
        return self

    def basis_in_force(self, analytic: str, at: datetime) -> LegalBasis | None:
        """Return the legal basis that allows `analytic` at the instant `at`, or None."""
        return next((basis for basis in self.legal_bases if basis.analytic == analytic and basis.in_force(at)), None)
