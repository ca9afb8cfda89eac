"""The test pattern: a picture that says its own frame number, to people in digits and to programs in a block code.

The block code is two rows of large black and white blocks along the lower edge: 40 bits of frame number and 16 bits of
checksum. Blocks are far larger than what encoding blurs, and are read by the mean of their middle, so that the number
survives H.264 and scaling, and is read from masked recordings as long as the mask leaves `code_area` alone.
"""

from __future__ import annotations

from binascii import crc_hqx

import numpy as np
from numpy.typing import NDArray

from beffroi_common.contracts.pattern_address import MIN_WIDTH

Luma = NDArray[np.uint8]

COLUMNS = 28
ROWS = 2
NUMBER_BITS = 40
"""Enough for UTC seconds × 120 pictures a second until the year 2260."""

DARK, LIGHT = 32, 220
_MARGIN_COLUMNS = 2
_DARK_BELOW, _LIGHT_ABOVE = 96, 160
_CRC_START = 0xFFFF  # so that an all-dark area is not the number 0

# 3×5 dots a digit, a row of three bits a line.
_DIGITS = {
    "0": (7, 5, 5, 5, 7),
    "1": (2, 6, 2, 2, 7),
    "2": (7, 1, 7, 4, 7),
    "3": (7, 1, 7, 1, 7),
    "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7),
    "6": (7, 4, 7, 5, 7),
    "7": (7, 1, 1, 1, 1),
    "8": (7, 5, 7, 5, 7),
    "9": (7, 5, 7, 1, 7),
}


def draw(number: int, width: int, height: int) -> Luma:
    """Draw the luma plane of one picture: grey slope, a bar that wanders, the number in digits and as blocks.

    Args:
        number: frame number, 0 or more.
        width: of the picture in pixels, at least `MIN_WIDTH`.
        height: of the picture in pixels, at least half the width.

    Returns:
        (height, width) luma.

    Raises:
        ValueError: the picture is too small for the block code, or the number does not fit.
    """
    _check(number, width, height)
    slope = np.linspace(64, 160, width, dtype=np.uint8)
    luma: Luma = np.repeat(slope[None, :], height, axis=0)
    _draw_bar(luma, number)
    _draw_digits(luma, number)
    _draw_code(luma, number)
    return luma


def read(luma: Luma) -> int | None:
    """Read the frame number out of a luma plane of shape (height, width).

    Returns:
        The number, or None where the blocks are covered, damaged or not there.
    """
    height, width = luma.shape
    if width < MIN_WIDTH or height < width // 2:
        return None
    means = _block_means(luma)
    light = means > _LIGHT_ABOVE
    if not np.all(light | (means < _DARK_BELOW)):
        return None
    code = int("".join("1" if bit else "0" for bit in light.ravel()), 2)
    number, checksum = code >> 16, code & 0xFFFF
    return number if checksum == _checksum(number) else None


def code_area(width: int, height: int) -> tuple[int, int, int, int]:
    """Where the block code lies: (x1, y1, x2, y2) in pixels, margin included. Keep masks off it to read the number."""
    cell = _cell(width)
    return (0, height - (ROWS + 2) * cell, width, height)


def _check(number: int, width: int, height: int) -> None:
    if width < MIN_WIDTH or height < width // 2:
        raise ValueError(
            f"a test pattern of {width}×{height} is too small: at least {MIN_WIDTH} wide and half as high as wide"
        )
    if not 0 <= number < 1 << NUMBER_BITS:
        raise ValueError(f"frame number {number} does not fit into {NUMBER_BITS} bits")


def _cell(width: int) -> int:
    return width // (COLUMNS + _MARGIN_COLUMNS)


def _checksum(number: int) -> int:
    return crc_hqx(number.to_bytes(NUMBER_BITS // 8, "big"), _CRC_START)


def _origin(width: int, height: int) -> tuple[int, int]:
    cell = _cell(width)
    return (width - COLUMNS * cell) // 2, height - (ROWS + 1) * cell


def _draw_bar(luma: Luma, number: int) -> None:
    height, width = luma.shape
    bar = max(4, width // 40)
    x = number * bar // 2 % (width - bar)
    luma[: height // 3, x : x + bar] = LIGHT


def _draw_digits(luma: Luma, number: int) -> None:
    height, width = luma.shape
    text = str(number)
    dot = max(1, width // (4 * (len(text) + 2)))
    y, x = height // 3 + dot, (width - 4 * dot * len(text)) // 2
    rows = [[bit for digit in text for bit in f"{_DIGITS[digit][line]:03b}0"] for line in range(5)]
    dots = np.array(rows) == "1"
    large = np.kron(dots, np.ones((dot, dot), dtype=bool))
    area = luma[y : y + large.shape[0], x : x + large.shape[1]]
    area[large[: area.shape[0], : area.shape[1]]] = LIGHT


def _draw_code(luma: Luma, number: int) -> None:
    height, width = luma.shape
    cell = _cell(width)
    x, y = _origin(width, height)
    code = f"{number << 16 | _checksum(number):0{COLUMNS * ROWS}b}"
    bits = np.array([bit == "1" for bit in code]).reshape(ROWS, COLUMNS)
    _, top, _, _ = code_area(width, height)
    luma[top:] = DARK
    blocks = np.kron(np.where(bits, LIGHT, DARK).astype(np.uint8), np.ones((cell, cell), dtype=np.uint8))
    luma[y : y + ROWS * cell, x : x + COLUMNS * cell] = blocks


def _block_means(luma: Luma) -> NDArray[np.float64]:
    height, width = luma.shape
    cell = _cell(width)
    x, y = _origin(width, height)
    blocks = luma[y : y + ROWS * cell, x : x + COLUMNS * cell].reshape(ROWS, cell, COLUMNS, cell)
    middle = slice(cell // 4, cell - cell // 4)
    means: NDArray[np.float64] = blocks[:, middle, :, middle].mean(axis=(1, 3))
    return means
