"""What a detector says about one picture: columns, checked once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects on one picture.

    Attributes:
        xyxy: (n, 4) boxes in pixels of the picture: left, top, right, bottom.
        confidence: (n,) between 0 and 1.
        labels: (n,) their classes, as the model calls them.
    """

    xyxy: Floats
    confidence: Floats
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check shapes and values.

        Raises:
            ValueError: they are not what the attributes say.
        """
        count = len(self.confidence)
        if self.xyxy.shape != (count, 4) or self.confidence.shape != (count,) or len(self.labels) != count:
            shapes = f"boxes {self.xyxy.shape}, confidences {self.confidence.shape} and {len(self.labels)} labels"
            raise ValueError(f"{shapes} do not fit together")
        if not (np.isfinite(self.xyxy).all() and ((self.confidence >= 0) & (self.confidence <= 1)).all()):
            raise ValueError("boxes must be finite and confidences between 0 and 1")

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.confidence)

    def surest(self, most: int) -> Detections:
        """These, and of more than `most` the surest."""
        if len(self) <= most:
            return self
        kept = np.argsort(-self.confidence, kind="stable")[:most]
        return Detections(self.xyxy[kept], self.confidence[kept], tuple(self.labels[index] for index in kept))
