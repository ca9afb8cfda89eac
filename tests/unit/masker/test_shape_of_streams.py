"""What streams say of the shape of their pictures reaches the decision, whatever says it, and in the middle too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import count

import av
import numpy as np
import pytest
from av import VideoFrame

from beffroi_common.contracts import Codec, DrawnPicture, FrameBatch, MaskDecision, MaskMode
from beffroi_common.media.encoding import Quality
from beffroi_masker.first_shapes import FirstShapes
from beffroi_masker.pictures import planes
from beffroi_masker.stream import Limits, MaskedStream, Reason

MakeRaw = Callable[..., list[FrameBatch]]
Noise = Callable[..., list[VideoFrame]]
Decode = Callable[[list[FrameBatch]], list[VideoFrame]]
WIDTH, HEIGHT = 176, 144
PAL_4_3, PAL_16_9 = "12/11", "16/11"

B_FRAMES = {"bf": "2", "preset": "veryfast"}


def after(first: list[FrameBatch], second: list[FrameBatch]) -> list[FrameBatch]:
    """Both as one stream without a break."""
    later = 2 * (first[-1].units[-1].pts + 90_000)
    numbers = count(len(first))
    moved = [
        replace(
            batch,
            sequence=next(numbers),
            units=tuple(replace(unit, pts=unit.pts + later, dts=unit.dts + later) for unit in batch.units),
        )
        for batch in second
    ]
    return first + moved


def results(stream: MaskedStream, raw: list[FrameBatch], decision: MaskDecision) -> list[FrameBatch | Reason]:
    found = [each.result for offset, batch in enumerate(raw) for each in stream.mask(batch, offset, decision)]
    return found + [each.result for each in stream.finish(decision)]


@pytest.fixture
def stream(limits: Limits, quality: Quality) -> MaskedStream:
    return MaskedStream(limits, quality, FirstShapes())


def drawn(burn: MaskDecision, pixel_aspect: str = "1", **cropped: int) -> MaskDecision:
    picture = DrawnPicture(width=WIDTH, height=HEIGHT, pixel_aspect=float(Fraction(pixel_aspect)), **cropped)
    return burn.model_copy(update={"drawn_on": picture})


@pytest.mark.parametrize("options", [{}, B_FRAMES])
def test_pixels_of_another_shape_in_the_middle_of_a_stream_pass_no_more(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision, options: dict[str, str]
) -> None:
    parts = [make_raw(noise(20, WIDTH, HEIGHT), pixel_aspect=sar, **options) for sar in (PAL_4_3, PAL_16_9, PAL_4_3)]
    first, middle, last = parts
    found = results(stream, after(after(first, middle), last), drawn(burn, PAL_4_3))
    passed = [isinstance(each, FrameBatch) for each in found]
    assert passed == [True] * len(first) + [False] * len(middle) + [True] * len(last)
    assert set(found[len(first) : len(first) + len(middle)]) == {Reason.OTHER_SHAPE}


@pytest.mark.parametrize(("codec", "sar"), [(Codec.HEVC, "12/11"), (Codec.MJPEG, "2/1")])
def test_every_codec_says_the_shape_of_its_pixels(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision, codec: Codec, sar: str
) -> None:
    pixel_format = "yuvj420p" if codec is Codec.MJPEG else "yuv420p"
    pictures = [noise(10, WIDTH, HEIGHT, pixel_format=pixel_format) for _ in range(2)]
    square, other = (
        make_raw(each, codec=codec, pixel_aspect=said) for each, said in zip(pictures, ("1", sar), strict=True)
    )
    found = results(stream, after(square, other), drawn(burn))
    assert [isinstance(each, FrameBatch) for each in found] == [True] * len(square) + [False] * len(other)
    assert all(isinstance(each, FrameBatch) for each in results(stream, other, drawn(burn, sar)))


def test_the_container_says_it_where_the_pictures_do_not(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    raw = [replace(batch, pixel_aspect=Fraction(PAL_16_9)) for batch in make_raw(noise(10, WIDTH, HEIGHT))]
    assert set(results(stream, raw, drawn(burn))) == {Reason.OTHER_SHAPE}
    assert set(results(stream, raw, drawn(burn, PAL_4_3))) == {Reason.OTHER_SHAPE}
    assert all(isinstance(each, FrameBatch) for each in results(stream, raw, drawn(burn, PAL_16_9)))


def test_masked_pictures_say_the_shape_of_their_pixels_too(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    raw = make_raw(noise(10, WIDTH, HEIGHT), pixel_aspect=PAL_4_3)
    for batch in results(stream, raw, drawn(burn, PAL_4_3)):
        assert isinstance(batch, FrameBatch)
        assert batch.pixel_aspect == Fraction(PAL_4_3)
        decoder = av.VideoCodecContext.create("h264", "r")
        assert isinstance(decoder, av.VideoCodecContext)
        decoder.decode(av.Packet(batch.units[0].data))
        assert decoder.sample_aspect_ratio == Fraction(PAL_4_3)


def test_square_pixels_are_said_nothing_of(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    said, unsaid = make_raw(noise(10, WIDTH, HEIGHT), pixel_aspect="1"), make_raw(noise(10, WIDTH, HEIGHT))
    for batch in results(stream, said, drawn(burn)) + results(stream, unsaid, drawn(burn)):
        assert isinstance(batch, FrameBatch)
        assert batch.pixel_aspect is None


def test_a_window_that_moves_within_what_is_encoded_is_another_view(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    """Both have 176 columns of the 208 that are encoded."""
    right, left = (
        make_raw(noise(10, WIDTH + 32, HEIGHT), **{"x264-params": f"crop-rect={rectangle}"})
        for rectangle in ("0,0,32,0", "32,0,0,0")
    )
    found = results(stream, after(right, left), drawn(burn))
    assert [isinstance(each, FrameBatch) for each in found] == [True] * len(right) + [False] * len(left)
    for batch in results(stream, left, drawn(burn, cropped_left=32)):
        assert isinstance(batch, FrameBatch)
        assert (batch.width, batch.cropped_left, batch.cropped_top) == (WIDTH, 32, 0)


@pytest.mark.parametrize("left", [0, 1, 2, 3, 4])
def test_a_camera_that_sends_a_few_columns_more_shows_nothing_of_what_is_private(
    stream: MaskedStream, make_raw: MakeRaw, decode: Decode, burn: MaskDecision, left: int
) -> None:
    """Whichever side they come in on: the sensor has 180 columns, private from number 150 on."""
    sensor = np.full((HEIGHT, 180), 60, dtype=np.uint8)
    sensor[:, 150:] = 220
    edge = (150 - left) / WIDTH
    decision = drawn(burn.model_copy(update={"polygons": (((edge, 0.0), (1.0, 0.0), (1.0, 1.0), (edge, 1.0)),)}))
    for columns in (sensor[:, left : left + WIDTH], sensor):
        passed = results(stream, make_raw([_grey(columns) for _ in range(5)], crf="4"), decision)
        batches = [each for each in passed if isinstance(each, FrameBatch)]
        assert batches == passed
        assert all(int(planes(picture)[0].max()) < 140 for picture in decode(batches))


def _grey(luma: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> VideoFrame:
    height, width = luma.shape
    return VideoFrame.from_ndarray(np.vstack([luma, np.full((height // 2, width), 128, np.uint8)]), "yuv420p")


@pytest.mark.parametrize("mode", [MaskMode.BURN, MaskMode.OPEN])
def test_a_decision_drawn_on_no_picture_is_bound_to_the_first_that_it_is_applied_to(
    stream: MaskedStream,
    make_raw: MakeRaw,
    noise: Noise,
    burn: MaskDecision,
    mode: MaskMode,
    limits: Limits,
    quality: Quality,
) -> None:
    """Another size of the same shape passes; another crop of the sensor does not, nor after a reconnection."""
    blind = (
        burn if mode is MaskMode.BURN else burn.model_copy(update={"mode": mode, "polygons": (), "reason": "a wall"})
    )
    first, second, later = (
        make_raw(noise(10, WIDTH, HEIGHT), pixel_aspect=sar) for sar in (PAL_4_3, PAL_16_9, PAL_4_3)
    )
    found = results(stream, after(after(first, second), later), blind)
    assert [isinstance(each, FrameBatch) for each in found] == [True] * len(first) + [False] * len(second) + [
        True
    ] * len(later)
    assert stream.drawn_blind
    other = make_raw(noise(10, WIDTH, HEIGHT), pixel_aspect=PAL_16_9, epoch=2)
    assert set(results(stream, other, blind)) == {Reason.OTHER_SHAPE}
    beside = MaskedStream(limits, quality, stream._first_shapes)  # as live views have one while the masker is late
    assert set(results(beside, make_raw(noise(10, WIDTH, HEIGHT), pixel_aspect=PAL_16_9), blind)) == {
        Reason.OTHER_SHAPE
    }
    again = blind.model_copy(update={"version": blind.version + 1})  # somebody decided anew, on no picture again
    assert all(isinstance(each, FrameBatch) for each in results(stream, other, again))
