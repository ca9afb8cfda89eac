"""Every service, as the stack starts it but in the background of a shell, ends when asked to, and says all in JSON."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from beffroi_local import accounts
from beffroi_local.process import Command, await_condition, start, stop
from beffroi_local.programs import SERVICES, Parts
from beffroi_local.settings import StackSettings

TIMEOUT_S = 120.0
BACKGROUND = ("env", "--ignore-signal=INT,QUIT")
"""What a shell does to a command that ends in an ampersand."""


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """What the services are told; nothing of it runs, so they wait for it."""
    parts = Parts.of(StackSettings.on_free_ports(tmp_path), tmp_path, tmp_path / "clip.json")
    for folder in (*SERVICES, "secrets", "clips"):
        (tmp_path / folder).mkdir()
    accounts.create([], parts)
    return parts


@contextmanager
def background(command: Command) -> Iterator[Popen[bytes]]:
    process = start(command)
    try:
        yield process
    finally:
        stop(process, timeout_s=0)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_in_the_background_ends_when_it_is_interrupted(parts: Parts, service: str) -> None:
    (program,) = (each for each in parts.programs() if each.name == service)
    command = Command(service, [*BACKGROUND, *program.argv], parts.folder, program.environment)
    with background(command) as process:
        await_condition(lambda: '"event": "started"' in command.log.read_text(), TIMEOUT_S, f"{service} to start")
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0, command.log.read_text()
    lines = [json.loads(line) for line in command.log.read_text().splitlines()]
    assert lines[-1]["event"] == "stopped"
    assert {"asked to stop"} <= {line["event"] for line in lines}
