"""Encodes annotated pictures of one batch as H.264 that stands on its own, cheaply: they are looked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
from av.video.frame import PictureType

from beffroi_common.contracts import AccessUnit

from .decoding import Picture

ASSUMED_FPS = 30
"""Told to the encoder for its first guess of the bit rate; real durations follow from the time stamps."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Of x264; see `VisionSettings`."""

    preset: str
    crf: int


def encode(pictures: Sequence[Picture], time_base: Fraction, quality: Quality) -> tuple[AccessUnit, ...]:
    """Encode pictures of one size, of which the first becomes an IDR with its parameter sets.

    Raises:
        FFmpegError: the encoder does not take the pictures.
    """
    first = pictures[0].frame
    encoder = av.VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)  # noqa: S101 - libx264 encodes video
    encoder.width, encoder.height, encoder.pix_fmt = first.width, first.height, "yuv420p"
    encoder.time_base, encoder.framerate = time_base, Fraction(ASSUMED_FPS)
    encoder.thread_count = 1
    encoder.options = {
        "preset": quality.preset,
        "tune": "zerolatency",  # one picture in, one out
        "crf": str(quality.crf),
        "bf": "0",
        "g": "1000",  # longer than any batch: the only key frame is the first
        "sc_threshold": "0",
        "forced-idr": "1",
    }
    units: list[AccessUnit] = []
    for picture in pictures:
        frame = picture.frame
        frame.time_base, frame.pts = time_base, picture.unit.pts
        frame.pict_type = PictureType.NONE if units else PictureType.I
        (packet,) = encoder.encode(frame)
        units.append(
            AccessUnit(
                picture.unit.pts, picture.unit.pts, picture.unit.capture_time_ns, packet.is_keyframe, bytes(packet)
            )
        )
    return tuple(units)
