"""One decoder: pictures in the order shown, one error for whatever cannot be decoded."""

from __future__ import annotations

from contextlib import suppress

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.common.media.footage import FPS, SIZE, TIME_BASE, film, numbers, picture

from beffroi_common.contracts import AccessUnit, Codec
from beffroi_common.media.decoding import DecodeError, Decoder

STEP = TIME_BASE.denominator // FPS


def reordered(count: int) -> list[AccessUnit]:
    """A group of pictures with B-frames."""
    encoder = av.VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = *SIZE, "yuv420p", TIME_BASE
    encoder.options = {"preset": "veryfast", "bf": "2", "b_strategy": "0"}
    packets = [packet for number in range(count) for packet in encoder.encode(picture(number))]
    packets += encoder.encode(None)
    return [AccessUnit(each.pts or 0, each.dts or 0, 1, each.is_keyframe, bytes(each)) for each in packets]


def test_without_reordering_each_unit_gives_its_picture_at_once() -> None:
    decoder = Decoder(Codec.H264)
    for batch in film(2):
        for unit in batch.units:
            (shown,) = decoder.decode(unit.data, unit.pts, unit.dts)
            assert (shown.pts, numbers([shown])) == (unit.pts, [unit.pts // STEP])
    assert decoder.flush() == []


def test_b_frames_come_in_the_order_in_which_they_are_shown() -> None:
    units = reordered(12)
    assert any(unit.pts != unit.dts for unit in units)
    decoder = Decoder(Codec.H264, reordered=True)
    shown = [frame for unit in units for frame in decoder.decode(unit.data, unit.pts, unit.dts)]
    assert len(shown) < len(units), "some are held back"
    shown += decoder.flush()
    assert numbers(shown) == list(range(12))
    assert [frame.pts for frame in shown] == sorted(unit.pts for unit in units)


def test_time_stamps_may_be_missing() -> None:
    decoder = Decoder(Codec.H264)
    (batch,) = film(1)
    assert numbers([frame for unit in batch.units for frame in decoder.decode(unit.data)]) == [0, 1, 2, 3]


@pytest.mark.parametrize("data", [b"\x00\x00\x01\x65" + bytes(50), b"no start code", b"\x00\x00\x00\x01\x67garbage"])
def test_what_cannot_be_decoded_is_one_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Decoder(Codec.H264).decode(data, 0, 0)


def test_a_picture_larger_than_allowed_is_refused() -> None:
    unit = film(1)[0].units[0]
    assert Decoder(Codec.H264, max_pixels=2 * SIZE[0] * SIZE[1]).decode(unit.data)
    with pytest.raises(DecodeError):
        Decoder(Codec.H264, max_pixels=SIZE[0] * SIZE[1] - 1).decode(unit.data)


def test_a_picture_with_pieces_missing_says_so() -> None:
    first, second, *_ = film(1)[0].units
    decoder = Decoder(Codec.H264)
    assert not decoder.decode(first.data)[0].is_corrupt
    third = film(1, first=2)[0].units[1]  # leans on a picture that never came
    shown = [*decoder.decode(second.data[: len(second.data) // 2]), *decoder.decode(third.data)]
    assert any(frame.is_corrupt for frame in shown)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(Codec)), st.lists(st.binary(min_size=1, max_size=200), max_size=5))
def test_hostile_bytes_give_pictures_or_that_one_error(codec: Codec, units: list[bytes]) -> None:
    decoder = Decoder(codec, max_pixels=10_000)
    with suppress(DecodeError):
        for number, data in enumerate(units):
            decoder.decode(b"\x00\x00\x00\x01" + data, number, number)
        decoder.flush()
