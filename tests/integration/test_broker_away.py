"""A broker that is killed or frozen for longer than every time-out: it is waited for, and nobody dies of it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from tests.integration.processes import SLOTS, TIMEOUT_S, Bus, Service

from beffroi_common.bus import Record
from beffroi_common.bus.admin import create_topics
from beffroi_common.contracts import (
    Alert,
    AlertState,
    Camera,
    CameraRule,
    CameraSource,
    FrameBatch,
    LegalBasis,
    MaskDecision,
    MaskMode,
    Recording,
    TrackedObject,
    Tracks,
    Zone,
)
from beffroi_common.contracts.frames import from_ns
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import ALERTS, FRAMES_MASKED, FRAMES_RAW, RECORDINGS, TRACKS
from beffroi_local.kafka import READY_TIMEOUT_S, Broker
from beffroi_local.minio import ObjectServer
from beffroi_local.ports import free_port, is_open
from beffroi_local.process import Command, await_condition, start_ready, stop

StartService = Callable[..., Service]

SHORT = {"KAFKA__SESSION_TIMEOUT_S": "6", "KAFKA__REQUEST_TIMEOUT_S": "2", "HEARTBEAT_TIMEOUT_S": "12"}
"""Every time-out that a broker meets, as short as may be."""

AWAY_S = 25.0
"""Longer than any of them, and than two in a row."""

SEGMENT_S = 4


@dataclass
class OwnBroker:
    """A broker that can be taken away."""

    command: Command
    port: int
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = start_ready(self.command, lambda: is_open(self.port), READY_TIMEOUT_S)

    def kill(self) -> None:
        assert self._process is not None
        stop(self._process, timeout_s=0)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        if self._process is not None:
            stop(self._process, timeout_s=0)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


@dataclass
class Place:
    """A broker of one's own, and the bus on it."""

    broker: OwnBroker
    servers: str
    bus: Bus


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Broker(folder=tmp_path / "kafka", port=free_port(), controller_port=free_port())
    made.prepare()
    broker = OwnBroker(Command("kafka", made.argv(), made.folder), made.port)
    broker.start()
    try:
        create_topics(KafkaSettings(bootstrap_servers=made.bootstrap_servers), slots=SLOTS)
        yield Place(broker, made.bootstrap_servers, Bus(made.bootstrap_servers))
    finally:
        broker.end()


@dataclass
class Watch:
    """Asks each service all along whether it is alive."""

    services: Sequence[Service]
    dead: set[str] = field(default_factory=set)
    asked: int = 0

    def look(self) -> None:
        self.asked += 1
        self.dead |= {each.name for each in self.services if not (each.running and each.is_live())}


@contextmanager
def watched(services: Sequence[Service]) -> Iterator[Watch]:
    watch, over = Watch(services), threading.Event()

    def look_on() -> None:
        while not over.wait(0.5):
            watch.look()

    thread = threading.Thread(target=look_on, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()
        watch.look()


def filmed(name: str) -> Camera:
    decision = MaskDecision(
        mode=MaskMode.OPEN, reason="a pattern", version=1, decided_by="dpo", decided_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    source = CameraSource(url="pattern:320x240@10")
    now = datetime.now(UTC)
    return Camera(
        id=name,
        name=name,
        commune="Lille",
        slot=0,
        source=source,
        masking=decision,
        zones=(Zone(id="z", name="z", kind="sensitive", shape="polygon", points=((0, 0), (1, 0), (1, 1), (0, 1))),),
        rules=(CameraRule(id="r", rule="loitering", parameters={"threshold_s": 5.0}, geometry={"zone": "z"}),),
        legal_bases=(
            LegalBasis(
                analytic="loitering",
                purpose="essai",
                reference="arrêté 1",
                starts_at=now - timedelta(days=1),
                ends_at=now + timedelta(days=1),
            ),
        ),
    )


def standing(name: str, start: datetime, from_s: float, to_s: float) -> Iterable[Tracks]:
    """Somebody who stands still in the zone, five pictures a second."""
    for step in range(round(from_s * 5), round(to_s * 5)):
        yield Tracks(
            camera=name,
            epoch=1,
            sequence=step,
            capture_time=start + timedelta(seconds=step / 5),
            width=640,
            height=480,
            objects=(TrackedObject(track="t-0", label="person", box=(0.4, 0.3, 0.45, 0.5), confidence=0.9),),
        )


def start_all(start_service: StartService, place: Place, minio: ObjectServer) -> list[Service]:
    store = {
        "STORE__ENDPOINT": minio.endpoint,
        "STORE__ACCESS_KEY": minio.access_key,
        "STORE__SECRET_KEY": minio.secret_key,
        "STORE__SECURE": "false",
        "STORE__BUCKET": f"test-{uuid4().hex}",
    }
    own: dict[str, dict[str, str]] = {
        "ingest": {},
        "masker": {},
        "vision": {},
        "rules": {},
        "recorder": store | {"SEGMENT_S": str(SEGMENT_S)},
    }
    return [
        start_service(name, bootstrap_servers=place.servers, **SHORT, **_work_dir(name, place), **settings)
        for name, settings in own.items()
    ]


def _work_dir(name: str, place: Place) -> dict[str, str]:
    return {"WORK_DIR": str(place.broker.command.folder / "work")} if name == "recorder" else {}


def alerts(records: list[Record]) -> list[Alert]:
    return [Alert.decode(record.value or b"") for record in records]


def distinct(batches: Iterable[FrameBatch]) -> list[FrameBatch]:
    """Without repeats, which a loss of partitions may bring: each must be the same to the last bit."""
    seen: dict[tuple[str, str, int, int], FrameBatch] = {}
    for batch in batches:
        assert seen.setdefault(batch.identity, batch) == batch
    return list(seen.values())


def recordings(bus: Bus, camera: str) -> list[Recording]:
    """What is said of a camera's segments, repeats included, in the order of their times."""
    found = [Recording.decode(record.value) for record in bus.everything(RECORDINGS) if record.value is not None]
    return sorted((each for each in found if each.camera == camera), key=lambda each: each.starts_at)


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_nobody_dies_of_it_and_nothing_is_lost_or_doubled(
    how: str, place: Place, name: str, start_service: StartService, minio: ObjectServer
) -> None:
    bus, broker = place.bus, place.broker
    walker = f"{name}-walker"
    bus.configure(filmed(name))
    bus.configure(filmed(walker).model_copy(update={"masking": None}))  # so that vision says nothing of it
    services = start_all(start_service, place, minio)
    start = datetime.now(UTC) - timedelta(seconds=10)
    for tracks in standing(walker, start, 0, 4):
        bus.send(TRACKS, walker, tracks, 0)
    bus.batches(FRAMES_MASKED, name, lambda found: len(found) > 10)
    bus.read(TRACKS, name, lambda found: len(found) > 10, "tracks")
    await_condition(lambda: all(each.is_ready() for each in services), TIMEOUT_S, "all to be ready")

    with watched(services) as watch:
        (broker.kill if how == "killed" else broker.freeze)()
        back_at_s = time.monotonic() + AWAY_S
        await_condition(lambda: time.monotonic() > back_at_s or bool(watch.dead), 2 * AWAY_S, "the broker to be away")
        (broker.start if how == "killed" else broker.thaw)()
        for tracks in standing(walker, start, 4, 8):
            bus.send(TRACKS, walker, tracks, 0)
        last = bus.batches(FRAMES_RAW, name, lambda found: len(distinct(found)) > 4 * AWAY_S)[-1]
        masked = bus.batches(FRAMES_MASKED, name, lambda found: found[-1].identity == last.identity)
        bus.read(TRACKS, name, lambda found: decoded(found[-1]).sequence >= last.sequence - 1, "tracks of it")
        said = alerts(bus.read(ALERTS, walker, bool, "an alert"))
        until = from_ns(last.units[0].capture_time_ns)
        await_condition(
            lambda: any(each.ends_at >= until for each in recordings(bus, name)), TIMEOUT_S, "a recording of it"
        )
    assert watch.dead == set()
    assert watch.asked > AWAY_S, "they were asked all along"
    raw = distinct(bus.batches(FRAMES_RAW, name, lambda found: found[-1].sequence >= last.sequence))
    assert [batch.sequence for batch in raw] == list(range(raw[0].sequence, raw[0].sequence + len(raw)))
    assert [batch.identity for batch in distinct(masked)] == [batch.identity for batch in raw[: len(distinct(masked))]]
    assert [alert.state for alert in said] == [AlertState.OPENED]
    stored = recordings(bus, name)
    assert len({each.key for each in stored}) == len(stored), "each was said to be stored once"
    assert all(one.ends_at < other.starts_at for one, other in pairwise(stored))
    assert [each.missing_batches for each in stored] == [0] * len(stored)


def decoded(record: Record) -> Tracks:
    return Tracks.decode(record.value or b"")
