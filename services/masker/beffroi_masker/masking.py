"""Which samples a mask covers, and covering them. Pure functions on arrays; nothing here knows of video or the bus.

What is covered becomes one constant, so the result cannot depend on what was there. Every choice errs towards more
mask: a pixel that a polygon merely touches is covered, and a chroma sample if any luma pixel of its cell is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILL_LUMA = 96
FILL_CHROMA = 128
"""A flat medium grey without colour, in 8 bits."""

_TOUCH = 1e-6
"""Pixels by which an edge is widened: far above the rounding of 64-bit corners, far below anything visible."""

_COUNT = np.int16
"""Of edges that touch one pixel, 2,048 at most, and of rows or columns: half the memory of a picture of 8K."""

Corners = Sequence[tuple[float, float]]
Cover = NDArray[np.bool_]
Edges = NDArray[np.float64]
"""(n, 2, 2): start and end, x and y, in pixels."""
Plane = NDArray[np.unsignedinteger[Any]]


def raster(polygons: Iterable[Corners], width: int, height: int) -> Cover:
    """Say which pixels any of the polygons touches.

    Pixel (x, y) is the closed square [x, x+1] × [y, y+1]. It is covered when it has a point in common with a polygon:
    then an edge passes through it, or it lies wholly inside and so does its centre.

    Args:
        polygons: corners as fractions of the picture, each in order, crossing itself nowhere.
        width: of the picture in pixels.
        height: of the picture in pixels.

    Returns:
        (height, width), True where covered; read-only.
    """
    touched = np.zeros((height, width + 1), dtype=_COUNT)
    cover = np.zeros((height, width), dtype=np.bool_)
    for polygon in polygons:
        corners = np.asarray(polygon, dtype=np.float64) * (width, height)
        edges = np.stack((corners, np.roll(corners, -1, axis=0)), axis=1)
        _cover_inside(cover, edges)
        for edge in edges:
            _touch_edge(touched, edge)
    np.logical_or(cover, _running_sum(touched) > 0, out=cover)
    cover.flags.writeable = False
    return cover


def widened_cover(cover: Cover, part: float) -> Cover:
    """Say which pixels are covered once all that is private may lie elsewhere by a part of width and height.

    What lies beyond the edge counts as covered: nobody who drew has seen it, and it may have come into view.

    Returns:
        (height, width), True where covered; read-only.
    """
    rows, columns = (int(side * part) + 1 for side in cover.shape)
    padded = np.pad(cover, ((rows, rows), (columns, columns)), constant_values=True)
    wide = _any_within(_any_within(padded, 2 * rows + 1).T, 2 * columns + 1).T
    wide.flags.writeable = False
    return wide


def _any_within(cover: Cover, length: int) -> Cover:
    """For each run of so many rows, which columns any of them covers."""
    counts = np.cumsum(np.pad(cover, ((1, 0), (0, 0))), axis=0, dtype=_COUNT)
    return counts[length:] > counts[:-length]


def chroma_cells(cover: Cover, step_x: int, step_y: int, *, interlaced: bool = False) -> Cover:
    """Say which chroma samples are covered, each of which colours `step_x` × `step_y` luma pixels.

    In an interlaced picture with half as many chroma rows each colours two rows of its own field: two of them together
    colour four rows of the picture (ITU-T H.264, figure 6-2), and are covered together.

    Returns:
        (⌈height / step_y⌉, ⌈width / step_x⌉), True where any pixel of the cell is; read-only.
    """
    height, width = cover.shape
    if interlaced and step_y == 2:
        pairs = chroma_cells(cover, step_x, 4)
        rows: Cover = np.repeat(pairs, 2, axis=0)[: -(-height // 2)]
        rows.flags.writeable = False
        return rows
    padded = np.pad(cover, ((0, -height % step_y), (0, -width % step_x)))
    rows, columns = padded.shape
    blocks = padded.reshape(rows // step_y, step_y, columns // step_x, step_x)
    cells: Cover = np.logical_or.reduce(blocks, axis=(1, 3))
    cells.flags.writeable = False
    return cells


@dataclass(frozen=True)
class PlaneMask:
    """A cover made ready for one plane: and-ing and or-ing whole planes is twice as fast as choosing samples.

    Attributes:
        keep: all bits set where a sample stays, none where it is covered.
        paint: the fill where a sample is covered, else 0.
    """

    keep: Plane
    paint: Plane

    @classmethod
    def of(cls, cover: Cover, value: int, word: type[np.unsignedinteger[Any]]) -> PlaneMask:
        """A mask that sets covered samples, words of the type `word`, to `value`."""
        ones = np.iinfo(word).max
        return cls(np.where(cover, word(0), word(ones)), np.where(cover, word(value), word(0)))

    def part(self, height: int, width: int) -> PlaneMask:
        """Its upper left part."""
        return PlaneMask(self.keep[:height, :width], self.paint[:height, :width])

    def apply(self, source: Plane, target: Plane) -> None:
        """Write `source` with the covered samples filled into `target`; all have the mask's shape."""
        np.bitwise_and(source, self.keep, out=target)
        np.bitwise_or(target, self.paint, out=target)


def _cover_inside(cover: Cover, edges: Edges) -> None:
    """Cover pixels whose centre is inside, by the even-odd rule: each edge flips all that lies to the right of it."""
    height, width = cover.shape
    x, y = edges[..., 0], edges[..., 1]
    top, bottom = _clip(np.floor(y.min()), height), _clip(np.ceil(y.max()), height)
    left, right = _clip(np.floor(x.min()), width), _clip(np.ceil(x.max()), width)
    flips = np.zeros((bottom - top, right - left + 1), dtype=np.bool_)
    for (x1, y1), (x2, y2) in edges:
        if y1 == y2:
            continue
        rows = np.arange(_clip(np.ceil(min(y1, y2) - 0.5), height), _clip(np.ceil(max(y1, y2) - 0.5), height))
        crossed = x1 + (rows + 0.5 - y1) * (x2 - x1) / (y2 - y1)
        flips[rows - top, _columns(np.ceil(crossed - 0.5), left, right) - left] ^= True
    cover[top:bottom, left:right] |= np.logical_xor.accumulate(flips[:, :-1], axis=1)


def _touch_edge(touched: NDArray[np.int16], edge: NDArray[np.float64]) -> None:
    """Note every pixel that the edge touches: in each row of pixels, from its leftmost to its rightmost point there.

    `touched` holds differences along each row: +1 at the first pixel, -1 after the last.
    """
    height, width = touched.shape[0], touched.shape[1] - 1
    (x1, y1), (x2, y2) = sorted(edge.tolist(), key=lambda corner: corner[1])
    rows = np.arange(_clip(np.floor(y1 - _TOUCH), height), _clip(np.floor(y2 + _TOUCH) + 1, height))
    if y2 - y1 < _TOUCH:
        near, far = np.full(len(rows), x1), np.full(len(rows), x2)
    else:
        slope = (x2 - x1) / (y2 - y1)
        near = x1 + (np.clip(rows, y1, y2) - y1) * slope
        far = x1 + (np.clip(rows + 1, y1, y2) - y1) * slope
    touched[rows, _columns(np.floor(np.minimum(near, far) - _TOUCH), 0, width)] += 1
    touched[rows, _columns(np.floor(np.maximum(near, far) + _TOUCH) + 1, 0, width)] -= 1


def _running_sum(differences: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.cumsum(differences[:, :-1], axis=1, dtype=_COUNT)


def _columns(x: NDArray[np.float64], first: int, last: int) -> NDArray[np.intp]:
    return np.clip(x, first, last).astype(np.intp)


def _clip(row: float, height: int) -> int:
    return int(min(max(row, 0), height))
