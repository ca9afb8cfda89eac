"""The recorder as a process of its own, against a real broker of its own and a real object store."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import av
import numpy as np
import pytest
from pydantic import SecretStr

from beffroi_common import pattern
from beffroi_common.bus import Consumer, Start
from beffroi_common.bus.admin import create_topics
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, Recording, Stream
from beffroi_common.runtime.settings import KafkaSettings, StoreSettings
from beffroi_common.store import StoreUnavailable
from beffroi_common.store.minio import MinioStore
from beffroi_common.topics import FRAMES_MASKED, RECORDINGS, Topic
from beffroi_local.kafka import broker
from beffroi_local.minio import ObjectServer

FPS = 4
NS = 1_000_000_000
START_NS = 1_793_534_400 * NS
SEGMENT_S = 4
DEADLINE_S = 120.0
"""Processes on a busy machine get so long; what is awaited comes within a few seconds."""


def wait_for(condition: Callable[[], bool], what: str, look: Callable[[], str] = str) -> None:
    """Wait until it is true."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"{what} did not come: {look()}"
        time.sleep(0.05)


@lru_cache
def _encoded(frames: int) -> tuple[bytes, ...]:
    encoder = av.VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 160, 96, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": f"keyint={FPS}:scenecut=0"}
    packets = []
    for index in range(frames):
        planes = np.vstack([pattern.draw(index, 160, 96), np.full((48, 160), 128, np.uint8)])
        picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        picture.pts = index
        packets += encoder.encode(picture)
    return tuple(bytes(packet) for packet in [*packets, *encoder.encode(None)])


def film(seconds: int, camera: str) -> list[FrameBatch]:
    """Masked batches of a second each, frame numbers from 0 in the pictures."""
    step = 90_000 // FPS
    units = [
        AccessUnit(index * step, index * step, START_NS + index * NS // FPS, index % FPS == 0, data)
        for index, data in enumerate(_encoded(seconds * FPS))
    ]
    return [
        FrameBatch(
            camera=camera,
            stream=Stream.MAIN,
            epoch=7,
            sequence=second,
            time_base=Fraction(1, 90_000),
            codec=Codec.H264,
            width=160,
            height=96,
            mask_version=1,
            units=tuple(units[second * FPS : (second + 1) * FPS]),
        )
        for second in range(seconds)
    ]


@pytest.fixture(scope="module")
def kafka_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaSettings]:
    """A broker of this module's own: the recorder's group and topics have fixed names."""
    with broker(tmp_path_factory.mktemp("kafka")) as started:
        settings = KafkaSettings(bootstrap_servers=started.bootstrap_servers, session_timeout_s=6.0)
        create_topics(settings, slots=2)
        yield settings


@pytest.fixture
def store_settings(minio: ObjectServer) -> StoreSettings:
    return StoreSettings(
        endpoint=minio.endpoint,
        access_key=minio.access_key,
        secret_key=SecretStr(minio.secret_key),
        secure=False,
        bucket=f"test-{uuid4().hex}",
        timeout_s=5.0,
    )


@dataclass
class Process:
    """One recorder."""

    log_file: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def lines(self) -> list[dict[str, str]]:
        return [json.loads(stream) for stream in self.log.splitlines() if stream.startswith("{")]

    def end(self) -> int:
        return self.process.wait(DEADLINE_S)


@dataclass
class Site:
    """Bus and store, and the recorders that work there."""

    folder: Path
    kafka: KafkaSettings
    store_settings: StoreSettings
    started: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bus = KafkaBus(self.kafka, "test", uuid4().hex)
        self.producer = self.bus.producer()

    @property
    def store(self) -> MinioStore:
        return MinioStore("recordings", self.store_settings)

    def recorder(self, instance: str = "r1", **settings: str) -> Process:
        """Start a recorder."""
        store = self.store_settings
        environment = {
            "KAFKA__BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KAFKA__SESSION_TIMEOUT_S": "6",
            "STORE__ENDPOINT": store.endpoint,
            "STORE__ACCESS_KEY": store.access_key,
            "STORE__SECRET_KEY": store.secret_key.get_secret_value(),
            "STORE__BUCKET": store.bucket,
            "STORE__SECURE": "false",
            "STORE__TIMEOUT_S": "2",
            "WORK_DIR": str(self.folder / instance),
            "INSTANCE": instance,
            "SEGMENT_S": str(SEGMENT_S),
            "IDLE_S": "2",
            **settings,
        }
        log_file = self.folder / f"{instance}-{len(self.started)}.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "beffroi_recorder"],
                env=os.environ | {f"BEFFROI_RECORDER_{name}": value for name, value in environment.items()},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.started.append(Process(log_file, process))
        return self.started[-1]

    def send(self, batches: Sequence[FrameBatch], slot: int = 0) -> None:
        for batch in batches:
            self.producer.send(FRAMES_MASKED, batch.camera, batch, partition=slot)
        assert self.producer.flush(DEADLINE_S) == 0

    def objects(self, camera: str) -> list[str]:
        try:
            return [each.name for each in self.store.list("segments/") if f"/{camera}/" in each.name]
        except StoreUnavailable:  # the bucket is made by the recorder, a little later
            return []

    def numbers(self, camera: str) -> list[int | None]:
        """The frame numbers in the stored objects of a camera, in the order of their names."""
        found: list[int | None] = []
        for name in self.objects(camera):
            with av.open(io.BytesIO(self.store.read(name)), "r") as container:
                pictures = [frame.to_ndarray() for frame in container.decode(video=0)]
            found += [pattern.read(each[: each.shape[0] * 2 // 3].astype(np.uint8)) for each in pictures]
        return found

    def everything(self, topic: Topic) -> list[bytes]:
        """All messages of a topic."""
        follower: Consumer = self.bus.follower([topic], Start.BEGINNING)
        try:
            found = []
            while not follower.caught_up():
                record = follower.poll(0.1)
                if record is not None and record.value is not None:
                    found.append(record.value)
            return found
        finally:
            follower.close()

    def recordings(self, camera: str) -> list[Recording]:
        """The latest of each of a camera's segments, in the order of their times."""
        all_of_them = [Recording.decode(value) for value in self.everything(RECORDINGS)]
        latest = {each.object_name: each for each in all_of_them if each.camera == camera}
        return sorted(latest.values(), key=lambda each: each.starts_at)

    def recorded(self, camera: str) -> int:
        """Pictures of a camera that recordings speak of."""
        return sum(each.frames for each in self.recordings(camera))

    def tail(self) -> str:
        return "\n".join(process.log[-2000:] for process in self.started)


@pytest.fixture
def site(tmp_path: Path, kafka_settings: KafkaSettings, store_settings: StoreSettings) -> Iterator[Site]:
    made = Site(tmp_path, kafka_settings, store_settings)
    yield made
    for each in made.started:
        each.process.kill()
        each.process.wait()
    made.producer.close()
