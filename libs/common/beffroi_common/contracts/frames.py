"""`frames.*.v1`: encoded video on its way, in decoding order, from the camera or from the masker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Any

from google.protobuf.message import DecodeError
from pydantic import TypeAdapter, ValidationError

from . import base, frames_pb2
from .base import LATEST, MAX_EXACT_INTEGER, MAX_SIDE, CameraId, InvalidMessageError, explain

NS_PER_S = 1_000_000_000

MAX_UNITS = 256
"""A batch is at most about a second: more pictures than any camera sends in one."""

MAX_BATCH_PIXELS = 2 * MAX_SIDE * MAX_SIDE
"""Of all pictures of a batch together: half a second of 4K at 32 pictures a second. Decoded and covered they take some
400 MB, and whoever works on them is done in seconds, whatever they show."""

TICKS_PER_S = 90_000
"""RTP's clock for video, on which pictures are recorded: every camera's times fit without rounding."""

MIN_TIME_BASE_S = Fraction(1, 10_000_000)
MAX_TIME_BASE_TERM = 10_000_000
"""Of numerator and denominator. FFmpeg counts both in 32 bits, and multiplies them; the finest clock that a container
has is one of 100 ns."""

MAX_TICKS = MAX_EXACT_INTEGER
"""How far from zero a media clock may be, either way: three thousand years. In the finest time base it fits 64 bits."""

MAX_STEP_S = 60
"""Pictures of one batch further apart than this are nonsense: a batch is a second at most, and a picture is shown as
soon as a few more are decoded."""

MAX_PIXEL_ASPECT = 100
"""No pixel is a hundred times as wide as high, or as high as wide."""

MAX_PIXEL_ASPECT_TERM = 65_535
"""Of numerator and denominator: H.264 and H.265 write both in 16 bits."""

LATEST_NS = round(LATEST.timestamp()) * NS_PER_S


class Stream(StrEnum):
    """Which of a camera's streams."""

    MAIN = "main"
    SUB = "sub"


class Codec(StrEnum):
    """How the access units are encoded."""

    H264 = "h264"
    HEVC = "hevc"
    MJPEG = "mjpeg"


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One encoded picture.

    Attributes:
        pts: presentation time in the batch's time base (media clock).
        dts: decoding time in the batch's time base.
        capture_time_ns: UTC wall clock, stamped when the picture arrived; never derived from `pts`.
        key: a decoder can start here, and finds its parameter sets in band.
        data: Annex B (H.264, H.265) or one JPEG. Never printed.
    """

    pts: int
    dts: int
    capture_time_ns: int
    key: bool
    data: bytes

    def age_s(self, now_ns: int) -> float:
        """Seconds since it was captured; 0 where that is still to come by the reader's clock."""
        return max(0, now_ns - self.capture_time_ns) / NS_PER_S

    def __repr__(self) -> str:
        """Everything but the picture."""
        return f"AccessUnit(pts={self.pts}, key={self.key}, {len(self.data)} bytes)"


@dataclass(frozen=True, slots=True)
class FrameBatch:
    """Up to about half a second of one stream. (camera, stream, epoch, sequence) is its identity.

    A batch may be delivered twice, and the second is interchangeable with the first: whoever reads drops it.
    """

    camera: str
    stream: Stream
    epoch: int
    sequence: int
    time_base: Fraction
    codec: Codec
    width: int
    height: int
    mask_version: int
    """0 for raw pictures, else the version of the mask decision that was burned in."""
    units: tuple[AccessUnit, ...]
    source_version: int = 1
    """Which of the camera's sources these pictures came from, see `Camera.source_version`; 0 where nobody said."""
    pixel_aspect: Fraction | None = None
    """Width over height of one pixel. Of raw pictures: what the container says, beside what the pictures say of
    themselves; None: it says nothing. Of masked ones: what they are seen in; None: square."""
    cropped_left: int = 0
    """Columns that the camera encoded in front of what it shows. Raw pictures say it themselves."""
    cropped_top: int = 0
    """Rows likewise."""

    def __post_init__(self) -> None:
        """Check what every reader relies on."""
        for name, kind in _KINDS.items():
            _check(name, kind, getattr(self, name))
        _check_time_base(self.time_base)
        _check_pixel_aspect(self.pixel_aspect)
        if not self.units:
            raise InvalidMessageError("FrameBatch: at least one access unit is needed")
        most = most_pictures(self.width, self.height)
        if len(self.units) > most:
            raise InvalidMessageError(f"FrameBatch: {len(self.units)} pictures, more than {most}")
        if any(not unit.data for unit in self.units):
            raise InvalidMessageError("FrameBatch: an access unit is empty")
        _check_times(self.units, self.time_base)

    @property
    def starts_with_key(self) -> bool:
        """Whether a decoder can start at this batch."""
        return self.units[0].key

    @property
    def identity(self) -> tuple[str, str, int, int]:
        """(camera, stream, epoch, sequence)."""
        return (self.camera, self.stream.value, self.epoch, self.sequence)

    @property
    def capture_time(self) -> datetime:
        """Capture time of the first access unit."""
        return from_ns(self.units[0].capture_time_ns)

    @property
    def size_bytes(self) -> int:
        """Size of the pictures."""
        return sum(len(unit.data) for unit in self.units)

    def __repr__(self) -> str:
        """Everything but the pictures."""
        return (
            f"FrameBatch({self.camera}/{self.stream.value} {self.epoch}:{self.sequence}, {len(self.units)} × "
            f"{self.codec.value} {self.width}×{self.height}, mask {self.mask_version}, {self.size_bytes} bytes)"
        )

    def encode(self) -> bytes:
        """Return the Protobuf bytes."""
        message = frames_pb2.FrameBatch(
            camera=self.camera,
            stream=self.stream.value,
            epoch=self.epoch,
            sequence=self.sequence,
            time_base_numerator=self.time_base.numerator,
            time_base_denominator=self.time_base.denominator,
            codec=self.codec.value,
            width=self.width,
            height=self.height,
            mask_version=self.mask_version,
            source_version=self.source_version,
            pixel_aspect_numerator=self.pixel_aspect.numerator if self.pixel_aspect else 0,
            pixel_aspect_denominator=self.pixel_aspect.denominator if self.pixel_aspect else 0,
            cropped_left=self.cropped_left,
            cropped_top=self.cropped_top,
        )
        for unit in self.units:
            # Made in place: a message that is put into another is written and read again, three copies of the picture.
            message.units.add(
                pts=unit.pts,
                dts=unit.dts,
                capture_time_ns=unit.capture_time_ns,
                key=unit.key,
                data=unit.data,
            )
        return message.SerializeToString()

    @classmethod
    def decode(cls, payload: bytes) -> FrameBatch:
        """Read Protobuf bytes.

        Raises:
            InvalidMessageError: when they are cut short, hold a field nobody knows, or break the contract.
        """
        message = frames_pb2.FrameBatch()
        try:
            message.ParseFromString(payload)
        except DecodeError as error:
            raise InvalidMessageError(
                f"FrameBatch: not readable as Protobuf, cut short or not a frame batch ({error})"
            ) from None
        _refuse_unknown_fields(message, len(payload))
        try:
            return cls(
                camera=message.camera,
                stream=Stream(message.stream),
                epoch=message.epoch,
                sequence=message.sequence,
                time_base=Fraction(message.time_base_numerator, message.time_base_denominator),
                codec=Codec(message.codec),
                width=message.width,
                height=message.height,
                mask_version=message.mask_version,
                units=tuple(_units(message)),
                source_version=message.source_version,
                pixel_aspect=_pixel_aspect(message),
                cropped_left=message.cropped_left,
                cropped_top=message.cropped_top,
            )
        except (ValueError, ZeroDivisionError) as error:
            raise InvalidMessageError(f"FrameBatch: {error}") from None


_KINDS: dict[str, TypeAdapter[Any]] = {
    "camera": TypeAdapter(CameraId),
    "epoch": TypeAdapter(base.Epoch),
    "sequence": TypeAdapter(base.Sequence),
    "width": TypeAdapter(base.Side),
    "height": TypeAdapter(base.Side),
    "mask_version": TypeAdapter(base.Count),
    "source_version": TypeAdapter(base.Count),
    "cropped_left": TypeAdapter(base.Offcut),
    "cropped_top": TypeAdapter(base.Offcut),
}


def pixels(width: int, height: int) -> int:
    """Of one picture, as it is encoded once masked: with sides that are even."""
    return (width + width % 2) * (height + height % 2)


def most_pictures(width: int, height: int) -> int:
    """How many pictures of this size, sides from 1 to `MAX_SIDE`, one batch may hold: two at least."""
    return min(MAX_UNITS, MAX_BATCH_PIXELS // pixels(width, height))


def _check(name: str, kind: TypeAdapter[Any], value: object) -> None:
    try:
        kind.validate_python(value, strict=True)
    except ValidationError as error:
        raise InvalidMessageError(f"FrameBatch: {name}: {explain(error)}") from None


def _check_time_base(time_base: Fraction) -> None:
    terms = (time_base.numerator, time_base.denominator)
    if not (MIN_TIME_BASE_S <= time_base <= 1 and max(terms) <= MAX_TIME_BASE_TERM):
        raise InvalidMessageError(f"FrameBatch: a time base of {time_base} s is not between {MIN_TIME_BASE_S} and 1 s")


def _check_pixel_aspect(aspect: Fraction | None) -> None:
    if aspect is not None and bounded_pixel_aspect(aspect) != aspect:
        raise InvalidMessageError(f"FrameBatch: a pixel {aspect} times as wide as high is not of this world")


def bounded_pixel_aspect(aspect: Fraction) -> Fraction:
    """The nearest that a batch may speak of. What is nonsense stays far from whatever a camera may mean."""
    nearest = min(max(aspect, Fraction(1, MAX_PIXEL_ASPECT)), Fraction(MAX_PIXEL_ASPECT))
    if max(nearest.numerator, nearest.denominator) <= MAX_PIXEL_ASPECT_TERM:
        return nearest
    return nearest.limit_denominator(MAX_PIXEL_ASPECT_TERM // MAX_PIXEL_ASPECT)


def _pixel_aspect(message: frames_pb2.FrameBatch) -> Fraction | None:
    if message.pixel_aspect_numerator == message.pixel_aspect_denominator == 0:
        return None
    return Fraction(message.pixel_aspect_numerator, message.pixel_aspect_denominator)


def _check_times(units: Sequence[AccessUnit], time_base: Fraction) -> None:
    """See that every reader can order and count by them: decoders, encoders and files."""
    if not all(0 <= unit.capture_time_ns < LATEST_NS for unit in units):
        raise InvalidMessageError(f"FrameBatch: a capture time lies before 1970 or after {LATEST:%Y}")
    dts = [ticks(unit.dts, time_base) for unit in units]
    pts = [ticks(unit.pts, time_base) for unit in units]
    if any(abs(each) > MAX_TICKS for each in (*dts, *pts)):
        raise InvalidMessageError("FrameBatch: its media clock is further from zero than files can say")
    most = MAX_STEP_S * TICKS_PER_S
    if not all(0 < after - before <= most for before, after in pairwise(dts)):
        raise InvalidMessageError("FrameBatch: decoding times must grow from picture to picture: check the camera")
    if len(set(pts)) != len(pts):
        raise InvalidMessageError("FrameBatch: two pictures are to be shown at once: check the camera")
    if not all(abs(shown - decoded) <= most for shown, decoded in zip(pts, dts, strict=True)):
        raise InvalidMessageError("FrameBatch: a picture is to be shown long before or after it is decoded")


def ticks(value: int, time_base: Fraction) -> int:
    """A time of the media clock in 1/`TICKS_PER_S` seconds."""
    return value * time_base.numerator * TICKS_PER_S // time_base.denominator


def _units(message: frames_pb2.FrameBatch) -> Iterator[AccessUnit]:
    for unit in message.units:
        yield AccessUnit(unit.pts, unit.dts, unit.capture_time_ns, unit.key, unit.data)


def _refuse_unknown_fields(message: frames_pb2.FrameBatch, size_bytes: int) -> None:
    # Protobuf keeps fields it does not know; here an unknown field breaks the contract, as in the JSON messages.
    message.DiscardUnknownFields()
    if message.ByteSize() != size_bytes:
        raise InvalidMessageError("FrameBatch: it holds a field this version does not know; upgrade the reader first")


def from_ns(time_ns: int) -> datetime:
    """Nanoseconds since 1970 in UTC as a datetime (to the microsecond)."""
    return datetime.fromtimestamp(time_ns // NS_PER_S, tz=UTC).replace(microsecond=time_ns % NS_PER_S // 1_000)
