"""All of Beffroi on this machine, started in order and stopped whole."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path

import httpx

from beffroi_common.bus.admin import create_topics, grant_rights

from .ports import LOOPBACK, is_open, require_free
from .process import PartFailedError, await_condition, log_tail
from .programs import SERVICES, Parts
from .run_folder import only_run_in, run_folder
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
        """Start Kafka, MinIO and the RTSP camera, make the topics, and give each service its rights."""
        self._supervisor.start("kafka", "minio", "cameras")
        self._await(lambda: is_open(self.parts.cameras.port), PARTS_TIMEOUT_S, "the RTSP camera")
        self._await(self.parts.store.is_ready, PARTS_TIMEOUT_S, "MinIO")
        self._await(lambda: is_open(self.parts.broker.port), PARTS_TIMEOUT_S, "Kafka")
        owner = self.parts.broker.settings()
        create_topics(owner)
        grant_rights(owner)
        self.parts.store.grant()

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
def running_stack(
    settings: StackSettings,
    name: str,
    clip: Path,
    say: Say = lambda _: None,
    prepare: Callable[[Parts], None] | None = None,
) -> Iterator[Stack]:
    """Run the whole system for as long as the context lasts. What runs left that were killed is removed before.

    However it ends, also while it starts, only the logs stay.

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
        with run_folder(settings.home, name) as folder:
            require_free(settings.ports)
            parts = Parts.of(settings, folder, clip)
            parts.prepare()
            with _supervised(parts, say) as supervisor:
                stack = Stack(parts, supervisor)
                _start(stack, say, prepare)
                yield stack
        say(f"stopped; pictures, films and secrets are removed, the logs stay in {folder}")


@contextlib.contextmanager
def _supervised(parts: Parts, say: Say) -> Iterator[Supervisor]:
    supervisor = Supervisor(parts.programs(), parts.folder)
    try:
        yield supervisor
    finally:
        try:
            say("stopping everything")
        finally:
            supervisor.stop(*SERVICES)


def _start(stack: Stack, say: Say, prepare: Callable[[Parts], None] | None) -> None:
    say("starting Kafka, MinIO and the RTSP camera")
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=1) as beside:
        prepared = beside.submit(prepare, stack.parts) if prepare is not None else None
        stack.start_parts()
        say(f"they answer after {time.monotonic() - began:.0f} s; the topics are made, each service has its rights")
        if prepared is not None:
            prepared.result()
    say("starting ingest, masker, detector (vision and rules), recorder and api")
    began = time.monotonic()
    stack.start_services()
    say(f"the api answers after {time.monotonic() - began:.0f} s")
