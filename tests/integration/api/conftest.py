"""The application on a real database: each test runs on SQLite and on PostgreSQL. Bus and store are doubles."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.application import FPS, NS, Running, Surroundings, eventually, film, in_memory, running, segment
from tests.messages import recording_of

from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.http.server import config
from beffroi_common.contracts import Recording
from beffroi_common.recordings.naming import segment_id
from beffroi_common.topics import RECORDINGS
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus, MemoryStore

V1 = "/api/v1"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a new, empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'api.sqlite3'}"
    url: str = request.getfixturevalue("postgres").create_database()
    return url


@dataclass
class Place:
    """Surroundings made of doubles, and the application in them; it can be stopped and started again."""

    around: Surroundings
    broker: MemoryBroker
    store: MemoryStore
    clock: ManualClock
    folder: Path
    running: int = 0

    @contextmanager
    def start(self, **changes: Any) -> Iterator[Running]:
        """Start it; at a restart it bears the name that it had, and beside another that runs a name of its own."""
        self.around.changes |= changes
        self.around.bus = MemoryBus(self.broker, instance=f"api-{self.running}")
        self.running += 1
        try:
            with running(self.around) as app:
                yield app
        finally:
            self.running -= 1


@pytest.fixture
def place(database_url: str, tmp_path: Path) -> Place:
    """Where an application can be started."""
    return Place(*in_memory(tmp_path, database_url=database_url), folder=tmp_path)


@pytest.fixture
def app(place: Place) -> Iterator[Running]:
    """A running application."""
    with place.start() as started:
        yield started


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Of the newest schema, and empty."""
    made = Database(database_url)
    migrations.upgrade(made)
    yield made
    made.close()


CAMERA = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}, "nominal_fps": 5}
BURN = {"mode": "burn", "polygons": [[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]]}
CORNERS = [[0, 0], [1, 0], [1, 1], [0, 1]]
ZONE = {"id": "crossroads", "name": "Crossroads", "kind": "sensitive", "shape": "polygon", "points": CORNERS}
RULE = {
    "id": "loitering",
    "rule": "loitering",
    "parameters": {"threshold_s": 10},
    "geometry": {"zone": "crossroads"},
}


@pytest.fixture
def make_camera(app: Running) -> Callable[..., dict[str, Any]]:
    """`make_camera(id="gate", masked=True)` → a camera with a decision on masks, a zone and a rule."""

    def make(camera: str = "gate", *, masked: bool = True) -> dict[str, Any]:
        client = app.administrator
        client.put(f"{V1}/cameras/{camera}", json=CAMERA).raise_for_status()
        answer = client.put(f"{V1}/cameras/{camera}/zones", json={"zones": [ZONE], "rules": [RULE]})
        if masked:
            answer = client.put(f"{V1}/cameras/{camera}/masking", json=BURN)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    return make


@pytest.fixture
def audited(app: Running) -> Callable[..., list[dict[str, Any]]]:
    """`audited("video_seen", …)` → rows of the trail with these actions, oldest first."""

    def read(*actions: str) -> list[dict[str, Any]]:
        rows = app.dpo.get(f"{V1}/audit", params={"limit": 500}).json()["items"]
        return [row for row in reversed(rows) if row["action"] in actions]

    return read


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Leaves what was entered."""
    with ExitStack() as entered:
        yield entered


@dataclass
class Recorded:
    """A segment on the bus and in the store."""

    recording: Recording
    content: bytes

    @property
    def id(self) -> str:
        return segment_id(self.recording.key)


@pytest.fixture
def record(place: Place) -> Callable[..., Recorded]:
    """`record(starts_at, seconds=4, …)` → a segment of camera `gate` or another, stored and announced."""

    def make(starts_at: datetime, seconds: int = 4, camera: str = "gate", **changes: Any) -> Recorded:
        start_ns = int(starts_at.timestamp()) * NS + starts_at.microsecond * 1000
        content = segment(film(seconds, camera=camera, start_ns=start_ns))
        name = f"segments/{starts_at:%Y-%m-%d}/{camera}/{starts_at:%H%M%S}.mp4"
        file = place.folder / "segment.mp4"
        file.write_bytes(content)
        place.store.put(name, file, "video/mp4", {})
        stored = recording_of(
            camera,
            starts_at,
            content,
            object_name=name,
            ends_at=starts_at + timedelta(seconds=seconds - 1 / FPS),
            frames=seconds * FPS,
            batches=seconds,
            changed_at=starts_at + timedelta(seconds=seconds + 1),
        ).model_copy(update=changes)
        tell(place, stored)
        return Recorded(stored, content)

    return make


def tell(place: Place, recording: Recording) -> None:
    """As the recorder does."""
    place.around.bus.producer().send(RECORDINGS, recording.key, recording, partition=0)


@pytest.fixture(name="tell")
def tell_fixture(place: Place) -> Callable[[Recording], None]:
    """See `tell`."""
    return lambda recording: tell(place, recording)


@pytest.fixture
def address(app: Running) -> Iterator[str]:
    """The running application behind a real server."""
    listening = socket.create_server(("127.0.0.1", 0))
    served = config(app.services.settings, app.asgi)
    served.lifespan = "off"
    server = uvicorn.Server(served)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    eventually(lambda: server.started)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    app.services.end_streams()
    server.should_exit = True
    thread.join()
    listening.close()
