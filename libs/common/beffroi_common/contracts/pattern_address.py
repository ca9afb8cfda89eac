"""`pattern:WIDTHxHEIGHT@FPS`: the address of a test pattern. Whoever takes it and whoever draws it read it here."""

from __future__ import annotations

import re
from dataclasses import dataclass

MIN_WIDTH = 120
"""Narrower pictures have blocks of less than 4 pixels, which encoding blurs."""

MAX_WIDTH, MAX_HEIGHT = 3840, 2160
"""4K: what a camera sends. A larger one takes the memory of every other camera of its instance."""

MAX_FPS = 60

_ADDRESS = re.compile(r"pattern:([0-9]{2,4})x([0-9]{2,4})@([0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class PatternAddress:
    """Size in pixels and rate of a test pattern."""

    width: int
    height: int
    fps: int

    @classmethod
    def read(cls, url: str) -> PatternAddress:
        """Read an address.

        Raises:
            ValueError: it is none, or of a pattern that cannot be drawn; what to write instead.
        """
        match = _ADDRESS.fullmatch(url)
        if match is None:
            raise ValueError("a test pattern reads pattern:WIDTHxHEIGHT@FPS, e.g. pattern:640x360@10")
        width, height, fps = (int(each) for each in match.groups())
        if width % 2 or height % 2 or not 1 <= fps <= MAX_FPS:
            raise ValueError(f"a test pattern needs an even width and height, and 1 to {MAX_FPS} fps")
        if width < MIN_WIDTH or height < width // 2:
            raise ValueError(
                f"a test pattern of {width}×{height} is too small: at least {MIN_WIDTH} wide and half as high as wide"
            )
        if width > MAX_WIDTH or height > MAX_HEIGHT:
            raise ValueError(f"a test pattern of {width}×{height} is too large: at most {MAX_WIDTH}×{MAX_HEIGHT}")
        return cls(width, height, fps)
