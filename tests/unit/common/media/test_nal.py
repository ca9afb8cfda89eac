"""NAL units, parameter sets and codec strings, of good streams and of hostile ones."""

from __future__ import annotations

import io
from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beffroi_common.contracts import Codec
from beffroi_common.media.nal import (
    MAX_NAL_UNITS,
    SEARCHED_BYTES,
    SYNTAX,
    codec_string,
    is_annex_b,
    nal_units,
    parameter_sets,
)

SPS, PPS, IDR = b"\x67\x64\x00\x1f\xac", b"\x68\xee", b"\x65\x88\x84"
VPS_H, PPS_H, IDR_H = b"\x40\x01\x0c", b"\x44\x01\xc1", b"\x26\x01\xaf"
SPS_H = b"\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x5d\xa0"
"""Main profile, progressive, level 3.1, as x265 writes it: with the bytes that keep start codes out."""
S3, S4 = b"\x00\x00\x01", b"\x00\x00\x00\x01"

bytes_like_a_stream = st.lists(
    st.sampled_from([b"\x00", b"\x01", S3, S4, SPS, PPS, IDR, SPS_H, VPS_H, PPS_H, b"\x09\xf0", b"\xff"]), max_size=60
).map(b"".join) | st.binary(max_size=300)


def found(codec: Codec, data: bytes) -> list[bytes]:
    return [data[unit.begin : unit.end] for unit in nal_units(codec, data)]


@pytest.mark.parametrize("code", [S3, S4])
def test_units_are_found_with_short_and_long_start_codes(code: bytes) -> None:
    data = code + SPS + code + PPS + code + IDR
    assert found(Codec.H264, data) == [SPS, PPS, IDR]
    assert [data[unit.start :].startswith(code) for unit in nal_units(Codec.H264, data)] == [True] * 3
    assert [unit.kind for unit in nal_units(Codec.H264, data)] == [7, 8, 5]


@pytest.mark.parametrize("zeros", [0, 1, 2, SEARCHED_BYTES - 1, SEARCHED_BYTES, SEARCHED_BYTES + 1, 3 * SEARCHED_BYTES])
def test_trailing_zeros_belong_to_no_unit(zeros: int) -> None:
    padding = b"\x00" * zeros
    assert found(Codec.H264, S4 + SPS + padding + S4 + IDR + padding) == [SPS, IDR]


@pytest.mark.parametrize("data", [b"", b"\x00", b"no start code", S3, S4, S3 + b"\x00" * 100, S3 + S3 + S4])
def test_what_holds_no_unit_has_none(data: bytes) -> None:
    assert found(Codec.H264, data) == []


@given(bytes_like_a_stream)
def test_units_of_any_bytes_lie_in_order_and_apart(data: bytes) -> None:
    for codec in SYNTAX:
        units = list(nal_units(codec, data))
        assert all(data[unit.start : unit.begin] in (S3, S4) and unit.begin < unit.end <= len(data) for unit in units)
        assert all(before.end <= after.start for before, after in pairwise(units))
        assert found(codec, data) == [nal for each in data.split(S3)[1:] if (nal := each.rstrip(b"\x00"))]


@given(bytes_like_a_stream)
def test_any_bytes_have_a_codec_string_or_none(data: bytes) -> None:
    for codec in SYNTAX:
        sets, name = parameter_sets(codec, data), codec_string(codec, data)
        assert sets is None or sets.codec_string == name
        assert name is None or name.startswith(("avc1.", "hvc1."))


def test_the_search_ends_after_so_many_units() -> None:
    assert len(found(Codec.H264, (S3 + IDR) * (MAX_NAL_UNITS + 10))) == MAX_NAL_UNITS
    assert found(Codec.H264, S3 * (MAX_NAL_UNITS + 10) + SPS) == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [(S3 + IDR, True), (S4 + IDR, True), (b"\x00" + S4 + IDR, False), (b"\x00\x00\x00\x03" + IDR, False), (b"", False)],
)
def test_is_annex_b(data: bytes, expected: bool) -> None:
    assert is_annex_b(data) is expected


@pytest.mark.parametrize(
    ("codec", "unit", "name"),
    [
        (Codec.H264, S4 + SPS + S4 + PPS + S3 + IDR, "avc1.64001f"),
        (Codec.H264, S4 + b"\x09\x10" + S4 + SPS + S4 + PPS + S3 + b"\x06\x05\x01\x80" + S3 + IDR, "avc1.64001f"),
        (Codec.H264, S4 + SPS + S3 + IDR, None),
        (Codec.H264, S3 + IDR + S4 + SPS + S4 + PPS, None),
        (Codec.H264, S4 + b"\x67" + S4 + PPS + S3 + IDR, None),
        (Codec.H264, S4, None),
        (Codec.H264, b"", None),
        (Codec.H264, b"nothing of the kind", None),
        (Codec.HEVC, S4 + VPS_H + S4 + SPS_H + S4 + PPS_H + S3 + IDR_H, "hvc1.1.6.L93.90"),
        (Codec.HEVC, S4 + SPS_H + S4 + PPS_H + S3 + IDR_H, None),
        (Codec.HEVC, S4 + VPS_H + S4 + SPS_H[:16] + S4 + PPS_H + S3 + IDR_H, None),
    ],
)
def test_parameter_sets(codec: Codec, unit: bytes, name: str | None) -> None:
    sets = parameter_sets(codec, unit)
    assert (sets.codec_string if sets else None) == name


def test_several_sets_of_a_kind_are_kept_in_order() -> None:
    sets = parameter_sets(Codec.H264, S4 + SPS + S4 + PPS + S4 + PPS + b"\x01" + S3 + IDR)
    assert sets is not None
    assert (sets.sequence, sets.picture, sets.video) == (SPS, PPS + PPS + b"\x01", b"")


@pytest.mark.parametrize(
    ("codec", "stream", "name"),
    [
        (Codec.H264, S4 + b"\x67\x42\xc0\x1e\xff", "avc1.42c01e"),
        (Codec.H264, S3 + b"\x09\xf0" + S3 + b"\x67\x64\x00\x28\xac", "avc1.640028"),
        (Codec.H264, S3 + b"\x65\x88\x84", None),
        (Codec.H264, S3 + b"\x67\x42", None),
        (Codec.H264, S3, None),
        (Codec.H264, b"", None),
        (Codec.HEVC, S4 + SPS_H, "hvc1.1.6.L93.90"),
        (
            Codec.HEVC,
            S4 + b"\x42\x01\x01\xa2\x20\x00\x00\x03\x00\xb0\x00\x00\x03\x00\x00\x03\x00\x7b",
            "hvc1.B2.4.H123.B0",
        ),
        (Codec.HEVC, S4 + SPS_H[:10], None),
    ],
)
def test_codec_string(codec: Codec, stream: bytes, name: str | None) -> None:
    assert codec_string(codec, stream) == name


@pytest.mark.parametrize(
    ("codec", "encoder", "options", "name"),
    [
        (Codec.H264, "libx264", {"preset": "ultrafast", "tune": "zerolatency"}, "avc1.42c0"),
        (
            Codec.HEVC,
            "libx265",
            {"preset": "ultrafast", "x265-params": "log-level=none:repeat-headers=1"},
            "hvc1.1.6.L",
        ),
    ],
)
def test_a_browser_can_name_what_encoders_make(codec: Codec, encoder: str, options: dict[str, str], name: str) -> None:
    file = io.BytesIO()
    with av.open(file, "w", format=codec.value) as container:
        stream = container.add_stream(encoder, rate=10, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        container.mux([*stream.encode(av.VideoFrame(160, 96, "yuv420p")), *stream.encode(None)])
    sets = parameter_sets(codec, file.getvalue())
    assert sets is not None
    assert sets.codec_string.startswith(name)
