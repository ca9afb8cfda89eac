"""What the simulated cameras film: tiny pictures that say their number, with a private part that no one may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from beffroi_common.contracts import Codec, FrameBatch, MaskDecision, MaskMode
from beffroi_common.media.decoding import Decoder
from beffroi_common.media.encoding import Encoder, Quality, Rhythm
from beffroi_detector.vision.detections import Detections
from beffroi_detector.vision.model import Wanted
from beffroi_masker.masking import FILL_LUMA
from beffroi_testing.clock import START

Luma = NDArray[np.uint8]

SIDE = 64
"""Of a picture, in pixels: all that is looked at is the same as in a large one."""
FPS = 2
GOP = 4
CYCLE = 64
"""Pictures until a camera's film begins again: encoded once, for all seeds."""
TIME_BASE = Fraction(1, 90_000)
QUALITY = Quality("ultrafast", 20)

PRIVATE = 24
"""Columns from the left that each mask covers."""
STRIP = 8
"""Rows from the top that the second mask covers too."""
BLOCK = 8
"""Side of a bit of the number, which lies in the lower right, where no mask is."""
BITS = 8
TOLERANCE = 8
"""By which encoding may change a flat sample."""

MASKS = (
    (((0.0, 0.0), (PRIVATE / SIDE, 0.0), (PRIVATE / SIDE, 1.0), (0.0, 1.0)),),
    (
        ((0.0, 0.0), (PRIVATE / SIDE, 0.0), (PRIVATE / SIDE, 1.0), (0.0, 1.0)),
        ((0.0, 0.0), (1.0, 0.0), (1.0, STRIP / SIDE), (0.0, STRIP / SIDE)),
    ),
)
"""Polygons of the mask of each version, the first of version 1."""


def decision(version: int) -> MaskDecision:
    """The mask of this version."""
    polygons = MASKS[min(version, len(MASKS)) - 1]
    return MaskDecision(
        mode=MaskMode.BURN, polygons=polygons, version=version, decided_by="a person", decided_at=START, aspect=1.0
    )


def draw(number: int) -> Luma:
    """One picture as the camera sees it."""
    luma = np.full((SIDE, SIDE), 150, np.uint8)
    luma[:STRIP] = 215
    luma[:, :PRIVATE] = 235
    luma[number % SIDE, :PRIVATE] = 16
    for bit in range(BITS):
        y, x = _block(bit)
        luma[y : y + BLOCK, x : x + BLOCK] = 230 if number >> bit & 1 else 20
    return luma


def number_of(luma: Luma) -> int:
    """The number of a picture."""
    top, left = _block(0)
    middles = luma[top + BLOCK // 2 : top + 2 * BLOCK : BLOCK, left + BLOCK // 2 : left + BITS // 2 * BLOCK : BLOCK]
    return sum(1 << bit for bit, sample in enumerate(middles.ravel().tolist()) if sample > 125)


def shows(luma: Luma, mask_version: int) -> str | None:
    """What can be seen on a picture that should not, given the version of its mask."""
    if not _is_flat(luma[:, :PRIVATE]):
        return "private"
    return None if mask_version == 1 or _is_flat(luma[:STRIP]) else "strip"


def _is_flat(area: Luma) -> bool:
    return int(area.max()) <= FILL_LUMA + TOLERANCE and int(area.min()) >= FILL_LUMA - TOLERANCE


def luma_of(picture: VideoFrame) -> Luma:
    """The luma plane, a copy."""
    plane = picture.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:SIDE, :SIDE].copy()


def pictures_of(batch: FrameBatch) -> list[Luma]:
    """The pictures of a masked batch, which stands alone."""
    return _decoded(tuple(unit.data for unit in batch.units))


@lru_cache(maxsize=20_000)
def _decoded(units: tuple[bytes, ...]) -> list[Luma]:
    decoder = Decoder(Codec.H264)
    return [luma_of(picture) for unit in units for picture in decoder.decode(unit)]


@dataclass(frozen=True)
class Encoded:
    """One picture of the film."""

    key: bool
    data: bytes


@lru_cache
def film(camera: int) -> Sequence[Encoded]:
    """A cycle of a camera, encoded."""
    encoder = Encoder(SIDE, SIDE, "yuv420p", QUALITY, Rhythm(TIME_BASE, FPS, key_every=GOP))
    return tuple(_encode(encoder, number, camera) for number in range(CYCLE))


def _encode(encoder: Encoder, number: int, camera: int) -> Encoded:
    planes = np.full((SIDE * 3 // 2, SIDE), 128, np.uint8)
    planes[:SIDE] = draw(number | camera << 6)
    picture = VideoFrame.from_ndarray(planes, format="yuv420p")
    picture.pts = number * TIME_BASE.denominator // FPS
    packet = encoder.encode(picture, key=number % GOP == 0)
    return Encoded(packet.is_keyframe, bytes(packet))


STANDING = (((40, 12, 54, 40),), ((40, 12, 54, 40), (24, 14, 36, 42)), ())
"""Who stands where before each camera, in pixels, on the pictures of `PRESENT`."""
PRESENT = range(10, 46)
"""Of each cycle: 18 seconds."""


class ScriptedFinder:
    """See `Finder`: finds who stands there on the pictures of a number, and nobody else."""

    classes = frozenset({"person"})

    def detect(self, wanted: Sequence[Wanted]) -> list[Detections]:
        """See `Finder.detect`."""
        return [self._on(number_of(luma_of(each.picture))) for each in wanted]

    def _on(self, number: int) -> Detections:
        boxes = STANDING[number >> 6] if number % CYCLE in PRESENT else ()
        xyxy = np.array(boxes, np.float32).reshape(-1, 4)
        return Detections(xyxy, np.full(len(boxes), 0.9, np.float32), ("person",) * len(boxes))


class RememberedDecoder:
    """See `Decoder`: decodes each series of access units once. Its pictures are shared, and are only looked at."""

    def __init__(self, codec: Codec, **_how: Any) -> None:
        self._codec = codec
        self._units: tuple[bytes, ...] = ()

    def decode(self, data: bytes, pts: int | None = None, dts: int | None = None) -> list[VideoFrame]:
        """See `Decoder.decode`."""
        self._units += (data,)
        pictures = _last_pictures(self._codec, self._units)
        for picture in pictures:
            picture.pts = pts
        return pictures


@lru_cache(maxsize=5_000)
def _last_pictures(codec: Codec, units: tuple[bytes, ...]) -> list[VideoFrame]:
    decoder = Decoder(codec)
    return [decoder.decode(unit) for unit in units][-1]


class RememberedEncoder:
    """Encodes as the masker does, each series of pictures once: the same pictures give the same bytes."""

    def __init__(self, encode: Any) -> None:
        self._encode = encode
        self._known: dict[Any, Any] = {}

    def __call__(
        self, pictures: Sequence[VideoFrame], times_ns: Sequence[int], time_base: Fraction, *how: Any, **named: Any
    ) -> Any:
        """See `beffroi_common.media.encoding.encode`."""
        first_pts = pictures[0].pts or 0
        relative_pts = tuple((each.pts or 0) - first_pts for each in pictures)
        key = (tuple(_samples(each) for each in pictures), relative_pts, time_base, repr((how, named)))
        if key not in self._known:
            self._known[key] = self._encode(pictures, times_ns, time_base, *how, **named)
        units = self._known[key]
        return tuple(
            type(unit)(picture.pts or 0, picture.pts or 0, time_ns, unit.key, unit.data)
            for unit, picture, time_ns in zip(units, pictures, times_ns, strict=True)
        )


def _samples(picture: VideoFrame) -> bytes:
    return b"".join(bytes(plane) for plane in picture.planes)


def _block(bit: int) -> tuple[int, int]:
    return SIDE - 2 * BLOCK + BLOCK * (bit // 4), PRIVATE + BLOCK * (bit % 4) + BLOCK // 2
