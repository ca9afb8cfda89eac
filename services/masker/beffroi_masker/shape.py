"""What a picture shows of a scene, as far as it can be told, and by how much masks must grow to fit another such view.

Polygons are fractions of the picture that they were drawn on. A picture of nearly the same shape may be that view made
larger, or that view with columns or rows more or less on any side: nobody can tell which. So within `TOLERANCE` masks
grow by as much as anything can have moved, and beyond it nothing passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pydantic import ValidationError

from beffroi_common.contracts import DrawnPicture, MaskDecision
from beffroi_common.media.sequence_sets import Corner

TOLERANCE = 0.03
"""Cameras round a rescaled picture to 16 pixels: 640×368 for 640×360 is 2.2 %, and shows the same. 5:4 and 4:3, the
nearest shapes that show something else, are 6.7 % apart."""

NEAR_SIZE = 0.1
"""Pictures whose sizes differ by less are as likely another window on the same sensor (2592×1944 and 2560×1920) as the
same view made larger; from here on it is the latter."""

EXACT = 1e-6
"""A shape that went through JSON is no other shape."""


SQUARE = Fraction(1)
"""Pixels that nobody says anything of."""


@dataclass(frozen=True, slots=True)
class PictureShape:
    """What a decoded picture says of itself.

    Attributes:
        width: in pixels.
        height: in pixels.
        pixel_aspect: width over height of one pixel.
        corner: at which the shown window begins in what was encoded; None: that could not be read.
    """

    width: int
    height: int
    pixel_aspect: Fraction
    corner: Corner | None

    @property
    def even_width(self) -> int:
        """Of the masked picture: people draw on that."""
        return self.width + self.width % 2

    @property
    def even_height(self) -> int:
        """Of the masked picture."""
        return self.height + self.height % 2

    @property
    def aspect(self) -> float:
        """Width over height as it is seen."""
        return self.even_width / self.even_height * float(self.pixel_aspect)

    @property
    def drawn(self) -> DrawnPicture | None:
        """What a decision says that is drawn on this picture; None: a part of it could not be read, or said."""
        if self.corner is None:
            return None
        try:
            return DrawnPicture(
                width=self.even_width,
                height=self.even_height,
                pixel_aspect=float(self.pixel_aspect),
                cropped_left=self.corner[0],
                cropped_top=self.corner[1],
            )
        except ValidationError:
            return None


def widening(decision: MaskDecision, shape: PictureShape) -> float | None:
    """By which part of width and height the masks of a decision must grow in a picture of this shape, on each side.

    With a window `1 + d` times as wide or high as the drawn one, either of which lies within the other, a point of the
    scene lies at most `d` of the picture from where it was drawn. One that was drawn on no picture fits none, see
    `FirstShapes`.

    Returns:
        0 to `TOLERANCE`; None: what is private may lie anywhere.
    """
    aspect = decision.drawn_aspect
    if aspect is None or shape.corner is None:
        return None
    moved = _change(shape.aspect, aspect)
    if decision.drawn_on is not None:
        moved = max(moved, *_changes_of_samples(decision.drawn_on, shape))
    elif shape.pixel_aspect != SQUARE:
        moved = max(moved, TOLERANCE)  # how the drawn picture was sampled nobody wrote down
    moved += _shift(decision.drawn_on, shape, shape.corner)
    if moved > TOLERANCE + EXACT:
        return None
    return moved if moved > EXACT else 0.0


def _changes_of_samples(drawn: DrawnPicture, shape: PictureShape) -> Iterator[float]:
    """Pixel aspects are labels, and wrong ones are common: also without them it must be the same view."""
    yield _change(shape.even_width / shape.even_height, drawn.width / drawn.height)
    sides = _change(shape.even_width, drawn.width), _change(shape.even_height, drawn.height)
    if max(sides) < NEAR_SIZE:
        yield from sides


def _shift(drawn: DrawnPicture | None, shape: PictureShape, corner: Corner) -> float:
    """How far the shown window moved within what is encoded, as a part of the picture."""
    if drawn is None:
        return max(corner[0] / shape.even_width, corner[1] / shape.even_height)
    return max(
        _moved(drawn.cropped_left, drawn.width, corner[0], shape.even_width),
        _moved(drawn.cropped_top, drawn.height, corner[1], shape.even_height),
    )


def _moved(before: int, side_before: int, after: int, side_after: int) -> float:
    """The larger of what it is in pixels, were they the same, and in parts of the picture, were it made larger."""
    return max(abs(after - before) / min(side_before, side_after), abs(after / side_after - before / side_before))


def _change(one: float, other: float) -> float:
    return max(one, other) / min(one, other) - 1
