"""One recipe: what it makes stands alone, is never reordered, and is the same each time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.common.media.footage import CHEAP, FPS, SIZE, TIME_BASE, film, numbers, picture

from beffroi_common.contracts import Codec
from beffroi_common.media.decoding import Decoder
from beffroi_common.media.encoding import EncodeError, Encoder, Quality, Rhythm, encode
from beffroi_common.media.nal import SYNTAX, nal_units, parameter_sets

QUALITIES = [
    CHEAP,
    Quality("veryfast", 30),
    Quality("veryfast", 23, max_bitrate_bps=500_000),
    replace(CHEAP, threads=2),
]


def kinds(data: bytes) -> list[int]:
    return [unit.kind for unit in nal_units(Codec.H264, data)]


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_batch_stands_alone_and_nothing_in_it_is_reordered(quality: Quality) -> None:
    for batch in film(2, quality=quality):
        assert [unit.key for unit in batch.units] == [True] + [False] * (FPS - 1)
        assert [unit.pts for unit in batch.units] == [unit.dts for unit in batch.units]
        assert parameter_sets(Codec.H264, batch.units[0].data) is not None
        decoder = Decoder(Codec.H264)
        shown = [frame for unit in batch.units for frame in decoder.decode(unit.data, unit.pts, unit.dts)]
        assert numbers(shown) == list(range(batch.sequence * FPS, (batch.sequence + 1) * FPS))


@pytest.mark.parametrize("quality", QUALITIES)
def test_the_same_pictures_give_the_same_bytes_whatever_was_before(quality: Quality) -> None:
    (_, late), (alone,) = film(2, quality=quality), film(1, first=FPS, quality=quality)
    assert [unit.data for unit in late.units] == [unit.data for unit in alone.units]


def test_quality_costs_bits_and_a_bound_holds() -> None:
    fine, coarse, bound = (
        sum(batch.size_bytes for batch in film(4, quality=Quality("veryfast", crf, limit)))
        for crf, limit in ((5, None), (40, None), (5, 20_000))
    )
    assert coarse < fine
    assert bound < fine


def test_what_the_encoder_does_not_take_is_one_error() -> None:
    encoder = Encoder(*SIZE, "yuv420p", Quality("no_such_preset", 23), Rhythm(TIME_BASE))
    with pytest.raises(EncodeError):
        encoder.encode(picture(0))


def test_a_camera_sends_a_key_picture_as_often_as_it_is_told() -> None:
    encoder = Encoder(*SIZE, "yuv420p", CHEAP, Rhythm(TIME_BASE, FPS, key_every=3))
    packets = [encoder.encode(picture(number)) for number in range(7)]
    assert [packet.is_keyframe for packet in packets] == [True, False, False, True, False, False, True]
    assert all({7, 8, 5} <= set(kinds(bytes(packet))) for packet in packets if packet.is_keyframe)
    assert not any(SYNTAX[Codec.H264].parameters & set(kinds(bytes(each))) for each in packets if not each.is_keyframe)


def test_a_key_picture_can_be_asked_for() -> None:
    encoder = Encoder(*SIZE, "yuv420p", CHEAP, Rhythm(TIME_BASE))
    assert [encoder.encode(picture(number), key=number == 2).is_keyframe for number in range(4)] == [
        True, False, True, False,
    ]  # fmt: skip


def test_pictures_and_capture_times_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="shorter"):
        encode([picture(0), picture(1)], [1], TIME_BASE, CHEAP)
