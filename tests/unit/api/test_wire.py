"""Live messages."""

from __future__ import annotations

import json
import struct

import pytest
from tests.application import film

from beffroi_api.modules.live.schemas import View
from beffroi_api.modules.live.wire import avc_codec, message

START_NS = 1_793_534_400_000_000_000


@pytest.mark.parametrize(
    ("stream", "codec"),
    [
        (b"\x00\x00\x00\x01\x67\x42\xc0\x1e\xff", "avc1.42c01e"),
        (b"\x00\x00\x01\x09\xf0\x00\x00\x01\x67\x64\x00\x28\xac", "avc1.640028"),
        (b"\x00\x00\x01\x65\x88\x84", None),
        (b"\x00\x00\x01\x67\x42", None),
        (b"\x00\x00\x01", None),
        (b"", None),
    ],
)
def test_codec_name(stream: bytes, codec: str | None) -> None:
    assert avc_codec(stream) == codec


def test_a_message_can_be_taken_apart() -> None:
    batch = film(2, start_ns=START_NS)[1]
    data = message(batch, View.MASKED, "avc1.42c00a", server_time_ms=77)
    (length,) = struct.unpack(">I", data[:4])
    header = json.loads(data[4 : 4 + length])
    units = header.pop("units")
    assert header == {
        "camera": "gate",
        "view": "masked",
        "epoch": 1,
        "sequence": 1,
        "mask_version": 1,
        "codec": "avc1.42c00a",
        "width": 160,
        "height": 96,
        "server_time_ms": 77,
    }
    assert [unit["key"] for unit in units] == [True, False, False, False, False]
    assert [unit["capture_time_ms"] for unit in units] == [START_NS // 1_000_000 + ms for ms in range(1000, 2000, 200)]
    assert [unit["pts_us"] for unit in units] == list(range(1_000_000, 2_000_000, 200_000))
    at = 4 + length
    for unit, sent in zip(units, batch.units, strict=True):
        assert data[at : at + unit["size"]] == sent.data
        at += unit["size"]
    assert at == len(data)
