"""The test pattern's number survives what a picture goes through."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beffroi_common import pattern

SIZES = [(120, 60), (160, 120), (320, 240), (640, 360), (641, 361), (1920, 1080)]


@pytest.mark.parametrize(("width", "height"), SIZES)
@settings(max_examples=20, deadline=None)
@given(number=st.integers(0, (1 << pattern.NUMBER_BITS) - 1))
def test_the_number_drawn_is_the_number_read(width: int, height: int, number: int) -> None:
    assert pattern.read(pattern.draw(number, width, height)) == number


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_mask_elsewhere_leaves_it_readable_and_one_on_it_does_not(width: int, height: int) -> None:
    picture = pattern.draw(17_950_000_123, width, height)
    _, top, _, _ = pattern.code_area(width, height)
    picture[:top] = 96
    assert pattern.read(picture) == 17_950_000_123
    picture[top:] = 96
    assert pattern.read(picture) is None


def test_a_damaged_number_is_never_read_as_another() -> None:
    width, height = 320, 180
    random = np.random.default_rng(1)
    _, top, _, _ = pattern.code_area(width, height)
    for number in range(200):
        picture = pattern.draw(number, width, height)
        row, column = random.integers(top, height - 10), random.integers(0, width - 10)
        picture[row : row + 10, column : column + 10] = random.choice([0, 255])
        assert pattern.read(picture) in (number, None)


@pytest.mark.parametrize("level", [0, 255])
def test_a_flat_picture_has_no_number(level: int) -> None:
    assert pattern.read(np.full((180, 320), level, dtype=np.uint8)) is None


@pytest.mark.parametrize(
    ("number", "width", "height"), [(0, 100, 100), (0, 320, 100), (-1, 320, 240), (2**40, 320, 240)]
)
def test_what_cannot_be_drawn_is_refused(number: int, width: int, height: int) -> None:
    with pytest.raises(ValueError, match=r"too small|does not fit"):
        pattern.draw(number, width, height)
