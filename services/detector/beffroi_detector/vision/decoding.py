"""Decodes masked batches of one stream: pictures, each with the access unit it came in."""

from __future__ import annotations

from dataclasses import dataclass

from av import VideoFrame

from beffroi_common.contracts import AccessUnit, FrameBatch
from beffroi_common.contracts.frames import MAX_BATCH_PIXELS, pixels
from beffroi_common.media.decoding import DecodeError, Decoder

MOST_WAITING = 64
"""Pictures a decoder may hold back; H.264 allows 16. More were lost, and are not waited for."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture with the unit that carried it."""

    unit: AccessUnit
    frame: VideoFrame


class PictureDecoder:
    """Decodes one epoch of one stream, batches in order and without a gap; it starts at a key frame."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._decoder: Decoder | None = None
        self._waiting: dict[int, AccessUnit] = {}

    @property
    def in_step(self) -> bool:
        """Whether the next batch can be decoded though it starts with no key frame."""
        return self._decoder is not None

    def reset(self) -> None:
        """Forget everything and wait for a key frame."""
        self._decoder = None
        self._waiting.clear()

    def decode(self, batch: FrameBatch) -> list[Picture]:
        """Return the pictures that are complete by now, in the order in which they are shown.

        Raises:
            DecodeError: the batch could not be decoded; from now on it waits for a key frame.
        """
        if self._decoder is None or batch.starts_with_key:
            # A batch that starts with a key frame needs nothing before it, and may have another size.
            self.reset()
            self._decoder = Decoder(batch.codec, max_pixels=self._max_pixels)
        try:
            return self._pictures(batch, self._decoder)
        except DecodeError:
            self.reset()
            raise

    def _pictures(self, batch: FrameBatch, decoder: Decoder) -> list[Picture]:
        pictures: list[Picture] = []
        decoded_pixels = 0
        for unit in batch.units:
            for picture in self._decode(decoder, unit):
                decoded_pixels += pixels(picture.frame.width, picture.frame.height)
                if decoded_pixels > MAX_BATCH_PIXELS:
                    raise DecodeError("its pictures are larger than it says, and too much together")
                pictures.append(picture)
        return pictures

    def _decode(self, decoder: Decoder, unit: AccessUnit) -> list[Picture]:
        self._waiting[unit.pts] = unit
        pictures = []
        for frame in decoder.decode(unit.data, unit.pts, unit.dts):
            origin = None if frame.pts is None else self._waiting.pop(frame.pts, None)
            if origin is not None and not frame.is_corrupt:
                pictures.append(Picture(origin, frame))
        while len(self._waiting) > MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        return pictures
