"""Covers decoded pictures: from whatever a decoder gives to a masked 4:2:0 picture of even size, ready to encode.

The mask goes on before anything that mixes neighbouring samples (conversion of 4:2:2 to 4:2:0, padding to even size):
after that no sample outside could be trusted. It goes on again after, so that the area is flat. The decoder keeps its
pictures as references, so it is always a copy that is covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from av import VideoFrame
from av.video.plane import VideoPlane
from beffroi.common.contracts import MaskDecision

from .masking import FILL_CHROMA, FILL_LUMA, Cover, Plane, chroma_cells, fill, raster

CACHED_STENCILS = 64
"""Cameras of one instance, with a change of decision now and then; a stencil of 1080p is 3 MB."""


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


class Stencil:
    """A mask decision cut for pictures of one size. People draw on the even-sized picture, so it is cut for that."""

    def __init__(self, decision: MaskDecision, width: int, height: int) -> None:
        self.version = decision.version
        self.width, self.height = width, height
        self.even_width, self.even_height = width + width % 2, height + height % 2
        self.luma = raster(decision.polygons, self.even_width, self.even_height)
        self.chroma_420 = chroma_cells(self.luma, 2, 2)

    def native(self, layout: Layout) -> tuple[Cover, ...]:
        """The cover of each plane of a picture in its own layout and size."""
        luma = self.luma[: self.height, : self.width]
        if not layout.chroma:
            return (luma,)
        chroma = chroma_cells(luma, layout.step_x, layout.step_y)
        return (luma, chroma, chroma)


@lru_cache(maxsize=CACHED_STENCILS)
def stencil(decision: MaskDecision, width: int, height: int) -> Stencil:
    """The stencil for a decision and a size, cut once."""
    return Stencil(decision, width, height)


def masked(picture: VideoFrame, cut: Stencil) -> VideoFrame:
    """Return a copy of `picture` with the stencil covered, in 4:2:0 of 8 bits, padded to even size.

    Raises:
        UnsupportedPixelFormatError: the samples are laid out in a way not known here.
        ValueError: the stencil is cut for another size.
    """
    if (picture.width, picture.height) != (cut.width, cut.height):
        raise ValueError("the stencil is cut for another size")
    layout = LAYOUTS.get(picture.format.name)
    if layout is None:
        raise UnsupportedPixelFormatError(
            f"pixel format {picture.format.name}: set the camera to H.264 with 8 bits and 4:2:0"
        )
    if picture.format.name != layout.encoded_as:
        pts = picture.pts
        picture = _covered_as_it_is(picture, layout, cut).reformat(format=layout.encoded_as)
        picture.pts = pts
    return _covered_420(picture, cut)


def _covered_as_it_is(picture: VideoFrame, layout: Layout, cut: Stencil) -> VideoFrame:
    copy = VideoFrame(picture.width, picture.height, picture.format.name)
    copy.color_range, copy.colorspace = picture.color_range, picture.colorspace
    fills = (FILL_LUMA, FILL_CHROMA, FILL_CHROMA)
    for source, target, cover, value in zip(planes(picture), planes(copy), cut.native(layout), fills, strict=False):
        target[:] = source
        fill(target, cover, layout.value(value))
    return copy


def _covered_420(picture: VideoFrame, cut: Stencil) -> VideoFrame:
    copy = VideoFrame(cut.even_width, cut.even_height, picture.format.name)
    copy.pts = picture.pts
    luma, *chroma = planes(copy)
    source, *source_chroma = planes(picture)
    height, width = source.shape
    luma[:height, :width] = source
    fill(luma[:height, :width], cut.luma[:height, :width], FILL_LUMA)
    luma[:, width:] = luma[:, width - 1 : width]  # the edge repeated is a masked edge
    luma[height:] = luma[height - 1 : height]
    fill(luma, cut.luma, FILL_LUMA)
    for target, samples in zip(chroma, source_chroma, strict=True):
        target[:] = samples
        fill(target, cut.chroma_420, FILL_CHROMA)
    return copy


def planes(picture: VideoFrame) -> tuple[Plane, ...]:
    """The sample arrays of a planar picture, (height, width) each, without the padding of its lines; no copies."""
    return tuple(_samples(plane, LAYOUTS[picture.format.name]) for plane in picture.planes)


def _samples(plane: VideoPlane, layout: Layout) -> Plane:
    word = np.uint8 if layout.bits == 8 else np.uint16
    samples: Plane = np.frombuffer(memoryview(plane), word)
    lines = samples.reshape(-1, plane.line_size // samples.itemsize)
    return lines[: plane.height, : plane.width]
