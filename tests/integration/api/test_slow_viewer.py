"""A browser that does not keep up sees newer pictures, not a growing pile of old ones. Over a real socket."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.application import Running, buffered, eventually, film
from websockets.sync.client import connect

from beffroi_api.http.access import COOKIE
from beffroi_api.modules.live.schemas import View
from beffroi_common.contracts import FrameBatch
from beffroi_common.topics import FRAMES_MASKED

BATCHES = 150
FILLER_BYTES = 200_000


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind of database is enough for what hardly asks it."""
    return f"sqlite:///{tmp_path / 'api.sqlite3'}"


def large(batches: list[FrameBatch]) -> Iterator[FrameBatch]:
    """A megabyte each, as a second of 8 Mbit/s."""
    for batch in batches:
        yield replace(batch, units=tuple(replace(unit, data=unit.data + bytes(FILLER_BYTES)) for unit in batch.units))


def sequence(data: bytes | str) -> int:
    assert isinstance(data, bytes)
    (length,) = struct.unpack(">I", data[:4])
    number: int = json.loads(data[4 : 4 + length])["sequence"]
    return number


def test_it(place: Any, app: Running, address: str, make_camera: Callable[..., Any]) -> None:
    make_camera()
    url = f"{address.replace('http', 'ws')}/api/v1/cameras/gate/live"
    headers = {"Cookie": f"{COOKIE}={app.operator.cookies[COOKIE]}"}
    producer = place.around.bus.producer()
    batches = film(BATCHES, start_ns=place.clock.now_ns())
    with connect(url, additional_headers=headers, compression=None, max_size=None, max_queue=1) as live:
        assert json.loads(live.recv(30))["type"] == "state"
        for batch in large(batches):
            producer.send(FRAMES_MASKED, "gate", batch, partition=0)
        eventually(lambda: buffered(app.services)[-1:] == [BATCHES - 1])
        (viewer,) = app.services.buffer._channels["gate", View.MASKED].viewers
        eventually(lambda: viewer._size_bytes <= app.services.settings.live.queue_bytes_per_viewer)
        seen = [sequence(live.recv(30))]
        while seen[-1] < BATCHES - 1:
            seen.append(sequence(live.recv(30)))
    assert seen == sorted(seen)
    assert len(seen) < BATCHES / 2
