"""The one decoder. What a service makes of its pictures (deal them to batches, match them to units) is built on top."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
from av import Packet, VideoFrame
from av.codec.context import Flags, ThreadType

from beffroi_common.contracts import Codec
from beffroi_common.contracts.base import MAX_SIDE
from beffroi_common.errors import InvalidRecord

MAX_PIXELS = MAX_SIDE * MAX_SIDE
"""Of one picture: the largest that a batch may speak of."""


class DecodeError(InvalidRecord):
    """The bytes could not be decoded. Start over, with another decoder, at the next key picture."""


class Decoder:
    """Decodes access units in order, the first of them a key picture.

    Args:
        codec: of the stream.
        threads: they work on slices of one picture, since working on several pictures would hold them back.
        max_pixels: larger pictures are refused before memory is taken for them.
        reordered: the stream is known to have B-frames. Where it does not say how far it is reordered, FFmpeg would
            begin with a guess and lose pictures while it learns.
    """

    def __init__(
        self, codec: Codec, *, threads: int = 1, max_pixels: int = MAX_PIXELS, reordered: bool = False
    ) -> None:
        self._context = av.VideoCodecContext.create(codec.value, "r")
        assert isinstance(self._context, av.VideoCodecContext)  # noqa: S101 - each `Codec` is one of video
        self._context.thread_type = ThreadType.SLICE
        # To the column: FFmpeg would else show up to 63 columns on the left that the camera cropped away.
        self._context.flags |= Flags.unaligned
        self._context.thread_count = threads
        self._context.options = {"max_pixels": str(max_pixels)} | ({"strict": "strict"} if reordered else {})

    @property
    def pixel_aspect(self) -> Fraction | None:
        """Width over height of one pixel, as the access unit put in last, or one before it, says; None: none did."""
        return self._context.sample_aspect_ratio or None

    def decode(self, data: bytes, pts: int | None = None, dts: int | None = None) -> list[VideoFrame]:
        """Put one access unit in; return the pictures that are complete by now, in the order in which they are shown.

        Args:
            data: Annex B (H.264, H.265) or one JPEG.
            pts: presentation time; its picture comes with it.
            dts: decoding time.

        Raises:
            DecodeError: see there. Pictures with pieces missing raise nothing; they say so by `is_corrupt`.
        """
        packet: Packet[Any] = Packet(data)
        packet.pts, packet.dts = pts, dts
        return self._decoded(packet)

    def flush(self) -> list[VideoFrame]:
        """Return the pictures that were held back, and take no more.

        Raises:
            DecodeError: see there.
        """
        return self._decoded(None)

    def _decoded(self, packet: Packet[Any] | None) -> list[VideoFrame]:
        try:
            pictures = self._context.decode(packet)
        except av.FFmpegError as error:
            raise DecodeError(error.strerror) from None
        if any(max(picture.width, picture.height) > MAX_SIDE for picture in pictures):
            raise DecodeError(f"a picture is wider or higher than {MAX_SIDE} pixels")
        return pictures
