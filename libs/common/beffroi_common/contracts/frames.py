"""`frames.*.v1`: encoded video on its way, in decoding order, from the camera or from the masker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction

from google.protobuf.message import DecodeError
from pydantic import TypeAdapter, ValidationError

from . import frames_pb2
from .base import CameraId, InvalidMessageError, explain

NS_PER_S = 1_000_000_000

MAX_UNITS = 256
"""A batch is at most about a second: more pictures than any camera sends in one."""

MAX_SIDE = 8192
"""Pictures wider or higher are refused before a decoder sees them."""


_camera_id: TypeAdapter[str] = TypeAdapter(CameraId)


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

    def __post_init__(self) -> None:
        """Check what every reader relies on."""
        try:
            _camera_id.validate_python(self.camera)
        except ValidationError as error:
            raise InvalidMessageError(f"FrameBatch: camera: {explain(error)}") from None
        if not self.units:
            raise InvalidMessageError("FrameBatch: at least one access unit is needed")
        if len(self.units) > MAX_UNITS:
            raise InvalidMessageError(f"FrameBatch: {len(self.units)} pictures, more than {MAX_UNITS}")
        if not (0 < self.width <= MAX_SIDE and 0 < self.height <= MAX_SIDE):
            raise InvalidMessageError(
                f"FrameBatch: picture size {self.width}×{self.height} is not between 1 and {MAX_SIDE}"
            )
        if self.time_base <= 0:
            raise InvalidMessageError("FrameBatch: the time base must be positive")
        if any(not unit.data for unit in self.units):
            raise InvalidMessageError("FrameBatch: an access unit is empty")

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
            )
        except (ValueError, ZeroDivisionError) as error:
            raise InvalidMessageError(f"FrameBatch: {error}") from None


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
