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

from .nal import MAX_PARTS, parts
from .sequence_sets import UnreadableSetError, sequence_sets

MAX_PIXELS = MAX_SIDE * MAX_SIDE
"""Of one picture: the largest that a batch may speak of."""

MAX_HELD_PIXELS = 696_320 * 256
"""Of all pictures that a decoder holds for later, those that it leans on and those to be shown later: as many as the
highest level of H.264 allows (6.2, table A-1). FFmpeg holds up to sixteen of any size, a gigabyte of memory for 8K."""

PARTS_A_PICTURE = 64
"""In the mean. Each slice may be as large as its picture, though it has a dozen bytes: FFmpeg decodes them all. A
camera that makes a slice of what fits into one packet sends thirty."""
BURST_PIXELS = 2**31
"""By which all slices together may go beyond it, as a key picture does: a thousand of 1080p."""


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
        self._codec = codec
        self._held = 0
        self._parts_left = MAX_PARTS
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
        self._refuse_too_much(data)
        packet: Packet[Any] = Packet(data)
        packet.pts, packet.dts = pts, dts
        return self._decoded(packet)

    def flush(self) -> list[VideoFrame]:
        """Return the pictures that were held back, and take no more.

        Raises:
            DecodeError: see there.
        """
        return self._decoded(None)

    def _refuse_too_much(self, data: bytes) -> None:
        """See, before anything is decoded, that it takes no more memory and time than pictures do."""
        try:
            sets = sequence_sets(self._codec, data)
        except UnreadableSetError as error:
            raise DecodeError(str(error)) from None
        if any(each.held_pixels > MAX_HELD_PIXELS for each in sets):
            raise DecodeError("the stream leans on more pictures than a decoder may hold")
        pixels = max([1, self._context.width * self._context.height, *(each.pixels for each in sets)])
        most = max(PARTS_A_PICTURE, BURST_PIXELS // pixels)
        self._parts_left = min(most, self._parts_left + PARTS_A_PICTURE) - parts(self._codec, data)
        if self._parts_left < 0:
            raise DecodeError("its pictures come in too many parts")

    def _decoded(self, packet: Packet[Any] | None) -> list[VideoFrame]:
        try:
            pictures = self._context.decode(packet)
        except av.FFmpegError as error:
            raise DecodeError(error.strerror) from None
        if any(max(picture.width, picture.height) > MAX_SIDE for picture in pictures):
            raise DecodeError(f"a picture is wider or higher than {MAX_SIDE} pixels")
        self._held += (packet is not None) - len(pictures)
        if self._held * self._context.width * self._context.height > MAX_HELD_PIXELS:
            raise DecodeError("more pictures are held back than a decoder may hold")
        return pictures
