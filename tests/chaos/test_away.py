"""The broker and the store, frozen and killed, each away for five minutes while a test pattern is recorded.

The pattern's frame number is UTC time × rate, so a picture that is missing or stored twice shows in what is stored.
What waits meanwhile fits into what ingest keeps in memory, so that nothing at all may be missing here.
BEFFROI_TEST_AWAY_S makes the absences shorter or longer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import httpx
import pytest
from tests.e2e.system import Camera, System, running_system, wait_for
from tests.recordings import numbers_in

from beffroi_common.contracts import Recording
from beffroi_local import scene
from beffroi_local.ports import LOOPBACK, free_port
from beffroi_local.programs import SERVICES
from beffroi_local.stack import Absence

AWAY_S = float(os.environ.get("BEFFROI_TEST_AWAY_S", "300"))
ABSENCES = [(part, how) for part in ("kafka", "minio") for how in Absence]
PROBE_TIMEOUT_S = 5.0


@dataclass
class Watch:
    """Asks every service all the time whether it lives."""

    ports: dict[str, int]
    failures: list[str] = field(default_factory=list)
    asked: int = 0

    def ask(self) -> None:
        for service, port in self.ports.items():
            try:
                answer = httpx.get(f"http://{LOOPBACK}:{port}/healthz", timeout=PROBE_TIMEOUT_S, trust_env=False)
                problem = "" if answer.is_success else answer.text
            except httpx.HTTPError as error:
                problem = repr(error)
            self.asked += 1
            if problem:
                self.failures.append(f"{time.strftime('%X')} {service}: {problem}")

    @contextmanager
    def watching(self) -> Iterator[None]:
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(1.0):
                self.ask()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@dataclass(frozen=True)
class Outcome:
    """What is stored after all absences, and what was seen of the services meanwhile."""

    watch: Watch
    pids: dict[str, set[int]]
    segments: list[tuple[Recording, bytes]]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    watch = Watch({service: free_port() for service in SERVICES})
    cameras = {scene.PATTERN: Camera(scene.pattern_camera(), scene.open_masking())}
    with pytest.MonkeyPatch.context() as environment:
        for service, port in watch.ports.items():
            environment.setenv(f"BEFFROI_{service.upper()}_ADMIN_PORT", str(port))
        with running_system(tmp_path_factory.mktemp("away"), cameras) as system:
            wait_for(lambda: bool(system.segments(scene.PATTERN)), "the first segment")
            pids = {service: {system.stack.pid(service)} for service in SERVICES}
            with watch.watching():
                for part, how in ABSENCES:
                    absence(system, part, how, AWAY_S)
                    for service in SERVICES:
                        pids[service].add(system.stack.pid(service))
            return Outcome(watch, pids, system.stored(scene.PATTERN))


def absence(system: System, part: str, how: Absence, away_s: float) -> None:
    """Take a part away and give it back; return when what was captured after its return is stored."""
    print(f"{part} is {how} for {away_s:.0f} s", flush=True)
    with system.stack.away(part, how):
        time.sleep(away_s)  # the length of the absence is what is tried: there is nothing to wait for
    back = time.time()

    def caught_up() -> bool:
        return any(each.starts_at.timestamp() > back for each, _ in system.stored(scene.PATTERN))

    wait_for(lambda: system.answers(scene.PATTERN) and caught_up(), f"pictures to be stored after {part} was {how}")


def test_no_process_ended(outcome: Outcome) -> None:
    assert {service: len(pids) for service, pids in outcome.pids.items()} == dict.fromkeys(SERVICES, 1)


def test_every_service_lived_all_along(outcome: Outcome) -> None:
    assert outcome.watch.asked > len(SERVICES) * len(ABSENCES) * AWAY_S / 10
    assert outcome.watch.failures == []


def test_every_picture_is_stored_exactly_once(outcome: Outcome) -> None:
    require_exactly_once(outcome.segments)


def require_exactly_once(segments: list[tuple[Recording, bytes]]) -> None:
    """See that no picture between the first and the last is missing or there twice."""
    numbers = [number for _, data in segments for number in numbers_in(data)]
    assert None not in numbers, "a picture without a readable number"
    read = [number for number in numbers if number is not None]
    holes = [(before, after) for before, after in pairwise(read) if after != before + 1]
    assert holes == [], "pictures are missing, stored twice or out of order"
    assert sum(recording.missing_batches for recording, _ in segments) == 0
    print(f"{len(read)} pictures in {len(segments)} segments")
