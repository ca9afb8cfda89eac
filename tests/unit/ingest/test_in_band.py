"""Parameter sets end up in front of every key unit."""

from __future__ import annotations

import pytest

from beffroi_common.contracts import Codec
from beffroi_common.media.nal import START_CODE
from beffroi_ingest.in_band import MAX_SETS, InBandSets

SPS, PPS, SPS_2, PPS_2 = b"\x67\x64sps", b"\x68pps", b"\x67\x64other", b"\x68other"
DELIMITER, IDR, SLICE = b"\x09\xf0", b"\x65idr", b"\x41slice"
VPS_H, SPS_H, PPS_H, IDR_H = b"\x40\x01v", b"\x42\x01s", b"\x44\x01p", b"\x26\x01i"


def stream(*nals: bytes) -> bytes:
    return b"".join(START_CODE + nal for nal in nals)


@pytest.mark.parametrize("data", [b"", b"\x00", b"no start code", b"\x00\x00\x01"])
def test_what_is_no_byte_stream_is_left_alone(data: bytes) -> None:
    assert InBandSets(Codec.H264, None).complete(data, key=True) == data


@pytest.mark.parametrize(
    ("before", "unit", "expected"),
    [
        ([], stream(SPS, PPS, IDR), stream(SPS, PPS, IDR)),
        ([stream(SPS, PPS, IDR)], stream(IDR), stream(SPS, PPS, IDR)),
        ([stream(SPS, PPS, IDR)], stream(DELIMITER, IDR), stream(DELIMITER, SPS, PPS, IDR)),
        ([stream(SPS, PPS, IDR), stream(SPS_2, PPS_2, IDR)], stream(IDR), stream(SPS_2, PPS_2, IDR)),
        ([stream(SPS), stream(PPS)], stream(IDR), stream(SPS, PPS, IDR)),
    ],
)
def test_the_sets_in_force_come_before_a_key_unit(before: list[bytes], unit: bytes, expected: bytes) -> None:
    sets = InBandSets(Codec.H264, None)
    for each in before:
        sets.complete(each, key=IDR in each)
    assert sets.complete(unit, key=True) == expected


def test_sets_known_before_the_first_unit_are_used() -> None:
    assert InBandSets(Codec.H264, stream(SPS, PPS)).complete(stream(IDR), key=True) == stream(SPS, PPS, IDR)


def test_extradata_of_an_mp4_is_no_byte_stream_and_not_used() -> None:
    assert InBandSets(Codec.H264, b"\x01\x64\x00\x1f").complete(stream(IDR), key=True) == stream(IDR)


@pytest.mark.parametrize(
    ("known", "unit", "key"),
    [
        (stream(SPS, PPS), stream(SLICE), False),
        (stream(SPS, PPS), stream(SPS_2, PPS_2, IDR), True),
        (None, stream(IDR), True),
        (None, b"no byte stream", True),
    ],
    ids=["no key", "has its own", "none known", "nothing readable"],
)
def test_where_nothing_is_put_in_nothing_is_copied(known: bytes | None, unit: bytes, key: bool) -> None:
    assert InBandSets(Codec.H264, known).complete(unit, key=key) is unit


def test_h265_has_three_kinds_of_sets() -> None:
    sets = InBandSets(Codec.HEVC, stream(VPS_H, SPS_H, PPS_H))
    assert sets.complete(stream(IDR_H), key=True) == stream(VPS_H, SPS_H, PPS_H, IDR_H)


def test_jpeg_has_none() -> None:
    assert InBandSets(Codec.MJPEG, None).complete(b"\xff\xd8\xff", key=True) == b"\xff\xd8\xff"


def test_ever_new_sets_do_not_fill_the_memory() -> None:
    sets = InBandSets(Codec.H264, stream(SPS))
    for number in range(1000):
        sets.complete(stream(PPS + str(number).encode()), key=False)
    assert sets.complete(stream(IDR), key=True).count(START_CODE) == MAX_SETS + 1
