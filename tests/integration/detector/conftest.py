"""A broker with the registry's topics, and the two processes of the detector beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import pytest
from beffroi.common.bus.admin import create_topics
from beffroi.common.runtime.settings import KafkaSettings
from beffroi.local.process import Command, start, stop

from tests.integration.ingest.processes import SLOTS, Bus


@dataclass
class Process:
    """`vision` or `rules` as a process of its own."""

    name: str
    bootstrap_servers: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it is not waited for."""
        self._process = start(self._command)

    def stop(self, *, kill: bool = False) -> None:
        """End it, at once or asked."""
        if self._process is not None:
            stop(self._process, timeout_s=0 if kill else 20)
            self._process = None

    @property
    def log(self) -> str:
        """All that it printed."""
        return self._command.log.read_text()

    def is_ready(self) -> bool:
        """Ask its internal door."""
        started = next(json.loads(line) for line in self.log.splitlines() if '"event": "started"' in line)
        with suppress(OSError), urlopen(f"http://127.0.0.1:{started['internal_port']}/readyz", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
        return False

    @property
    def _command(self) -> Command:
        prefix = f"BEFFROI_{self.name.upper()}_"
        settings = {"KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers, "INSTANCE": "test"} | self.settings
        environment = {prefix + name: value for name, value in settings.items()}
        return Command(self.name, [sys.executable, "-m", f"beffroi.detector.{self.name}"], self.folder, environment)


@pytest.fixture
def bus(kafka: str) -> Iterator[Bus]:
    """The bus with all topics; cameras made on it are deleted at the end."""
    create_topics(KafkaSettings(bootstrap_servers=kafka), slots=SLOTS)
    bus = Bus(kafka)
    yield bus
    bus.forget_all()


@pytest.fixture
def name() -> str:
    """A camera's name that no other test has."""
    return f"camera-{uuid4().hex[:12]}"


@pytest.fixture
def start_process(kafka: str, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """`start_process("rules", SETTING="value")` → the process, against the broker."""
    started: list[Process] = []

    def begin(name: str, **settings: str) -> Process:
        process = Process(name, settings.pop("bootstrap_servers", kafka), tmp_path / name, settings)
        started.append(process)
        process.start()
        return process

    yield begin
    for process in started:
        process.stop(kill=True)
