import numpy as np
import pytest
from av.video.frame import VideoFrame

from beffroi_local.leaks import FLAT_CHROMA, FLAT_LUMA, MaskedArea, leaking_pixels

WIDTH, HEIGHT = 64, 48
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
AREA = MaskedArea.of(LEFT_HALF, WIDTH, HEIGHT, edge_pixels=2)


def picture(luma_at: tuple[int, int] | None = None, chroma_at: tuple[int, int] | None = None) -> VideoFrame:
    luma = np.full((HEIGHT, WIDTH), FLAT_LUMA, np.uint8)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), FLAT_CHROMA, np.uint8)
    luma[:, WIDTH // 2 :] = 200
    chroma[:, WIDTH // 4 :] = 60
    blue = chroma.copy()
    if luma_at:
        luma[luma_at] = 200
    if chroma_at:
        blue[chroma_at] = 60
    flat = np.concatenate([luma.ravel(), blue.ravel(), chroma.ravel()]).reshape(-1, WIDTH)
    return VideoFrame.from_ndarray(flat, format="yuv420p")


def test_a_flat_mask_leaks_nothing() -> None:
    assert leaking_pixels(picture(), AREA) == 0


@pytest.mark.parametrize("place", [(0, 0), (HEIGHT - 1, 0), (HEIGHT // 2, WIDTH // 2 - 4)])
def test_one_pixel_of_luma_is_seen_up_to_the_pictures_border(place: tuple[int, int]) -> None:
    assert leaking_pixels(picture(luma_at=place), AREA) == 1


def test_one_sample_of_chroma_is_seen() -> None:
    assert leaking_pixels(picture(chroma_at=(3, 3)), AREA) == 1


def test_the_visible_side_is_none_of_its_business() -> None:
    assert leaking_pixels(picture(luma_at=(5, WIDTH - 5)), AREA) == 0
