"""Covers decoded pictures: from whatever a decoder gives to a masked 4:2:0 picture of even size, ready to encode.

The mask goes on before anything that mixes neighbouring samples (conversion of 4:2:2 to 4:2:0, padding to even size):
after that no sample outside could be trusted. It goes on again after, so that the area is flat. The decoder keeps its
pictures as references, so it is always a copy that is covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from av import VideoFrame
from av.video.plane import VideoPlane

from beffroi_common.contracts import MaskDecision

from .masking import FILL_CHROMA, FILL_LUMA, Cover, Plane, PlaneMask, chroma_cells, raster, widened_cover


class UnsupportedPixelFormatError(Exception):
    """The decoder gave samples laid out in a way nobody taught the masker to cover."""


@dataclass(frozen=True)
class Layout:
    """How the samples of a planar format lie.

    Attributes:
        step_x: luma pixels across that share a chroma sample.
        step_y: luma pixels down that share a chroma sample.
        bits: of a sample; more than 8 lie in 16-bit words.
        encoded_as: the format handed to the encoder; `j` says that black is 0 and white 255.
        chroma: whether there are chroma planes.
    """

    step_x: int
    step_y: int
    bits: int = 8
    encoded_as: str = "yuv420p"
    chroma: bool = True

    def value(self, fill_8_bits: int) -> int:
        """The fill in samples of this depth."""
        return fill_8_bits << (self.bits - 8)

    @property
    def word(self) -> type[np.unsignedinteger[Any]]:
        """The type that holds a sample."""
        return np.uint8 if self.bits == 8 else np.uint16


LAYOUTS = {
    "yuv420p": Layout(2, 2),
    "yuvj420p": Layout(2, 2, encoded_as="yuvj420p"),
    "yuv422p": Layout(2, 1),
    "yuvj422p": Layout(2, 1, encoded_as="yuvj420p"),
    "yuv440p": Layout(1, 2),
    "yuvj440p": Layout(1, 2, encoded_as="yuvj420p"),
    "yuv444p": Layout(1, 1),
    "yuvj444p": Layout(1, 1, encoded_as="yuvj420p"),
    "yuv420p10le": Layout(2, 2, bits=10),
    "yuv422p10le": Layout(2, 1, bits=10),
    "gray": Layout(1, 1, encoded_as="yuvj420p", chroma=False),
}
"""What cameras send: H.264 and H.265 in 8 and 10 bits, JPEG in all its samplings."""


FILLS = (FILL_LUMA, FILL_CHROMA, FILL_CHROMA)


class MaskRaster:
    """A mask decision cut for pictures of one size. People draw on the even-sized picture, so it is cut for that.

    Args:
        decision: what is to be covered.
        width: of the pictures in pixels.
        height: of the pictures in pixels.
        widened: part of width and height by which it is covered further on each side, see `widening`.
        interlaced: whether the pictures are made of two fields.
    """

    def __init__(
        self, decision: MaskDecision, width: int, height: int, widened: float = 0.0, *, interlaced: bool = False
    ) -> None:
        self.kind = (decision, width, height, widened, interlaced)
        self.decision = decision
        self.width, self.height, self.widened, self.interlaced = width, height, widened, interlaced
        self.even_width, self.even_height = width + width % 2, height + height % 2
        drawn = raster(decision.polygons, self.even_width, self.even_height)
        self.luma = widened_cover(drawn, widened) if widened else drawn
        self.chroma_420 = chroma_cells(self.luma, 2, 2, interlaced=interlaced)
        self._masks: dict[str, tuple[PlaneMask, ...]] = {}

    @property
    def is_odd(self) -> bool:
        """Whether pictures have to be padded."""
        return (self.even_width, self.even_height) != (self.width, self.height)

    @cached_property
    def encodable(self) -> tuple[PlaneMask, ...]:
        """A mask for each plane of the even-sized picture in 8 bits and 4:2:0."""
        covers = (self.luma, self.chroma_420, self.chroma_420)
        return tuple(PlaneMask.of(cover, value, np.uint8) for cover, value in zip(covers, FILLS, strict=True))

    def native(self, pixel_format: str) -> tuple[PlaneMask, ...]:
        """A mask for each plane of a picture in its own layout and size."""
        if pixel_format not in self._masks:
            layout = LAYOUTS[pixel_format]
            self._masks[pixel_format] = tuple(
                PlaneMask.of(cover, layout.value(value), layout.word)
                for cover, value in zip(self.covers(layout), FILLS, strict=False)
            )
        return self._masks[pixel_format]

    def covers(self, layout: Layout) -> tuple[Cover, ...]:
        """Which samples of each plane are covered in a picture of this layout in its own size."""
        luma = self.luma[: self.height, : self.width]
        if not layout.chroma:
            return (luma,)
        chroma = chroma_cells(luma, layout.step_x, layout.step_y, interlaced=self.interlaced)
        return (luma, chroma, chroma)


def masked(picture: VideoFrame, raster: MaskRaster) -> VideoFrame:
    """Return a copy of `picture` with the raster covered, in 4:2:0 of 8 bits, padded to even size.

    Raises:
        UnsupportedPixelFormatError: the samples are laid out in a way not known here.
        ValueError: the raster is cut for another size.
    """
    if (picture.width, picture.height) != (raster.width, raster.height):
        raise ValueError("the raster is cut for another size")
    layout = LAYOUTS.get(picture.format.name)
    if layout is None:
        raise UnsupportedPixelFormatError(
            f"pixel format {picture.format.name}: set the camera to H.264 with 8 bits and 4:2:0"
        )
    if picture.format.name != layout.encoded_as:
        pts = picture.pts
        picture = _covered_as_it_is(picture, raster).reformat(format=layout.encoded_as)
        picture.pts = pts
    return _covered_420(picture, raster)


def _covered_as_it_is(picture: VideoFrame, raster: MaskRaster) -> VideoFrame:
    copy = VideoFrame(picture.width, picture.height, picture.format.name)
    copy.pts, copy.color_range, copy.colorspace = picture.pts, picture.color_range, picture.colorspace
    for source, target, mask in zip(planes(picture), planes(copy), raster.native(picture.format.name), strict=True):
        mask.apply(source, target)
    return copy


def _covered_420(picture: VideoFrame, raster: MaskRaster) -> VideoFrame:
    copy = VideoFrame(raster.even_width, raster.even_height, picture.format.name)
    copy.pts = picture.pts
    luma, *chroma = planes(copy)
    source, *source_chroma = planes(picture)
    luma_mask, *chroma_masks = raster.encodable
    luma_mask.part(*source.shape).apply(source, luma[: source.shape[0], : source.shape[1]])
    if raster.is_odd:
        _repeat_edge(luma, *source.shape)
        luma_mask.apply(luma, luma)
    for mask, samples, target in zip(chroma_masks, source_chroma, chroma, strict=True):
        mask.apply(samples, target)
    return copy


def _repeat_edge(luma: Plane, height: int, width: int) -> None:
    """Fill what is beyond an odd picture. Its edge is masked by now, so the copy shows nothing that it does not."""
    luma[:height, width:] = luma[:height, width - 1 : width]
    luma[height:] = luma[height - 1 : height]


def planes(picture: VideoFrame) -> tuple[Plane, ...]:
    """The sample arrays of a planar picture, (height, width) each, without the padding of its lines; no copies."""
    return tuple(_samples(plane, LAYOUTS[picture.format.name]) for plane in picture.planes)


def _samples(plane: VideoPlane, layout: Layout) -> Plane:
    samples: Plane = np.frombuffer(memoryview(plane), layout.word)
    lines = samples.reshape(-1, plane.line_size // samples.itemsize)
    return lines[: plane.height, : plane.width]
