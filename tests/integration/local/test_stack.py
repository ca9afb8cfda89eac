"""The process manager on the real parts: started in order, brought back after a kill, gone at the end."""

import os
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from beffroi_common.bus.kafka import admin_client
from beffroi_common.topics import every_topic
from beffroi_local import clips
from beffroi_local.ports import PortTakenError, is_open, require_free
from beffroi_local.process import PartFailedError, await_condition
from beffroi_local.programs import Parts
from beffroi_local.run_folder import FolderTakenError, only_run_in
from beffroi_local.settings import StackSettings
from beffroi_local.stack import Stack
from beffroi_local.supervisor import Program, Supervisor

TIMEOUT_S = 60


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> StackSettings:
    return StackSettings.on_free_ports(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def stack(settings: StackSettings) -> Iterator[Stack]:
    folder = settings.home / "run"
    folder.mkdir()
    parts = Parts.of(settings, folder, clips.prepare_pattern())
    parts.prepare()
    supervisor = Supervisor(parts.programs(), folder)
    try:
        started = Stack(parts, supervisor)
        started.start_parts()
        yield started
    finally:
        supervisor.stop()


def test_every_topic_is_there(stack: Stack) -> None:
    admin = admin_client(stack.parts.broker.settings(), "test")
    assert {topic.name for topic in every_topic()} <= set(admin.list_topics(timeout=TIMEOUT_S).topics)


def secrets_of(parts: Parts) -> list[str]:
    users = parts.broker.users
    assert users is not None
    made = [*users.passwords.values(), *parts.store.service_keys.values(), parts.store.secret_key, parts.trail_key]
    return [*made, parts.cameras.password or ""]


def test_no_secret_is_in_any_argument(stack: Stack) -> None:
    seen = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # the process ended
            seen += path.read_bytes()
    assert b"supervisord" in seen
    assert not [secret for secret in secrets_of(stack.parts) if secret.encode() in seen]


def test_files_with_secrets_are_for_their_owner_alone_and_logs_are_none(stack: Stack) -> None:
    for path in (each for each in stack.parts.folder.rglob("*") if each.is_file()):
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # Kafka's and MinIO's own come and go
            continue
        if any(secret.encode() in content for secret in secrets_of(stack.parts)):
            assert path.suffix != ".log" or "data" in path.parts, f"{path} tells a secret"
            in_data = (
                "data" in path.relative_to(stack.parts.folder).parts
            )  # of the broker and store, for all their users
            assert in_data or stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_killed_part_comes_back(stack: Stack) -> None:
    before = stack.pid("cameras")
    stack.kill("cameras")
    await_condition(lambda: stack.pid("cameras") not in {0, before}, TIMEOUT_S, "the camera's new process")
    await_condition(lambda: is_open(stack.parts.cameras.port), TIMEOUT_S, "the camera to answer")


def test_a_taken_port_is_named_with_its_variable(stack: Stack, settings: StackSettings) -> None:
    with pytest.raises(PortTakenError, match="BEFFROI_MINIO_PORT"):
        require_free(settings.ports)


def test_one_run_a_folder(tmp_path: Path) -> None:
    with only_run_in(tmp_path), pytest.raises(FolderTakenError, match="BEFFROI_HOME"), only_run_in(tmp_path):
        pass


def test_nothing_outlives_supervisord(tmp_path: Path) -> None:
    settings = StackSettings.on_free_ports(tmp_path)
    parts = Parts.of(settings, tmp_path, clips.prepare_pattern())
    parts.prepare()
    supervisor = Supervisor([program for program in parts.programs() if program.name == "minio"], tmp_path)
    try:
        supervisor.start("minio")
        await_condition(parts.store.is_ready, TIMEOUT_S, "MinIO")
        os.kill(int((tmp_path / "supervisord.pid").read_text()), signal.SIGKILL)
        await_condition(lambda: not is_open(parts.store.port), TIMEOUT_S, "MinIO to be gone")
    finally:
        supervisor.stop()


def test_what_ends_again_and_again_is_said_with_its_last_words(tmp_path: Path) -> None:
    settings = StackSettings.on_free_ports(tmp_path)
    parts = Parts.of(settings, tmp_path, clips.prepare_pattern())
    dying = Program("masker", [sys.executable, "-c", "import time; time.sleep(2.5); raise SystemExit('no mask today')"])
    supervisor = Supervisor([dying], tmp_path)
    try:
        stack = Stack(parts, supervisor)
        supervisor.start("masker")
        with pytest.raises(PartFailedError, match="no mask today"):
            await_condition(lambda: bool(stack.require_alive()) and False, TIMEOUT_S, "the masker to be given up")
    finally:
        supervisor.stop()
