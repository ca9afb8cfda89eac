"""Whatever the tolerance allows, what is private stays covered, for every window on the scene behind a shape."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beffroi_common.contracts import DrawnPicture, MaskDecision, MaskMode, Stream
from beffroi_masker.first_shapes import FirstShapes
from beffroi_masker.pictures import MaskRaster
from beffroi_masker.shape import TOLERANCE, PictureShape, widening

SQUARE = Fraction(1)
Window = tuple[float, float, float, float]
"""(left, top, width, height) in pixels of the scene."""


def decided(private: Window, window: Window, **shape: object) -> MaskDecision:
    """A mask over what is private of the scene, drawn on the picture that a window shows."""
    left, top, width, height = window
    x1, y1 = (private[0] - left) / width, (private[1] - top) / height
    x2, y2 = x1 + private[2] / width, y1 + private[3] / height
    polygon = tuple((min(max(x, 0), 1), min(max(y, 0), 1)) for x, y in ((x1, y1), (x2, y1), (x2, y2), (x1, y2)))
    return MaskDecision(
        mode=MaskMode.BURN,
        polygons=(polygon,),
        version=1,
        decided_by="dpo",
        decided_at=datetime(2026, 1, 1, tzinfo=UTC),
        **shape,
    )


def bare(decision: MaskDecision, widened: float, private: Window, window: Window, size: tuple[int, int]) -> int:
    """How many pixels of a picture that shows this window show something private."""
    width, height = size
    shown = MaskRaster(decision, width, height, widened).luma
    left, top, across, down = window
    columns = left + (np.arange(width + 1)) * across / width
    rows = top + (np.arange(height + 1)) * down / height
    within = 1e-6  # a pixel that only touches it shows nothing of it
    x = (columns[1:] > private[0] + within) & (columns[:-1] < private[0] + private[2] - within)
    y = (rows[1:] > private[1] + within) & (rows[:-1] < private[1] + private[3] - within)
    return int((y[:, None] & x[None, :] & ~shown).sum())


SIDES = st.integers(46, 120).map(lambda quarter: 4 * quarter)  # no scale below rounds, and a change stays below a tenth
PARTS = st.floats(0, 1)


@st.composite
def views(draw: st.DrawFn) -> tuple[Window, Window, tuple[int, int]]:
    """A window that was drawn on, one that is shown now, either within the other in each direction, and its picture.

    The picture shows the window as it is, or made larger or smaller. Then one side alone is another: where both are cut
    alike before, it looks like the drawn picture made larger, and nobody can tell (ADR 13).
    """
    drawn = (1000.0, 1000.0, float(draw(SIDES)), float(draw(SIDES)))
    scale = draw(st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(3, 2), Fraction(2)]))
    wider = [4 * draw(st.integers(-4, 4)), 4 * draw(st.integers(-4, 4))]
    if scale != 1:
        wider[draw(st.integers(0, 1))] = 0
    across, down = drawn[2] + wider[0], drawn[3] + wider[1]
    left, top = drawn[0] - wider[0] * draw(PARTS), drawn[1] - wider[1] * draw(PARTS)
    size = (int(across * scale), int(down * scale))
    return drawn, (left, top, across, down), size


@settings(max_examples=400, deadline=None)
@given(views(), PARTS, PARTS, st.floats(0.02, 1), st.floats(0.02, 1))
def test_within_the_tolerance_every_private_pixel_of_the_scene_is_covered(
    view: tuple[Window, Window, tuple[int, int]], x: float, y: float, across: float, down: float
) -> None:
    drawn, shown, size = view
    width, height = drawn[2] * across, drawn[3] * down
    private = (drawn[0] + (drawn[2] - width) * x, drawn[1] + (drawn[3] - height) * y, width, height)
    decision = decided(private, drawn, drawn_on=DrawnPicture(width=int(drawn[2]), height=int(drawn[3])))
    widened = widening(decision, PictureShape(*size, SQUARE, (0, 0)))
    if widened is None:
        return  # nothing passes
    assert bare(decision, widened, private, shown, size) == 0


@pytest.mark.parametrize(
    ("drawn", "sent", "widened"),
    [
        ((704, 576), (704, 576), 0),
        ((704, 576), (352, 288), 0),
        ((704, 576), (1408, 1152), 0),
        ((704, 576), (720, 576), 720 / 704 - 1),
        ((720, 576), (704, 576), 720 / 704 - 1),
        ((640, 360), (640, 368), 368 / 360 - 1),
        ((1920, 1080), (1920, 1088), 1088 / 1080 - 1),
        ((1920, 1080), (3840, 2176), 1088 / 1080 - 1),
        ((2560, 1920), (2592, 1944), 2592 / 2560 - 1),  # one shape, another window on the same sensor
        ((704, 576), (728, 576), None),
        ((704, 576), (720, 594), None),
        ((1280, 720), (1344, 756), None),  # one shape, 5 % larger: another window, as likely as not
        ((704, 576), (768, 576), None),
        ((640, 480), (640, 360), None),
        ((640, 512), (640, 480), None),
        ((704, 576), (576, 704), None),
    ],
)
def test_masks_grow_by_what_sizes_allow_to_have_moved_and_beyond_it_nothing_passes(
    drawn: tuple[int, int], sent: tuple[int, int], widened: float | None
) -> None:
    decision = of(drawn_on=DrawnPicture(width=drawn[0], height=drawn[1]))
    assert widening(decision, PictureShape(*sent, SQUARE, (0, 0))) == (
        None if widened is None else pytest.approx(widened)
    )


PAL_4_3, PAL_16_9 = Fraction(12, 11), Fraction(16, 11)


@pytest.mark.parametrize(
    ("drawn", "sent", "passes"),
    [
        ((704, 576, PAL_4_3), (704, 576, PAL_4_3), True),
        ((704, 576, PAL_4_3), (704, 576, PAL_16_9), False),
        ((704, 576, PAL_16_9), (704, 576, PAL_4_3), False),
        ((704, 576, PAL_4_3), (704, 576, SQUARE), False),
        ((704, 576, SQUARE), (704, 576, PAL_4_3), False),
        ((704, 576, PAL_4_3), (352, 288, PAL_4_3), True),
        ((704, 576, PAL_4_3), (768, 576, SQUARE), False),  # seen alike, but sampled otherwise: who knows
        ((960, 1080, Fraction(2)), (1920, 1080, SQUARE), False),
    ],
)
def test_the_shape_of_pixels_is_part_of_what_is_seen(
    drawn: tuple[int, int, Fraction], sent: tuple[int, int, Fraction], passes: bool
) -> None:
    picture = DrawnPicture(width=drawn[0], height=drawn[1], pixel_aspect=float(drawn[2]))
    assert widening(of(drawn_on=picture), PictureShape(*sent, (0, 0))) == (0 if passes else None)


def test_a_label_that_makes_two_shapes_equal_is_not_believed() -> None:
    """704 columns of 12:11 and 720 of 16:15 are both 4:3; most cameras show 8 more columns on either side."""
    shape = PictureShape(720, 576, Fraction(16, 15), (0, 0))
    known = of(drawn_on=DrawnPicture(width=704, height=576, pixel_aspect=12 / 11))
    assert widening(known, shape) == pytest.approx(720 / 704 - 1)
    assert widening(of(aspect=4 / 3), shape) == TOLERANCE  # how it was sampled nobody wrote down
    assert widening(of(aspect=4 / 3), PictureShape(704, 576, PAL_16_9, (0, 0))) is None


@pytest.mark.parametrize(
    ("drawn", "sent", "widened"),
    [
        ((16, 0), (16, 0), 0),
        ((0, 0), (16, 0), 16 / 704),
        ((16, 0), (0, 0), 16 / 704),
        ((0, 0), (0, 8), 8 / 576),
        ((8, 8), (16, 16), 8 / 576),
        ((0, 0), (32, 0), None),
        ((0, 0), None, None),
    ],
)
def test_a_window_of_the_same_size_elsewhere_is_another_view(
    drawn: tuple[int, int], sent: tuple[int, int] | None, widened: float | None
) -> None:
    picture = DrawnPicture(width=704, height=576, cropped_left=drawn[0], cropped_top=drawn[1])
    found = widening(of(drawn_on=picture), PictureShape(704, 576, SQUARE, sent))
    assert found == (None if widened is None else pytest.approx(widened))


def test_an_odd_picture_has_the_shape_of_the_even_one_that_people_draw_on() -> None:
    assert widening(of(drawn_on=DrawnPicture(width=162, height=98)), PictureShape(161, 97, SQUARE, (0, 0))) == 0


def test_a_decision_that_was_drawn_on_no_picture_fits_none_until_it_was_applied_to_one() -> None:
    wide, narrow = (PictureShape(704, 576, aspect, (0, 0)) for aspect in (PAL_16_9, PAL_4_3))
    assert widening(of(), wide) is None
    shapes, unreadable = FirstShapes(), PictureShape(704, 576, PAL_16_9, None)
    assert shapes.drawn("gate", Stream.MAIN, of(), unreadable) is None, "its window cannot be read"
    for seen, fits in ((wide, 0), (narrow, None), (wide, 0)):
        drawn = shapes.drawn("gate", Stream.MAIN, of(), seen)
        assert drawn is not None
        assert widening(drawn, seen) == fits
    other = shapes.drawn("gate", Stream.SUB, of(), narrow)
    assert other is not None
    assert widening(other, narrow) == 0, "the second stream is another picture"
    shapes.forget("gate")
    again = shapes.drawn("gate", Stream.MAIN, of(), narrow)
    assert again is not None
    assert widening(again, narrow) == 0


@pytest.mark.parametrize("mode", [MaskMode.BURN, MaskMode.OPEN])
def test_what_may_have_come_into_view_at_the_edge_is_covered_too(mode: MaskMode) -> None:
    polygons = of().polygons if mode is MaskMode.BURN else ()
    decision = of().model_copy(update={"mode": mode, "polygons": polygons})
    cover = MaskRaster(decision, 720, 576, 16 / 720).luma
    assert cover[:, :16].all()
    assert cover[:, -16:].all()
    assert cover[:12].all()
    assert cover[-12:].all()
    assert not cover[100:200, 20:700].any()


def of(**shape: object) -> MaskDecision:
    return decided((0.4, 0.8, 0.1, 0.1), (0, 0, 1, 1), **shape)
