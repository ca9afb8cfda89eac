"""A store that hangs costs a time-out now and then, and not the recording."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest
from pydantic import SecretStr
from tests.unit.recorder.conftest import Film, Running, Site, Start, interleaved

from beffroi_common.bus import Record
from beffroi_common.runtime.settings import StoreSettings
from beffroi_common.store import StoreUnavailable
from beffroi_common.store.minio import MinioStore
from beffroi_common.topics import FRAMES_MASKED
from beffroi_testing import ManualClock, MemoryStore

TIME_OUT_S = 30.0
SOURCE = (FRAMES_MASKED.name, 0)


class BlackHole(MemoryStore):
    """While it is away, each question takes the whole time-out. `tries` says when each was asked."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.manual = clock
        self.tries: list[float] = []
        self.make_bucket(14)

    def _reach(self) -> None:
        if self.away:
            self.tries.append(self.manual.monotonic_s())
            self.manual.advance(TIME_OUT_S)
        super()._reach()


def taken_between_tries(site: Site, life: Running, store: BlackHole, records: list[Record]) -> list[int]:
    """Hand records on, eight a second; how many were taken before each try."""
    counts = [0]
    for record in records:
        life.recorder.handle(record)
        counts[-1] += 1
        site.clock.advance(0.125)
        tries = len(store.tries)
        life.tick()
        assert len(store.tries) - tries <= 1, "more than one time-out in a turn"
        if len(store.tries) > tries:
            counts.append(0)
    return counts


def test_many_batches_are_taken_between_two_tries(site: Site, start: Start, film: Film) -> None:
    store = BlackHole(site.clock)
    site.put_on_bus(film(200))
    life = start(store)
    records = site.broker.log(SOURCE)
    life.recorder.handle(records[0])
    life.tick()
    store.away = True
    counts = taken_between_tries(site, life, store, records[1:])
    rests = [round(after - before - TIME_OUT_S, 3) for before, after in pairwise(store.tries)]
    assert all(rest >= wanted for rest, wanted in zip(rests, (0.5, 1.0, 2.0, 4.0, 4.0), strict=False))
    assert counts[1:4] == [4, 8, 16]
    assert set(counts[4:-1]) == {32}
    store.away = False
    life.go_idle()
    site.store = store
    assert site.numbers() == list(range(800))


def test_a_camera_met_in_vain_is_the_one_time_out_of_its_turn(site: Site, start: Start, film: Film) -> None:
    store = BlackHole(site.clock)
    site.put_on_bus([*film(61), *film(1, camera="square")])
    life = start(store)
    *gate, square = site.broker.log(SOURCE)
    for record in gate[:-1]:
        life.recorder.handle(record)
        life.tick()
    life.recorder.handle(gate[-1])  # a segment is finished
    store.away = True
    life.recorder.handle(square)
    life.tick()
    assert len(store.tries) == 1
    assert life.recorder.needed()[SOURCE] <= square.offset


def test_twenty_cameras_met_in_vain_ask_as_one(site: Site, start: Start, film: Film) -> None:
    store = BlackHole(site.clock)
    cameras = [f"camera-{number}" for number in range(20)]
    site.put_on_bus(interleaved(*(film(2, camera=camera) for camera in cameras)))
    life = start(store)
    store.away = True
    life.work_off()
    for _ in range(100):
        tries = len(store.tries)
        site.clock.advance(0.25)
        life.tick()
        assert len(store.tries) - tries <= 1, "more than one time-out in a turn"
    rests = [round(after - before - TIME_OUT_S, 3) for before, after in pairwise(store.tries)]
    assert all(rest >= wanted for rest, wanted in zip(rests, (0.5, 1.0, 2.0, 4.0, 4.0), strict=False))
    assert len(rests) >= 5
    store.away = False
    life.go_idle()
    assert sorted(each.camera for each in site.recordings) == sorted(cameras)


def asking(port: int, timeout_s: float) -> MinioStore:
    """A client of whoever listens there."""
    return MinioStore(
        "recordings",
        StoreSettings(
            endpoint=f"127.0.0.1:{port}",
            access_key="key",
            secret_key=SecretStr("secret"),
            secure=False,
            timeout_s=timeout_s,
        ),
    )


def test_a_question_to_a_store_that_hangs_takes_one_time_out() -> None:
    asked = []

    def accept() -> None:
        while True:
            try:
                asked.append(listening.accept()[0])
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        store = asking(listening.getsockname()[1], timeout_s=0.2)
        with pytest.raises(StoreUnavailable):
            store.stat("a")
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    for each in asked:
        each.close()
    assert len(asked) == 1


def test_a_connection_closed_while_idle_needs_no_retry() -> None:
    class Hasty(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 0.5
        asked = 0

        def do_HEAD(self) -> None:
            type(self).asked += 1
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hasty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = asking(server.server_port, timeout_s=5.0)
        for _ in range(3):
            assert store.stat("a") is None
            time.sleep(1.0)
        server.shutdown()
    assert Hasty.asked == 3
