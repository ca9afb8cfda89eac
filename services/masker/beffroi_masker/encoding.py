"""Encodes the masked pictures of one batch as H.264 that stands on its own.

Each batch has an encoder of its own: its bytes depend on the batch and the mask alone. So a batch made again after a
restart is the same to the last bit, one that is lost harms no other, and a change of mask or size needs no care.
What that costs is in `docs/adr/0002-masked-batches-are-self-contained.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
from av import VideoFrame
from av.video.frame import PictureType

from beffroi_common.contracts import AccessUnit

ASSUMED_FPS = 30
"""Told to the encoder, which derives the level and its first guess of the bit rate from it. It is the same for every
batch, so that parameter sets never change with the rhythm of arrivals; real durations follow from the time stamps."""


@dataclass(frozen=True)
class Quality:
    """How pictures are encoded.

    Attributes:
        preset: of x264.
        crf: constant rate factor of x264: lower is better and larger.
        max_bitrate_bps: bound over half a second, for nights of rain and noise.
        threads: of one encoder; each works on a slice.
    """

    preset: str
    crf: int
    max_bitrate_bps: int
    threads: int


class EncoderReorderedError(Exception):
    """The encoder was set up to reorder pictures, which nobody downstream expects."""


def encode(
    pictures: Sequence[VideoFrame], capture_times_ns: Sequence[int], time_base: Fraction, quality: Quality
) -> tuple[AccessUnit, ...]:
    """Encode masked pictures of one size, in the order in which they are shown.

    Returns:
        One access unit a picture, the first an IDR with its parameter sets; none reordered.

    Raises:
        FFmpegError: the encoder does not take the pictures.
    """
    encoder = _encoder(time_base, pictures[0], quality)
    units: list[AccessUnit] = []
    for picture, capture_time_ns in zip(pictures, capture_times_ns, strict=True):
        picture.pict_type = PictureType.NONE if units else PictureType.I
        (packet,) = encoder.encode(picture)
        if packet.pts is None or packet.pts != packet.dts:
            raise EncoderReorderedError
        units.append(AccessUnit(packet.pts, packet.pts, capture_time_ns, packet.is_keyframe, bytes(packet)))
    return tuple(units)


def _encoder(time_base: Fraction, picture: VideoFrame, quality: Quality) -> av.VideoCodecContext:
    encoder = av.VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)  # noqa: S101 - libx264 encodes video
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt = picture.format.name
    encoder.time_base = time_base
    encoder.framerate = Fraction(ASSUMED_FPS)
    encoder.thread_count = quality.threads
    encoder.options = {
        "preset": quality.preset,
        "tune": "zerolatency",  # one picture in, one out
        "crf": str(quality.crf),
        "maxrate": str(quality.max_bitrate_bps),
        "bufsize": str(quality.max_bitrate_bps // 2),
        "bf": "0",
        "g": "1000",  # longer than any batch: the only key frame is the first
        "sc_threshold": "0",
        "forced-idr": "1",
    }
    return encoder
