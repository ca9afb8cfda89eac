"""Covered pictures in every layout and at odd sizes: flat under the mask, untouched beside it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from av import VideoFrame

from beffroi_common.contracts import MaskDecision
from beffroi_masker.masking import FILL_CHROMA, FILL_LUMA
from beffroi_masker.pictures import LAYOUTS, MaskRaster, UnsupportedPixelFormatError, masked, planes

SIZES = [(64, 48), (63, 47), (65, 48), (64, 49), (30, 31)]


def random_picture(width: int, height: int, pixel_format: str, seed: int) -> VideoFrame:
    picture = VideoFrame(width, height, pixel_format)
    random = np.random.default_rng(seed)
    for plane in planes(picture):
        plane[:] = random.integers(0, 1 << LAYOUTS[pixel_format].bits, plane.shape)
    picture.pts = 7
    return picture


@pytest.mark.parametrize("pixel_format", LAYOUTS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_flat_under_the_mask_in_luma_and_chroma(width: int, height: int, pixel_format: str, burn: MaskDecision) -> None:
    raster = MaskRaster(burn, width, height)
    result = masked(random_picture(width, height, pixel_format, seed=1), raster)
    luma, blue, red = planes(result)
    assert (result.width % 2, result.height % 2, result.pts) == (0, 0, 7)
    assert (result.width, result.height) == (raster.even_width, raster.even_height)
    assert np.all(luma[raster.luma] == FILL_LUMA)
    assert np.all(blue[raster.chroma_420] == FILL_CHROMA)
    assert np.all(red[raster.chroma_420] == FILL_CHROMA)


@pytest.mark.parametrize("pixel_format", LAYOUTS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_result_is_the_same_whatever_is_under_the_mask(
    width: int, height: int, pixel_format: str, burn: MaskDecision
) -> None:
    raster = MaskRaster(burn, width, height)
    one = random_picture(width, height, pixel_format, seed=1)
    other = random_picture(width, height, pixel_format, seed=2)
    for target, source, cover in zip(planes(other), planes(one), raster.covers(LAYOUTS[pixel_format]), strict=True):
        np.copyto(target, source, where=~cover)  # beside the mask both are equal, under it they are not
    results = [planes(masked(picture, raster)) for picture in (one, other)]
    assert all(np.array_equal(*pair) for pair in zip(*results, strict=True))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_beside_the_mask_nothing_changes(width: int, height: int, burn: MaskDecision) -> None:
    raster = MaskRaster(burn, width, height)
    before = random_picture(width, height, "yuv420p", seed=1)
    kept = [plane.copy() for plane in planes(before)]
    result = masked(before, raster)
    luma, *chroma = planes(result)
    free = ~raster.luma[:height, :width]
    assert np.array_equal(luma[:height, :width][free], kept[0][free])
    for after, plane in zip(chroma, kept[1:], strict=True):
        assert np.array_equal(after[~raster.chroma_420], plane[~raster.chroma_420])
    assert all(np.array_equal(*pair) for pair in zip(planes(before), kept, strict=True)), "a reference was written to"


def test_a_mask_at_the_far_edge_of_an_odd_picture_covers_the_repeated_edge(burn: MaskDecision) -> None:
    edge = burn.model_copy(update={"polygons": (((0.9, 0.0), (1.0, 0.0), (1.0, 1.0), (0.9, 1.0)),)})
    result = masked(random_picture(31, 31, "yuv420p", seed=1), MaskRaster(edge, 31, 31))
    luma, *chroma = planes(result)
    assert luma.shape == (32, 32)
    assert np.all(luma[:, 28:] == FILL_LUMA)
    assert all(np.all(plane[:, 14:] == FILL_CHROMA) for plane in chroma)


def test_a_layout_nobody_knows_is_refused(burn: MaskDecision, noise: Callable[..., list[VideoFrame]]) -> None:
    (picture,) = noise(1, 32, 32, pixel_format="rgb24")
    with pytest.raises(UnsupportedPixelFormatError, match="rgb24"):
        masked(picture, MaskRaster(burn, 32, 32))


def test_a_stencil_of_another_size_is_refused(burn: MaskDecision) -> None:
    with pytest.raises(ValueError, match="another size"):
        masked(random_picture(32, 32, "yuv420p", seed=1), MaskRaster(burn, 64, 32))
