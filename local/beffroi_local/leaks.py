"""Whether anything shows where a mask is: the pixels well inside its polygon must all be the mask's flat colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from .scene import Polygon

FLAT_LUMA, FLAT_CHROMA = 96, 128
"""What the masker fills with."""

EDGE_PIXELS = 4.0
"""A lossy encoder blurs the visible side into the mask's edge by about this much: that is no trace of what is below.
(The masker's own tests look at the edges themselves, before encoding.)"""

TOLERANCE = 12
"""Steps of 256 by which an encoder may miss a flat colour; the street below differs by far more."""


@dataclass(frozen=True)
class MaskedArea:
    """The pixels of one picture size that a mask covers.

    Attributes:
        luma: (height, width), true where covered.
        chroma: (height / 2, width / 2), true where covered.
    """

    luma: NDArray[np.bool_]
    chroma: NDArray[np.bool_]

    @classmethod
    def of(cls, polygon: Polygon, width: int, height: int, edge_pixels: float = EDGE_PIXELS) -> MaskedArea:
        """Work out what `polygon` covers of a picture, less an edge."""
        outline = shapely.Polygon([(x * width, y * height) for x, y in polygon])
        # What lies outside the picture cannot bleed in: only the edges within it are given up.
        outside = shapely.box(0, 0, width, height).buffer(edge_pixels).difference(shapely.box(0, 0, width, height))
        sure = outline.union(outside).buffer(-edge_pixels)
        return cls(_covered(sure, width, height, 1), _covered(sure, width, height, 2))


def _covered(shape: shapely.Geometry, width: int, height: int, step: int) -> NDArray[np.bool_]:
    columns, rows = np.meshgrid(
        (np.arange(-(-width // step)) + 0.5) * step, (np.arange(-(-height // step)) + 0.5) * step
    )
    return np.asarray(shapely.contains_xy(shape, columns, rows), np.bool_)


def leaking_pixels(picture: VideoFrame, area: MaskedArea, tolerance: int = TOLERANCE) -> int:
    """Return how many covered samples of a picture, luma and chroma, are not the mask's colour."""
    luma, blue, red = _planes(picture)
    shown = _differs(luma, FLAT_LUMA, tolerance) & area.luma
    colour = (_differs(blue, FLAT_CHROMA, tolerance) | _differs(red, FLAT_CHROMA, tolerance)) & area.chroma
    return int(shown.sum() + colour.sum())


def _differs(plane: NDArray[np.uint8], flat: int, tolerance: int) -> NDArray[np.bool_]:
    differs: NDArray[np.bool_] = np.abs(plane.astype(np.int16) - flat) > tolerance
    return differs


def _planes(picture: VideoFrame) -> list[NDArray[np.uint8]]:
    # Stills are JPEG, whose samples use the whole range: this brings them back to that of video.
    frame = picture.reformat(format="yuv420p", dst_color_range="MPEG")
    planes = []
    for plane in frame.planes:
        rows = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)
        planes.append(rows[:, : plane.width])
    return planes
