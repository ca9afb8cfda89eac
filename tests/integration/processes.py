"""Services as processes of their own beside a real broker, and what a test says and sees there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from beffroi_common.bus import Record, Start
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.contracts import Camera, CameraStatus, Contract, FrameBatch
from beffroi_common.contracts.status import decode_status
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import CAMERAS, STATUS, Topic
from beffroi_local.process import Command, await_condition, start, stop
from beffroi_local.programs import MODULES

TIMEOUT_S = 60.0
"""A machine busy with other tests takes many times what is usual; nothing here passes by being fast."""

SLOTS = 2


@dataclass
class Service:
    """One service as a process."""

    name: str
    bootstrap_servers: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """All that it printed."""
        return self._command.log.read_text()

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it; it is not waited for."""
        self._process = start(self._command)

    def stop(self, *, kill: bool = False) -> None:
        """End it, at once or asked."""
        if self._process is not None:
            stop(self._process, timeout_s=0 if kill else 20)
            self._process = None

    def is_ready(self) -> bool:
        """Ask its admin port whether it can work."""
        return self._says_yes("readyz")

    def is_live(self) -> bool:
        """Ask its admin port whether its loops turn."""
        return self._says_yes("healthz")

    def _says_yes(self, question: str) -> bool:
        with suppress(OSError), self._admin(question) as answer:
            return bool(answer.status == HTTPStatus.OK)
        return False

    def metric(self, name: str, **labels: str) -> float:
        """What it counted; 0: nothing yet."""
        with self._admin("metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = (sample for family in families for sample in family.samples)
        return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())

    def _admin(self, path: str) -> HTTPResponse:
        started = next(json.loads(line) for line in self.log.splitlines() if '"event": "started"' in line)
        answer: HTTPResponse = urlopen(f"http://127.0.0.1:{started['admin_port']}/{path}", timeout=5)
        return answer

    @property
    def _command(self) -> Command:
        prefix = f"BEFFROI_{self.name.upper()}_"
        settings = {"KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers, "INSTANCE": "test"} | self.settings
        environment = {prefix + name: value for name, value in settings.items()}
        module = MODULES.get(self.name, f"beffroi_{self.name}")
        return Command(self.name, [sys.executable, "-m", module], self.folder, environment)


class Bus:
    """What a test says and sees on the bus."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._bus = KafkaBus(KafkaSettings(bootstrap_servers=bootstrap_servers), "test", "test")
        self._cameras: dict[str, int] = {}

    def configure(self, camera: Camera) -> None:
        """Publish a configuration."""
        self._cameras[camera.id] = camera.slot
        self.send(CAMERAS, camera.id, camera, camera.slot)

    def forget_all(self) -> None:
        """Delete every camera that was configured here."""
        for name, slot in self._cameras.items():
            self.send(CAMERAS, name, None, slot)

    def send(self, topic: Topic, key: str, value: Contract | FrameBatch | None, partition: int) -> None:
        """Send one message and see it acknowledged."""
        with closing(self._bus.producer()) as producer:
            producer.send(topic, key, value, partition=partition)
            assert producer.flush(TIMEOUT_S) == 0

    def read(self, topic: Topic, key: str, done: Callable[[list[Record]], bool], what: str) -> list[Record]:
        """All messages with this key from the beginning on, read until `done` says so."""
        found: list[Record] = []

        def more() -> bool:
            for _ in range(100):  # then the time is looked at
                record = consumer.poll(0.2)
                if record is None:
                    break
                if record.key == key:
                    found.append(record)
                    if done(found):
                        return True
            return False

        with closing(self._bus.follower([topic], Start.BEGINNING)) as consumer:
            await_condition(more, TIMEOUT_S, what)
        return found

    def batches(self, topic: Topic, camera: str, done: Callable[[list[FrameBatch]], bool]) -> list[FrameBatch]:
        """All batches of a camera, read until `done` says so."""
        records = self.read(topic, camera, lambda found: done(_batches(found)), f"batches of {camera} on {topic.name}")
        return _batches(records)

    def everything(self, topic: Topic) -> list[Record]:
        """What is on a topic now."""
        found = []
        with closing(self._bus.follower([topic], Start.BEGINNING)) as consumer:
            while not consumer.caught_up():
                record = consumer.poll(0.2)
                if record is not None:
                    found.append(record)
        return found

    def await_status(self, camera: str, service: str, code: str) -> CameraStatus:
        """Wait until a service says `code` of a camera."""

        def last(found: list[Record]) -> CameraStatus:
            status = decode_status(found[-1].value or b"")
            assert isinstance(status, CameraStatus)
            return status

        key = f"camera/{camera}/{service}"
        return last(self.read(STATUS, key, lambda found: last(found).code == code, f"{key} to be {code}"))


def _batches(records: list[Record]) -> list[FrameBatch]:
    return [FrameBatch.decode(record.value or b"") for record in records]


@contextmanager
def started(service: Service) -> Iterator[Service]:
    """A service for as long as the context lasts."""
    service.start()
    try:
        yield service
    finally:
        service.stop(kill=True)
