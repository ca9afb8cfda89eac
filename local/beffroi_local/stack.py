"""All of Beffroi on this machine, started in order and stopped whole."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path

import httpx

from beffroi_common.bus.admin import create_topics
from beffroi_common.runtime.settings import KafkaSettings

from .ports import LOOPBACK, is_open, require_free
from .process import PartFailedError, await_condition, log_tail
from .programs import SERVICES, Parts
from .settings import StackSettings
from .supervisor import Supervisor

PARTS_TIMEOUT_S = 90.0
"""Kafka takes four seconds on an idle machine."""

SERVICES_TIMEOUT_S = 120.0
"""Until the api answers; on two cores six Pythons start at once."""

PROBE_TIMEOUT_S = 2.0

MOST_RESTARTS = 4
"""A service that ended so often by itself will not get well by being started once more."""

Say = Callable[[str], None]


class FolderTakenError(RuntimeError):
    """Another run uses this folder."""


class Absence(StrEnum):
    """How a part is away: its connections hang, or are refused."""

    FROZEN = "frozen"
    KILLED = "killed"


class Stack:
    """A running system."""

    def __init__(self, parts: Parts, supervisor: Supervisor) -> None:
        self.parts = parts
        self._supervisor = supervisor
        self._pids: dict[str, int] = {}
        self._restarts: Counter[str] = Counter()

    @property
    def address(self) -> str:
        """Of the console, for a browser."""
        return f"http://{LOOPBACK}:{self.parts.http_port}"

    def pid(self, service: str) -> int:
        """Return the process id of a service or part, 0 while it does not run."""
        return self._supervisor.pid(service)

    def kill(self, service: str) -> None:
        """End a service or part as `kill -9` does; supervisor starts it again."""
        self._supervisor.signal(service, "KILL")

    @contextlib.contextmanager
    def away(self, part: str, how: Absence) -> Iterator[None]:
        """Take a service or part away for as long as the context lasts."""
        if how is Absence.FROZEN:
            self._supervisor.signal(part, "STOP")
            try:
                yield
            finally:
                self._supervisor.signal(part, "CONT")
            return
        self._supervisor.signal(part, "KILL")
        self._supervisor.stop_one(part)
        try:
            yield
        finally:
            self._supervisor.start(part)

    def log(self, service: str) -> Path:
        """Return the log of a service or part."""
        return self.parts.folder / f"{service}.log"

    def require_alive(self) -> list[str]:
        """See that no process ends again and again; return the names of those that were started again since last asked.

        Raises:
            PartFailedError: shows the end of the log of each that does.
        """
        pids = self._supervisor.pids()
        again = [name for name, pid in pids.items() if self._pids.get(name, pid) != pid]
        self._pids |= pids
        self._restarts.update(again)
        failing = {name for name, times in self._restarts.items() if times >= MOST_RESTARTS}
        failing |= set(self._supervisor.given_up())
        if failing:
            ends = "\n".join(
                f"--- {name}, the end of {self.log(name)}:\n{log_tail(self.log(name))}" for name in sorted(failing)
            )
            raise PartFailedError(f"ends again and again: {', '.join(sorted(failing))}\n{ends}")
        return again

    def _await(self, ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        def alive_and_ready() -> bool:
            self.require_alive()
            return ready()

        try:
            await_condition(alive_and_ready, timeout_s, what)
        except TimeoutError as error:
            raise PartFailedError(f"{error}: the logs are in {self.parts.folder}") from error

    def start_parts(self) -> None:
        """Start Kafka, MinIO and the RTSP camera, and make the topics."""
        self._supervisor.start("kafka", "minio", "cameras")
        self._await(lambda: is_open(self.parts.cameras.port), PARTS_TIMEOUT_S, "the RTSP camera")
        self._await(self.parts.store.is_ready, PARTS_TIMEOUT_S, "MinIO")
        self._await(lambda: is_open(self.parts.broker.port), PARTS_TIMEOUT_S, "Kafka")
        create_topics(KafkaSettings(bootstrap_servers=self.parts.broker.bootstrap_servers))

    def start_services(self) -> None:
        """Start the services, and wait until the api answers."""
        self._supervisor.start(*SERVICES)
        self._await(self._api_answers, SERVICES_TIMEOUT_S, "the api")

    def _api_answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/api/v1/meta", timeout=PROBE_TIMEOUT_S, trust_env=False).is_success
        except httpx.TransportError:
            return False


@contextlib.contextmanager
def only_run_in(home: Path) -> Iterator[None]:
    """Keep a folder of runs to oneself.

    Raises:
        FolderTakenError: another run has it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderTakenError(
                f"another run uses {home}: stop it, or give this one a folder of its own with BEFFROI_HOME"
            ) from None
        yield


@contextlib.contextmanager
def running_stack(
    settings: StackSettings,
    name: str,
    clip: Path,
    say: Say = lambda _: None,
    prepare: Callable[[Parts], None] | None = None,
) -> Iterator[Stack]:
    """Run the whole system for as long as the context lasts; what an earlier run of this name left is removed.

    Args:
        settings: ports, folders and memory.
        name: of the run, and of its folder in `settings.home`.
        clip: index of the prepared clip on the RTSP camera.
        say: takes a line for each step.
        prepare: called beside the parts' start and done before the services', e.g. to create accounts.

    Raises:
        PortTakenError: a port is taken.
        FolderTakenError: another run uses the folder.
        PartFailedError: a process did not start; shows the end of its log.
    """
    with only_run_in(settings.home):
        require_free(settings.ports)
        folder = settings.home.resolve() / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        parts = Parts.of(settings, folder, clip)
        parts.prepare()
        supervisor = Supervisor(parts.programs(), folder)
        try:
            stack = Stack(parts, supervisor)
            say("starting Kafka, MinIO and the RTSP camera")
            began = time.monotonic()
            with ThreadPoolExecutor(max_workers=1) as beside:
                prepared = beside.submit(prepare, parts) if prepare is not None else None
                stack.start_parts()
                say(f"they answer after {time.monotonic() - began:.0f} s; the topics are made")
                if prepared is not None:
                    prepared.result()
            say("starting ingest, masker, detector (vision and rules), recorder and api")
            began = time.monotonic()
            stack.start_services()
            say(f"the api answers after {time.monotonic() - began:.0f} s")
            yield stack
        finally:
            say("stopping everything")
            supervisor.stop(*SERVICES)
            say(f"stopped; the logs stay in {folder}")
