"""The real api behind a real port, with doubles of bus and store, and cameras that play on it."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from tests.application import PASSWORD, Surroundings, eventually, prepare
from tests.messages import alert_of, recording_of

from beffroi_api.authz.scope import Scope
from beffroi_api.http.access import COOKIE
from beffroi_api.http.app import create_app
from beffroi_api.http.console import BUILT
from beffroi_api.modules.cameras import repository
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.services import Services
from beffroi_common import contracts
from beffroi_common.bus import Producer
from beffroi_common.contracts import (
    AccessUnit,
    Alert,
    AlertState,
    CameraStatus,
    CloseReason,
    Codec,
    FrameBatch,
    Level,
    ServiceStatus,
    Stream,
)
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.health import Health
from beffroi_common.topics import ALERTS, FRAMES_ANNOTATED, FRAMES_MASKED, RECORDINGS, STATUS, Topic
from beffroi_testing import MemoryBroker, MemoryBus, MemoryStore

from .footage import FPS, GOP, TICKS, TIME_BASE, Footage

V1 = "/api/v1"
NS = 1_000_000_000
SCOPE = Scope.system("a test looks at everything")
BATCH_S = GOP / FPS
MASK = [[[0.0, 0.0], [0.4, 0.0], [0.4, 0.2], [0.0, 0.2]]]
SQUARE = [[0.3, 0.3], [0.9, 0.3], [0.9, 0.9], [0.3, 0.9]]


@dataclass
class Camera:
    """Plays footage on the bus in a loop, at its own pace, until it is stopped."""

    id: str
    producer: Producer
    footage: Footage
    mask_version: int
    slot: int
    topic: Topic = FRAMES_MASKED
    delay_s: float = 0.0
    """How old its pictures are when they come."""
    _epoch: int = 0
    _sequence: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin a new epoch, as after a reconnection."""
        self._epoch, self._sequence = datetime.now(UTC).microsecond + int(datetime.now(UTC).timestamp()) * 10**6, 0
        self._stop.clear()
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _play(self) -> None:
        clock = SystemClock()
        began_s = clock.monotonic_s()
        while True:
            self.producer.send(self.topic, self.id, self._batch(clock.now_ns()), partition=self.slot)
            self._sequence += 1
            if self._stop.wait(max(0.0, began_s + self._sequence * BATCH_S - clock.monotonic_s())):
                return

    def _batch(self, now_ns: int) -> FrameBatch:
        first = self._sequence * GOP
        newest_ns = now_ns - int(self.delay_s * NS)
        units = [
            AccessUnit(
                pts=number * TICKS,
                dts=number * TICKS,
                capture_time_ns=newest_ns - (first + GOP - 1 - number) * NS // FPS,
                key=number % GOP == 0,
                data=self.footage.units[number % len(self.footage.units)],
            )
            for number in range(first, first + GOP)
        ]
        return FrameBatch(
            camera=self.id,
            stream=Stream.MAIN,
            epoch=self._epoch,
            sequence=self._sequence,
            time_base=TIME_BASE,
            codec=Codec.H264,
            width=self.footage.width,
            height=self.footage.height,
            mask_version=self.mask_version,
            units=tuple(units),
        )


@dataclass
class Stage:
    """What a test does to the world behind the console."""

    url: str
    services: Services
    administrator: httpx.Client
    dpo: httpx.Client
    producer: Producer
    store: MemoryStore
    broker: MemoryBroker
    cameras: dict[str, Camera] = field(default_factory=dict)

    def add_camera(self, camera: str, name: str, footage: Footage, *, masked: bool = True) -> Camera:
        """Configure a camera; it plays once it is started."""
        source = {"url": f"pattern:{footage.width}x{footage.height}@{FPS}"}
        fields = {"name": name, "commune": "Lille", "source": source, "nominal_fps": FPS}
        made = self._put(camera, "", fields)
        version, slot = made["version"], made["slot"]
        zone = {"id": "parvis", "name": "Parvis", "kind": "sensitive", "shape": "polygon", "points": SQUARE}
        rule = {
            "id": "loitering",
            "rule": "loitering",
            "parameters": {"threshold_s": 10},
            "geometry": {"zone": "parvis"},
        }
        self._put(camera, "/zones", {"zones": [zone], "rules": [rule]})
        if masked:
            decided = {"mode": "burn", "polygons": MASK, "reason": "Fenêtres d’habitation"}
            version = self._put(camera, "/masking", decided)["masking"]["version"]
        self.cameras[camera] = Camera(camera, self.producer, footage, version, slot)
        return self.cameras[camera]

    def annotated(self, camera: str, footage: Footage) -> Camera:
        """Annotated pictures of a camera, as vision would draw them."""
        masked = self.cameras[camera]
        self.cameras[f"{camera}/annotated"] = Camera(
            camera, self.producer, footage, masked.mask_version, masked.slot, FRAMES_ANNOTATED
        )
        return self.cameras[f"{camera}/annotated"]

    def raise_alert(self, camera: str, *, ago_s: float = 0.0, number: int = 0, closed: bool = False) -> Alert:
        """Open an alert, and close it at once if asked."""
        at = datetime.now(UTC) - timedelta(seconds=ago_s)
        opened = alert_of(
            camera,
            at,
            id=hashlib.sha256(f"{camera} {at} {number}".encode()).hexdigest()[:32],
            zone="parvis",
            parameters={"threshold_s": 10},
            legal_basis="Arrêté 2026-17",
            onset=at - timedelta(seconds=10),
            track=f"t{number}",
            box=(0.4, 0.4, 0.5, 0.8),
        )
        self.producer.send(ALERTS, camera, opened, partition=0)
        if closed:
            self.close_alert(opened)
        return opened

    def close_alert(self, alert: Alert) -> None:
        """The person left."""
        changes = {
            "state": AlertState.CLOSED,
            "closed_reason": CloseReason.LEFT,
            "occurred_at": alert.occurred_at + timedelta(seconds=12),
        }
        self.producer.send(ALERTS, alert.camera, alert.model_copy(update=changes), partition=0)

    def record(self, camera: str, starts_at: datetime, footage: Footage) -> str:
        """Store a segment. Returns the name of its object."""
        content = footage.mp4()
        name = f"{camera}/{starts_at:%Y-%m-%d/%H-%M-%S.%f}.mp4"
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).write_bytes(content)
            self.store.put(name, Path(file.name), "video/mp4", {})
        frames = len(footage.units)
        stored = recording_of(
            camera,
            starts_at,
            content,
            object_name=name,
            ends_at=starts_at + timedelta(seconds=(frames - 1) / FPS),
            frames=frames,
            batches=frames // GOP,
            width=footage.width,
            height=footage.height,
            codec="avc1.42c01e",
            changed_at=datetime.now(UTC),
        )
        self.producer.send(RECORDINGS, stored.key, stored, partition=0)
        eventually(lambda: name in self.recorded(camera))
        return name

    def recorded(self, camera: str) -> list[str]:
        """Objects the api knows of."""
        answer = self.administrator.get(f"{V1}/cameras/{camera}/recordings").raise_for_status()
        return [segment["object"] for segment in answer.json()["segments"]]

    def say(
        self,
        camera: str,
        service: str,
        level: Level,
        code: str,
        message: str,
        resting_rules: Mapping[str, str] | None = None,
    ) -> None:
        """What a service says of a camera and of itself."""
        now = datetime.now(UTC)
        of_camera = CameraStatus(
            camera=camera,
            service=service,
            level=level,
            code=code,
            message=message,
            at=now,
            resting_rules=dict(resting_rules or {}),
        )
        of_service = ServiceStatus(
            service=service, instance="1", level=level, code="running", message="", at=now, started_at=now
        )
        for status in (of_camera, of_service):
            self.producer.send(STATUS, status.key, status, partition=0)

    def acknowledge(self, alert: Alert) -> None:
        """Take an alert as the administrator."""
        eventually(lambda: alert.id in [each["id"] for each in self._get("/alerts")["items"]])
        self.administrator.post(f"{V1}/alerts/{alert.id}/acknowledgement").raise_for_status()

    def trail(self) -> list[dict[str, Any]]:
        """The audit trail, newest first."""
        rows: list[dict[str, Any]] = self.dpo.get(f"{V1}/audit").raise_for_status().json()["items"]
        return rows

    def camera(self, camera: str) -> dict[str, Any]:
        """A camera as the api has it."""
        return self._get(f"/cameras/{camera}")

    def document(self, camera: str) -> dict[str, Any]:
        """A camera as the database has it."""
        with self.services.database.read(SCOPE) as session:
            row = repository.find(session, camera)
            assert row is not None
            found: dict[str, Any] = json.loads(row.document)
            return found

    def let_another_release_save(self, camera: str, zone: dict[str, Any], rule: dict[str, Any]) -> None:
        """Add a zone and a rule that this release might not save so."""
        with self.services.database.write(SCOPE) as session:
            row = repository.find(session, camera, for_change=True)
            assert row is not None
            before = repository.document(row).model_dump()
            added = {"zones": [*before["zones"], zone], "rules": [*before["rules"], rule]}
            repository.write(row, contracts.Camera.model_validate(before | added | {"version": before["version"] + 1}))

    def end_views(self) -> None:
        """Cut every live view, as a restart of the api does."""
        self.services.buffer.end_views()

    def end_news(self) -> None:
        """Cut every stream of news."""
        self.services.fanout.end_all()

    def change(self, camera: str, part: str, value: Any) -> None:
        """Change a camera as somebody else would."""
        self._put(camera, part, value)

    def _get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.administrator.get(f"{V1}{path}").raise_for_status().json()
        return found

    def _put(self, camera: str, part: str, value: Any) -> dict[str, Any]:
        answer = self.administrator.put(f"{V1}/cameras/{camera}{part}", json=value).raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def signed_in(url: str, name: str) -> Iterator[httpx.Client]:
    """A person's program."""
    with httpx.Client(base_url=url, headers={"X-Beffroi-Request": "1"}, timeout=30.0) as client:
        answer = client.post(f"{V1}/session", json={"username": name, "password": PASSWORD}).raise_for_status()
        client.headers["Cookie"] = f"{COOKIE}={answer.cookies[COOKIE]}"  # Secure, and this is http
        yield client


@contextmanager
def staged(folder: Path, **changes: Any) -> Iterator[Stage]:
    """Serve the api with the built console on a free port of this machine."""
    clock = SystemClock()
    broker, store = MemoryBroker(slots=2, clock=clock), MemoryStore(clock)
    settings = {"addresses": {"networks": "10.0.0.0/8"}} | changes
    around = Surroundings(f"sqlite:///{folder / 'api.sqlite3'}", MemoryBus(broker), [store], clock, BUILT, settings)
    prepare(around)
    bugs: list[BaseException] = []
    health = Health(clock, around.settings.heartbeat_timeout_s)
    app = create_app(
        around.settings,
        lambda: Services(around.settings, around.bus, Stores([store]), clock, health, bugs.append),
        BUILT,
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="websockets-sansio", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        with signed_in(url, "administrator") as administrator, signed_in(url, "dpo") as dpo:
            stage = Stage(url, app.state.services, administrator, dpo, around.bus.producer(), store, broker)
            yield stage
            for camera in stage.cameras.values():
                camera.stop()
    finally:
        if hasattr(app.state, "services"):
            app.state.services.end_streams()
        server.should_exit = True
        thread.join()
    assert not bugs, bugs
