"""Decodes masked batches of one stream: pictures, each with the access unit it came in."""

from __future__ import annotations

from dataclasses import dataclass

import av
from av import Packet, VideoFrame
from av.codec.context import ThreadType
from av.stream import Stream

from beffroi_common.contracts import AccessUnit, FrameBatch

MOST_WAITING = 64
"""Pictures a decoder may hold back; H.264 allows 16. More were lost, and are not waited for."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture with the unit that carried it."""

    unit: AccessUnit
    frame: VideoFrame


class UndecodableError(Exception):
    """The batch could not be decoded. The next one that starts with a key frame can."""


class Decoder:
    """Decodes one epoch of one stream, batches in order and without a gap; it starts at a key frame."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._codec: av.VideoCodecContext | None = None
        self._waiting: dict[int, AccessUnit] = {}

    @property
    def in_step(self) -> bool:
        """Whether the next batch can be decoded though it starts with no key frame."""
        return self._codec is not None

    def reset(self) -> None:
        """Forget everything and wait for a key frame."""
        self._codec = None
        self._waiting.clear()

    def decode(self, batch: FrameBatch) -> list[Picture]:
        """Return the pictures that are complete by now, in the order in which they are shown.

        Raises:
            UndecodableError: see there; the decoder waits for a key frame.
        """
        if self._codec is None or batch.starts_with_key:
            # A batch that starts with a key frame needs nothing before it, and may have another size.
            self.reset()
            self._codec = self._open(batch)
        try:
            return [picture for unit in batch.units for picture in self._decode(self._codec, unit)]
        except av.FFmpegError as error:
            self.reset()
            raise UndecodableError(error.strerror) from None

    def _decode(self, codec: av.VideoCodecContext, unit: AccessUnit) -> list[Picture]:
        self._waiting[unit.pts] = unit
        packet: Packet[Stream] = Packet(unit.data)
        packet.pts, packet.dts = unit.pts, unit.dts
        pictures = []
        for frame in codec.decode(packet):
            origin = None if frame.pts is None else self._waiting.pop(frame.pts, None)
            if origin is not None and not frame.is_corrupt:
                pictures.append(Picture(origin, frame))
        while len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        return pictures

    def _open(self, batch: FrameBatch) -> av.VideoCodecContext:
        codec = av.VideoCodecContext.create(batch.codec.value, "r")
        assert isinstance(codec, av.VideoCodecContext)  # noqa: S101 - each `Codec` is one of video
        codec.thread_type = ThreadType.SLICE  # working on several pictures at once would hold them back
        codec.thread_count = 1
        codec.options = {"max_pixels": str(self._max_pixels)}
        return codec
