"""The api as a process of its own, on a real database and doubles for broker and store, and people who ask it."""

from __future__ import annotations

import http.client
import json
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn
from tests.application import PASSWORD, Surroundings, film, prepare
from tests.messages import recording_of

from beffroi_api.http.app import create_app
from beffroi_api.http.paths import API_PREFIX
from beffroi_api.http.security import CSRF_HEADER
from beffroi_api.http.server import config
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.services import Services
from beffroi_common.contracts import CameraStatus, Level
from beffroi_common.recordings.naming import segment_id
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.health import Health
from beffroi_common.topics import FRAMES_MASKED, RECORDINGS, STATUS
from beffroi_testing import MemoryBroker, MemoryBus, MemoryStore

SAYING = ("ingest", "masker", "recorder", "rules")
"""Services that say something of each camera."""

SAID_EVERY_S = 5.0
"""As they do."""

RECORDED = "segments/gate.mp4"
SEGMENT_BYTES = 8_000_000
VIDEO = f"/cameras/gate/recordings/{segment_id(f'recordings/{RECORDED}')}/video"
"""Of the one recording."""

FILLER_BYTES = 100_000
"""Of each of five pictures a second: 4 Mbit/s."""


@dataclass(frozen=True)
class Api:
    """A process that serves."""

    port: int
    pid: int

    @property
    def resident_mib(self) -> float:
        """Its memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    @property
    def cpu_s(self) -> float:
        """The time it has computed."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def sign_in(self, person: str) -> str:
        """Returns the cookie."""
        body = json.dumps({"username": person, "password": PASSWORD}).encode()
        visitor = Visitor(self)
        assert visitor.ask("POST", "/session", body) == 200
        return visitor.cookie


class Visitor:
    """One connection that asks one thing after the other."""

    def __init__(self, api: Api, cookie: str = "", source: str = "127.0.0.1") -> None:
        self.cookie = cookie
        self._connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60, source_address=(source, 0))

    def ask(self, method: str, path: str, body: bytes | None = None) -> int:
        """Returns the status of the answer, once it is whole."""
        headers = {CSRF_HEADER: "1", "Cookie": self.cookie, "Content-Type": "application/json"}
        self._connection.request(method, API_PREFIX + path, body, headers)
        answer = self._connection.getresponse()
        answer.read()
        if (set_cookie := answer.headers.get("Set-Cookie")) is not None:
            self.cookie = set_cookie.split(";")[0]
        return answer.status

    def read(self, path: str) -> Any:
        """What is answered, as JSON."""
        self._connection.request("GET", API_PREFIX + path, headers={"Cookie": self.cookie})
        return json.load(self._connection.getresponse())

    def times_s(self, path: str, count: int) -> list[float]:
        """How long it takes to get an answer, sorted."""
        found = []
        for _ in range(count):
            began_s = time.perf_counter()
            status = self.ask("GET", path)
            found.append(time.perf_counter() - began_s)
            assert status == 200, f"{path}: {status}"
        return sorted(found)


def p95(sorted_s: list[float]) -> float:
    """Of sorted times."""
    return sorted_s[math.ceil(0.95 * len(sorted_s)) - 1]


@contextmanager
def serving(database_url: str, folder: Path, cameras: int = 0, **changes: Any) -> Iterator[Api]:
    """Run the api on a database, with statuses of so many cameras on the bus, and pictures of camera `gate`."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(database_url, folder, cameras, changes, theirs))
    process.start()
    try:
        assert process.pid is not None
        yield Api(ours.recv(), process.pid)
    finally:
        process.terminate()
        process.join()


def camera_name(number: int) -> str:
    """Of the cameras of a large installation."""
    return "gate" if number == 0 else f"camera-{number:04}"


def _serve(database_url: str, folder: Path, cameras: int, changes: dict[str, Any], started: Connection) -> None:
    clock = SystemClock()
    bus = MemoryBus(MemoryBroker(slots=2, clock=clock))
    store = MemoryStore(clock)
    around = Surroundings(database_url, bus, [store], clock, folder, changes)
    prepare(around)
    settings = around.settings

    def services() -> Services:
        health = Health(clock, settings.heartbeat_timeout_s)
        return Services(settings, bus, Stores(around.stores), clock, health, lambda bug: print(f"bug: {bug!r}"))

    if not cameras:
        _record(bus, store, folder)
    threading.Thread(target=_say, args=(bus, cameras), daemon=True).start()
    threading.Thread(target=_play, args=(bus,), daemon=True).start()
    served = config(settings, create_app(settings, services, folder))
    served.port = 0  # a free one
    server = uvicorn.Server(served)
    threading.Thread(target=_tell_port, args=(server, started), daemon=True).start()
    server.run()


def _tell_port(server: uvicorn.Server, started: Connection) -> None:
    while not server.started:
        time.sleep(0.05)
    started.send(server.servers[0].sockets[0].getsockname()[1])


def _say(bus: MemoryBus, cameras: int) -> None:
    """What services say of their cameras, again and again."""
    producer, clock = bus.producer(), SystemClock()
    for number in cycle(range(cameras)):
        for service in SAYING:
            status = CameraStatus(
                camera=camera_name(number), service=service, level=Level.OK, code="running", message="", at=clock.now()
            )
            producer.send(STATUS, status.key, status)
        time.sleep(SAID_EVERY_S / cameras)


def _record(bus: MemoryBus, store: MemoryStore, folder: Path) -> None:
    """A minute of one camera, an hour ago."""
    at, content, file = SystemClock().now() - timedelta(hours=1), bytes(SEGMENT_BYTES), folder / "segment.mp4"
    file.write_bytes(content)
    stored = recording_of("gate", at, content, object_name=RECORDED)
    store.put(RECORDED, file, "video/mp4", {})
    bus.producer().send(RECORDINGS, stored.key, stored, partition=0)


def _play(bus: MemoryBus) -> None:
    """Pictures of one camera as they would come, the same ones again and again."""
    producer, (pattern,) = bus.producer(), film(1, start_ns=0)
    whole = replace(pattern, units=tuple(replace(unit, data=unit.data + bytes(FILLER_BYTES)) for unit in pattern.units))
    sequence = 0
    while True:
        now_ns = time.time_ns()
        units = tuple(replace(unit, capture_time_ns=now_ns) for unit in whole.units)
        producer.send(FRAMES_MASKED, "gate", replace(whole, sequence=sequence, units=units), partition=0)
        sequence += 1
        time.sleep(1)
