"""The application with doubles around it and people in it, for tests that go through its routes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from argon2 import PasswordHasher
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.testclient import TestClient

from beffroi_api.authz.roles import Role
from beffroi_api.authz.scope import Scope
from beffroi_api.authz.territory import EVERYWHERE, Territory
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.http.app import create_app
from beffroi_api.http.paths import API_PREFIX
from beffroi_api.http.security import CSRF_HEADER
from beffroi_api.modules.audit.chain.seal import Seal
from beffroi_api.modules.live.schemas import View
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.modules.users import repository as users
from beffroi_api.process.services import ProcessServices
from beffroi_api.services import Services
from beffroi_api.settings import ApiSettings
from beffroi_common import pattern
from beffroi_common.bus import Bus
from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, Stream
from beffroi_common.media.decoding import Decoder
from beffroi_common.media.mp4_writer import FragmentWriter
from beffroi_common.media.samples import samples
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.health import Health
from beffroi_common.store import ObjectStore
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus, MemoryStore

TRAIL_KEY = "0123456789abcdef" * 4
SECOND_FACTOR_KEY = "fedcba9876543210" * 4
SEAL = Seal(bytes.fromhex(TRAIL_KEY))
PASSWORD = "correct horse battery"
ADDRESS = "https://testserver"
"""By https, or the client would not send a Secure cookie back."""

SYSTEM = Scope.system("a test looks at everything")

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""The cost of a check is in the hash: tests need not pay for a guesser's patience."""

FPS = 5
GOP = 5
NS = 1_000_000_000
TIME_BASE = Fraction(1, 90_000)
SIZE = (160, 96)


@dataclass
class Surroundings:
    """What the application stands on."""

    database_url: str
    bus: Bus
    stores: Sequence[ObjectStore]
    clock: Clock
    console: Path
    changes: dict[str, Any] = field(default_factory=dict)
    """Settings that differ."""
    territories: dict[str, Territory] = field(default_factory=dict)
    """Of users who may not know of every camera. May be changed while the application runs."""

    def territory_of(self, user: str) -> Territory:
        """Which cameras a user may know of."""
        return self.territories.get(user, EVERYWHERE)

    @property
    def settings(self) -> ApiSettings:
        """Of this application."""
        fields: dict[str, Any] = {
            "kafka": {"bootstrap_servers": "unused:9092"},
            "stores": {
                each.name: {"endpoint": "unused:9000", "access_key": "key", "secret_key": SecretStr("secret")}
                for each in self.stores
            },
            "database_url": self.database_url,
            "database_pool": 5,
            "trail_key": TRAIL_KEY,
            "second_factor_key": SECOND_FACTOR_KEY,
            "instance": "test",
            "slots": 2,
        }
        return ApiSettings.model_validate(fields | self.changes)


class Client(TestClient):
    """A browser: by https, its WebSockets too."""

    def websocket_connect(self, url: str, *arguments: Any, **options: Any) -> Any:
        """See starlette, which would ask by ws and leave a Secure cookie out."""
        return super().websocket_connect(f"{ADDRESS.replace('https', 'wss')}{url}", *arguments, **options)


@dataclass
class Running:
    """An application that runs, with a client for each role."""

    asgi: FastAPI
    services: Services
    bugs: list[BaseException]
    _clients: dict[str, TestClient] = field(default_factory=dict)

    def as_(self, role: Role | str | None) -> TestClient:
        """A client signed in as a person of that role; None: not signed in."""
        name = str(role)
        if name not in self._clients:
            client = Client(self.asgi, base_url=ADDRESS, headers={CSRF_HEADER: "1"})
            if role is not None:
                answer = client.post(f"{API_PREFIX}/session", json={"username": name, "password": PASSWORD})
                answer.raise_for_status()
            self._clients[name] = client
        return self._clients[name]

    @property
    def operator(self) -> TestClient:
        """Watches."""
        return self.as_(Role.OPERATOR)

    @property
    def administrator(self) -> TestClient:
        """Configures."""
        return self.as_(Role.ADMINISTRATOR)

    @property
    def dpo(self) -> TestClient:
        """Audits."""
        return self.as_(Role.DPO)


@contextmanager
def running(around: Surroundings) -> Iterator[Running]:
    """Start the application on an up-to-date database with one person of each role, and stop it."""
    prepare(around)
    settings, bugs = around.settings, list[BaseException]()

    def services() -> Services:
        health = Health(around.clock, settings.heartbeat_timeout_s)
        return Services(
            settings, around.bus, Stores(around.stores), around.clock, health, bugs.append, around.territory_of
        )

    app = create_app(settings, services, around.console)
    with TestClient(app, base_url=ADDRESS):
        yield Running(app, app.state.services, bugs)
    assert not bugs, bugs


def prepare(around: Surroundings) -> None:
    """Bring the database up to date and put one person of each role in it."""
    database = Database(around.database_url, pool_size=1)
    migrations.upgrade(database)
    with database.write(SYSTEM) as session:
        for role in Role:
            if users.by_name(session, role.value) is None:
                users.add(
                    session,
                    username=role.value,
                    display_name=role.value.title(),
                    role=role.value,
                    language="fr",
                    password_hash=CHEAP.hash(PASSWORD),
                    password_given=False,
                    at=around.clock.now(),
                )
    database.close()


def in_memory(folder: Path, **changes: Any) -> tuple[Surroundings, MemoryBroker, MemoryStore, ManualClock]:
    """Surroundings made of doubles and a SQLite file."""
    clock = ManualClock()
    broker, store = MemoryBroker(slots=2, clock=clock), MemoryStore(clock)
    url = changes.pop("database_url", f"sqlite:///{folder / 'api.sqlite3'}")
    return Surroundings(url, MemoryBus(broker), [store], clock, folder / "console", changes), broker, store, clock


def film(
    batches: int,
    *,
    camera: str = "gate",
    start_ns: int,
    epoch: int = 1,
    first_sequence: int = 0,
    gop: int = GOP,
    mask_version: int = 1,
    per_batch: int = GOP,
) -> list[FrameBatch]:
    """Masked batches of a second each, with the number of the picture burned in."""
    units = _units(batches * per_batch, gop, start_ns, first_sequence * per_batch)
    return [
        FrameBatch(
            camera=camera,
            stream=Stream.MAIN,
            epoch=epoch,
            sequence=first_sequence + index,
            time_base=TIME_BASE,
            codec=Codec.H264,
            width=SIZE[0],
            height=SIZE[1],
            mask_version=mask_version,
            units=tuple(units[index * per_batch : (index + 1) * per_batch]),
        )
        for index in range(batches)
    ]


def segment(batches: Sequence[FrameBatch]) -> bytes:
    """A recording of these batches, as the recorder makes them: fragmented MP4, each fragment with its capture time."""
    pictures = [sample for batch in batches for sample in samples(batch)]
    writer = FragmentWriter(pictures[0], {})
    for sample in pictures:
        writer.add(sample)
    writer.close()
    return writer.take()


def buffered(services: ProcessServices, camera: str = "gate") -> list[int]:
    """Sequence numbers of what the live views of a camera hold in memory."""
    channel = services.buffer._channels.get((camera, View.MASKED))
    return [held.batch.sequence for held in tuple(channel.held)] if channel is not None else []


def number_of(jpeg: bytes) -> int | None:
    """The number burned into a still."""
    (frame,) = Decoder(Codec.MJPEG).decode(jpeg)
    luma: np.ndarray[Any, Any] = frame.to_ndarray()
    return pattern.read(luma[: frame.height])


def _units(count: int, gop: int, start_ns: int, first: int) -> Sequence[AccessUnit]:
    encoder = av.VideoCodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *SIZE, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    parameters = f"keyint={gop}:min-keyint={gop}:scenecut=0:repeat-headers=1:threads=1"
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": parameters}
    packets = []
    for index in range(count):
        luma = pattern.draw(first + index, *SIZE)
        picture = av.VideoFrame.from_ndarray(
            np.vstack([luma, np.full((SIZE[1] // 2, SIZE[0]), 128, np.uint8)]), format="yuv420p"
        )
        picture.pts = index
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    step = TIME_BASE.denominator // FPS
    return [
        AccessUnit(
            (first + index) * step, (first + index) * step, start_ns + index * NS // FPS, p.is_keyframe, bytes(p)
        )
        for index, p in enumerate(packets)
    ]


Film = Callable[..., list[FrameBatch]]


def eventually(condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """Wait until `condition` gives something true, and return it; threads of the application bring it about.

    Raises:
        TimeoutError: it did not, in a time far longer than it takes.
    """
    give_up_s = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"not so after {timeout_s} s: {condition}")
        time.sleep(0.02)
    return found
