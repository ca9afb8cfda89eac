"""Fits a picture into the model's input without changing its proportions, and boxes back into the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from .detections import Floats

GREY = 114
"""What the model was trained with around pictures of another shape."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a picture lies in the input: at its top left corner, `scale` times as large.

    Attributes:
        size_wh: of the picture.
        input_wh: of the model's input.
    """

    size_wh: tuple[int, int]
    input_wh: tuple[int, int]

    @property
    def scale(self) -> float:
        """Pixels of the input for one of the picture."""
        return min(self.input_wh[0] / self.size_wh[0], self.input_wh[1] / self.size_wh[1])

    @property
    def fitted_wh(self) -> tuple[int, int]:
        """Size of the picture within the input."""
        width, height = (max(1, round(side * self.scale)) for side in self.size_wh)
        return min(width, self.input_wh[0]), min(height, self.input_wh[1])

    def place(self, picture: VideoFrame, into: NDArray[np.uint8]) -> None:
        """Write the picture into (height, width, 3) RGB; the rest becomes grey."""
        width, height = self.fitted_wh
        fitted = picture.reformat(width=width, height=height, format="rgb24", interpolation="BILINEAR")
        into[:height, :width] = fitted.to_ndarray()
        into[height:] = GREY
        into[:, width:] = GREY

    def restore(self, xyxy: Floats) -> Floats:
        """(n, 4) boxes in pixels of the input, as pixels of the picture and within it."""
        width, height = self.size_wh
        limits = np.array([width, height, width, height], np.float32)
        restored: Floats = np.clip(xyxy / np.float32(self.scale), np.float32(0), limits)
        return restored
