"""The mask against exact geometry: nothing that a polygon touches is left, nothing far from it is taken."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from beffroi_masker.masking import Plane, PlaneMask, chroma_cells, raster

fine = st.integers(0, 2**40).map(lambda steps: steps / 2**40)
"""Far finer than a pixel; closer still, the reference itself divides by nought."""

corner = st.tuples(*[fine | st.integers(0, 16).map(lambda sixteenth: sixteenth / 16)] * 2)
polygon = st.lists(corner, min_size=3, max_size=8, unique=True)
side = st.integers(1, 40)


@settings(max_examples=300, deadline=None)
@given(polygon, side, side)
def test_every_touched_pixel_is_covered_and_no_other(
    corners: list[tuple[float, float]], width: int, height: int
) -> None:
    shape = shapely.Polygon([(x * width, y * height) for x, y in corners])
    assume(shape.is_valid and shape.area > 1e-6)
    y, x = np.mgrid[0:height, 0:width]
    pixels = shapely.box(x, y, x + 1, y + 1)

    cover = raster([corners], width, height)

    assert not np.any(shapely.intersects(shape, pixels) & ~cover)
    assert not np.any(cover & (shapely.distance(shape, pixels) > 1e-5))


def test_polygons_are_joined_not_exchanged_where_they_overlap() -> None:
    left, right = [(0.0, 0.0), (0.6, 0.0), (0.6, 1.0), (0.0, 1.0)], [(0.4, 0.0), (1.0, 0.0), (1.0, 1.0), (0.4, 1.0)]
    assert raster([left, right], 20, 10).all()


def test_no_polygon_covers_nothing() -> None:
    assert not raster([], 20, 10).any()


def test_the_whole_picture_is_covered_to_its_last_pixel() -> None:
    assert raster([[(0, 0), (1, 0), (1, 1), (0, 1)]], 33, 17).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 80), st.sampled_from([(2, 2), (2, 1), (1, 2), (1, 1)]))
def test_a_chroma_sample_is_covered_with_any_pixel_of_its_cell(
    width: int, height: int, place: int, step: tuple[int, int]
) -> None:
    cover = np.zeros((height, width), dtype=bool)
    y, x = divmod(place % (width * height), width)
    cover[y, x] = True
    cells = chroma_cells(cover, *step)
    assert cells.shape == (-(-height // step[1]), -(-width // step[0]))
    assert cells.sum() == 1
    assert cells[y // step[1], x // step[0]]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.integers(1, 13), st.integers(0, 120))
def test_in_an_interlaced_picture_the_chroma_of_both_fields_is_covered(width: int, height: int, place: int) -> None:
    cover = np.zeros((height, width), dtype=bool)
    y, x = divmod(place % (width * height), width)
    cover[y, x] = True
    cells = chroma_cells(cover, 2, 2, interlaced=True)
    of_field, of_frame = y // 4 * 2 + y % 2, y // 2
    assert cells.shape == (-(-height // 2), -(-width // 2))
    assert all(cells[row, x // 2] for row in (of_field, of_frame) if row < len(cells))
    assert cells.sum() <= 2


@pytest.mark.parametrize(("word", "value"), [(np.uint8, 96), (np.uint16, 384)])
def test_a_plate_fills_what_is_covered_and_leaves_the_rest(word: type[np.unsignedinteger[Any]], value: int) -> None:
    source: Plane = np.array([[0, 1, 2], [3, 4, np.iinfo(word).max]], dtype=word)
    target = np.zeros_like(source)
    cover = np.array([[True, False, False], [False, True, False]])
    PlaneMask.of(cover, value, word).apply(source, target)
    assert target.tolist() == [[value, 1, 2], [3, value, np.iinfo(word).max]]


def test_a_raster_takes_a_few_bytes_a_pixel_however_many_polygons_there_are() -> None:
    """Of 8K that is 200 MB for a moment; it was half a gigabyte, and half a minute."""
    width, height, whole = 1000, 600, ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    tracemalloc.start()
    raster([whole] * 32, width, height)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 * width * height
