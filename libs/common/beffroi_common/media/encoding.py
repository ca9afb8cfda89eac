"""The one recipe for H.264: x264, one picture in and one access unit out, in the order in which they are shown.

Masked pictures, annotated ones and the test pattern differ in its parameters alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av import Packet, VideoFrame
from av.video.frame import PictureType

from beffroi_common.contracts import AccessUnit
from beffroi_common.errors import Fatal, InvalidRecord

ASSUMED_FPS = 30
"""Set in the encoder of a batch, which derives the level and its first guess of the bit rate from it. It is the same
for every batch, so that parameter sets never change with the rhythm of arrivals; real durations follow from the time
stamps."""

LONGER_THAN_A_BATCH = 1000
"""Pictures between two key pictures, where the only key picture is the first."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How pictures are encoded.

    Attributes:
        preset: of x264.
        crf: constant rate factor of x264: lower is better and larger.
        max_bitrate_bps: bound over half a second, for nights of rain and noise; None: there is none.
        threads: of one encoder; each works on a slice.
    """

    preset: str
    crf: int
    max_bitrate_bps: int | None = None
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often pictures come.

    Attributes:
        time_base: of their presentation times.
        fps: pictures a second, as set in the encoder.
        key_every: pictures from one key picture to the next.
    """

    time_base: Fraction
    fps: int = ASSUMED_FPS
    key_every: int = LONGER_THAN_A_BATCH


class EncodeError(InvalidRecord):
    """The encoder does not take these pictures. Those of other cameras it may."""


class EncoderReorderedError(Fatal):
    """The encoder was set up to reorder pictures, which nobody downstream expects."""


class Encoder:
    """Encodes pictures of one size and layout. Key pictures are IDR and carry their parameter sets.

    Args:
        width: of the pictures in pixels, even.
        height: of the pictures in pixels, even.
        pixel_format: of the pictures: `yuv420p`, or `yuvj420p` where black is 0 and white 255.
        quality: see there.
        rhythm: see there.
        pixel_aspect: width over height of one pixel; None: nothing is said of it.
    """

    def __init__(
        self,
        width: int,
        height: int,
        pixel_format: str,
        quality: Quality,
        rhythm: Rhythm,
        pixel_aspect: Fraction | None = None,
    ) -> None:
        self._context = av.VideoCodecContext.create("libx264", "w")
        assert isinstance(self._context, av.VideoCodecContext)  # noqa: S101 - libx264 encodes video
        self._context.width, self._context.height, self._context.pix_fmt = width, height, pixel_format
        self._context.time_base, self._context.framerate = rhythm.time_base, Fraction(rhythm.fps)
        if pixel_aspect is not None:
            self._context.sample_aspect_ratio = pixel_aspect
        self._context.thread_count = quality.threads
        self._context.options = _options(quality, rhythm)

    def encode(self, picture: VideoFrame, *, key: bool = False) -> Packet[Any]:
        """Encode the next picture; `key` makes it a key picture, whatever the rhythm.

        Returns:
            Its access unit (Annex B), with its presentation time as both times.

        Raises:
            EncodeError: see there.
        """
        picture.pict_type = PictureType.I if key else PictureType.NONE
        try:
            (packet,) = self._context.encode(picture)
        except av.FFmpegError as error:
            raise EncodeError(error.strerror) from None
        if packet.pts is None or packet.pts != packet.dts:
            raise EncoderReorderedError
        return packet


def encode(
    pictures: Sequence[VideoFrame],
    capture_times_ns: Sequence[int],
    time_base: Fraction,
    quality: Quality,
    pixel_aspect: Fraction | None = None,
) -> tuple[AccessUnit, ...]:
    """Encode the pictures of one batch, of one size and in the order in which they are shown, so that it stands alone.

    Each batch has an encoder of its own: its bytes depend on its pictures alone, and a batch made again after a restart
    is the same to the last bit (`docs/adr/0002-masked-batches-are-self-contained.md`).

    Args:
        pictures: with their presentation times in `time_base`.
        capture_times_ns: UTC, one for each picture.
        time_base: of the batch.
        quality: see there.
        pixel_aspect: see `Encoder`.

    Returns:
        One access unit a picture, the first a key picture; none reordered.

    Raises:
        EncodeError: see there.
    """
    first = pictures[0]
    encoder = Encoder(first.width, first.height, first.format.name, quality, Rhythm(time_base), pixel_aspect)
    units: list[AccessUnit] = []
    for picture, capture_time_ns in zip(pictures, capture_times_ns, strict=True):
        packet = encoder.encode(picture, key=not units)
        assert packet.pts is not None  # noqa: S101 - `Encoder.encode` refuses it
        units.append(AccessUnit(packet.pts, packet.pts, capture_time_ns, packet.is_keyframe, bytes(packet)))
    return tuple(units)


def _options(quality: Quality, rhythm: Rhythm) -> dict[str, str]:
    options = {
        "preset": quality.preset,
        "tune": "zerolatency",  # one picture in, one out
        "crf": str(quality.crf),
        "bf": "0",
        "g": str(rhythm.key_every),
        "sc_threshold": "0",  # no key picture but those of the rhythm
        "forced-idr": "1",
    }
    if quality.max_bitrate_bps is not None:
        options |= {"maxrate": str(quality.max_bitrate_bps), "bufsize": str(quality.max_bitrate_bps // 2)}
    return options
