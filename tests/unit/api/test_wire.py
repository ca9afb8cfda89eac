"""Live messages."""

from __future__ import annotations

import json
import struct

from tests.application import film

from beffroi_api.modules.live.schemas import View
from beffroi_api.modules.live.streaming.viewer import Held
from beffroi_api.modules.live.streaming.wire import message

START_NS = 1_793_534_400_000_000_000


def test_a_message_can_be_taken_apart() -> None:
    batch = film(2, start_ns=START_NS)[1]
    data = message(Held(batch, "avc1.42c00a", batch.size_bytes, 0.0), View.MASKED, server_time_ms=77)
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
        "catching_up": False,
    }
    assert [unit["key"] for unit in units] == [True, False, False, False, False]
    assert [unit["capture_time_ms"] for unit in units] == [START_NS // 1_000_000 + ms for ms in range(1000, 2000, 200)]
    assert [unit["pts_us"] for unit in units] == list(range(1_000_000, 2_000_000, 200_000))
    at = 4 + length
    for unit, sent in zip(units, batch.units, strict=True):
        assert data[at : at + unit["size"]] == sent.data
        at += unit["size"]
    assert at == len(data)
