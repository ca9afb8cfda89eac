"""One decoder: pictures in the order shown, one error for whatever cannot be decoded."""

from __future__ import annotations

import io
from contextlib import suppress

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.common.media.footage import FPS, SIZE, TIME_BASE, film, numbers, picture

from beffroi_common.contracts import AccessUnit, Codec
from beffroi_common.media.decoding import MAX_HELD_PIXELS, PARTS_A_PICTURE, DecodeError, Decoder

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


def large(side: int, references: int) -> bytes:
    """One key picture, of a stream in which later ones may lean on so many."""
    encoder = av.VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = side, side, "yuv420p", TIME_BASE
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": f"ref={references}"}
    flat = av.VideoFrame(side, side, "yuv420p")
    for plane in flat.planes:
        plane.update(bytes(plane.buffer_size))
    return b"".join(bytes(packet) for packet in encoder.encode(flat))


def test_a_stream_that_leans_on_more_pictures_than_memory_holds_is_refused_before_decoding() -> None:
    assert 3 * 4096 * 4096 < MAX_HELD_PIXELS < 17 * 4096 * 4096
    assert Decoder(Codec.H264).decode(large(4096, references=2))
    with pytest.raises(DecodeError, match="leans on more pictures"):
        Decoder(Codec.H264).decode(large(4096, references=16))


def test_pictures_held_back_are_bounded_in_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    units = reordered(12)
    monkeypatch.setattr("beffroi_common.media.decoding.MAX_HELD_PIXELS", 12 * SIZE[0] * SIZE[1])
    decoder = Decoder(Codec.H264, reordered=True)
    assert sum(len(decoder.decode(unit.data, unit.pts, unit.dts)) for unit in units) < 12
    nothing_comes = b"\x00\x00\x01\x0a"
    with pytest.raises(DecodeError, match="held back"):
        [decoder.decode(nothing_comes, 10**6 + n, 10**6 + n) for n in range(20)]


def test_slices_one_upon_the_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beffroi_common.media.decoding.BURST_PIXELS", 0)
    first, second, *_ = film(1)[0].units
    start = second.data.rindex(b"\x00\x00\x01")
    decoder = Decoder(Codec.H264)
    assert decoder.decode(first.data)
    assert decoder.decode(second.data)
    with pytest.raises(DecodeError, match="too many parts"):
        decoder.decode(second.data + second.data[start:] * PARTS_A_PICTURE)


def test_scans_one_upon_the_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beffroi_common.media.decoding.BURST_PIXELS", 0)
    written = io.BytesIO()
    with av.open(written, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuvj420p"
        for packet in (*stream.encode(picture(0).reformat(format="yuvj420p")), *stream.encode(None)):
            container.mux(packet)
    whole = written.getvalue()
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    assert Decoder(Codec.MJPEG).decode(whole)
    with pytest.raises(DecodeError, match="too many parts"):
        Decoder(Codec.MJPEG).decode(whole[:-2] + scan * PARTS_A_PICTURE + whole[-2:])
