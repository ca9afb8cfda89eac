"""Encoded pictures for tests of vision."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from av import VideoFrame
from tests.unit.rules.scenes import START

from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, Stream
from beffroi_common.media.encoding import Quality, encode
from beffroi_detector.vision.detections import Detections
from beffroi_detector.vision.model import Wanted

SECOND_NS = 1_000_000_000
START_NS = round(START.timestamp()) * SECOND_NS
TIME_BASE = Fraction(1, 10)
SIZE_WH = (128, 96)


def grey(size_wh: tuple[int, int] = SIZE_WH, luma: int = 120) -> VideoFrame:
    width, height = size_wh
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = luma
    return VideoFrame.from_ndarray(planes, format="yuv420p")


def batch(
    sequence: int, *, pictures: int = 5, epoch: int = 1, camera: str = "cam", mask_version: int = 1
) -> FrameBatch:
    """Half a second at 10 pictures a second, starting with a key frame."""
    first = sequence * pictures
    numbers = range(first, first + pictures)
    frames = [grey(luma=60 + n % 100) for n in numbers]
    for number, frame in zip(numbers, frames, strict=True):
        frame.pts = number
    times_ns = [START_NS + n * SECOND_NS // 10 for n in numbers]
    units = encode(frames, times_ns, TIME_BASE, Quality("ultrafast", 26))
    return FrameBatch(
        camera, Stream.MAIN, epoch, sequence, TIME_BASE, Codec.H264, *SIZE_WH, mask_version=mask_version, units=units
    )


def decoded(units: Sequence[AccessUnit]) -> list[VideoFrame]:
    codec = av.VideoCodecContext.create("h264", "r")
    return [frame for unit in units for frame in codec.decode(av.Packet(unit.data))] + list(codec.decode(None))


class OnePerson:
    """Sees the same person on every picture."""

    def __init__(self) -> None:
        self.asked = 0
        self.classes: set[str] = set()
        """Everything that was looked for."""

    def detect(self, wanted: Sequence[Wanted]) -> list[Detections]:
        self.asked += len(wanted)
        self.classes.update(*(each.classes for each in wanted))
        xyxy = np.array([[40, 20, 60, 70]], np.float32)
        return [Detections(xyxy, np.array([0.9], np.float32), ("person",)) for _ in wanted]
