"""Processes that stand still for longer than a session and go on: they send nothing more of what they had.

A session of 6 s is the shortest that a broker allows.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.integration.processes import TIMEOUT_S, Bus, Service, started

from beffroi_common.contracts import Camera, CameraSource, FrameBatch, MaskDecision, MaskMode
from beffroi_common.topics import FRAMES_MASKED, FRAMES_RAW
from beffroi_local.process import await_condition

StartMember = Callable[[str, str], Service]
NOTICED = ("frozen for a session", "partitions lost")
"""Whichever comes first: a thread that wants to send, or the word of the group."""

SHORTEST_SESSION_S = "6"


@pytest.fixture
def start_member(kafka: str, tmp_path: Path) -> Iterator[StartMember]:
    """`start_member("ingest", "a")` → one of several instances."""
    with ExitStack() as members:

        def start(service: str, instance: str) -> Service:
            settings = {"INSTANCE": instance, "KAFKA__SESSION_TIMEOUT_S": SHORTEST_SESSION_S}
            return members.enter_context(started(Service(service, kafka, tmp_path / instance, settings)))

        yield start


@pytest.fixture
def camera(name: str) -> Camera:
    decision = MaskDecision(
        mode=MaskMode.OPEN, version=1, decided_by="dpo", decided_at=datetime(2026, 1, 1, tzinfo=UTC), reason="a field"
    )
    source = CameraSource(url="pattern:320x180@10")
    return Camera(id=name, name=name, commune="Lille", slot=0, source=source, masking=decision)


def freeze(service: Service) -> None:
    os.kill(service.pid, signal.SIGSTOP)


def thaw(service: Service) -> None:
    """Let it go on, and wait until it found out and belongs to the group again."""
    joined = service.log.count('"event": "assigned"')
    os.kill(service.pid, signal.SIGCONT)
    await_condition(lambda: any(each in service.log for each in NOTICED), TIMEOUT_S, "the frozen one to notice")
    await_condition(lambda: service.log.count('"event": "assigned"') > joined, TIMEOUT_S, "it to join again")


def epochs(batches: list[FrameBatch]) -> list[int]:
    return list(dict.fromkeys(batch.epoch for batch in batches))


def test_a_frozen_ingest_sends_nothing_between_the_batches_of_who_took_over(
    bus: Bus, start_member: StartMember, camera: Camera
) -> None:
    bus.configure(camera)
    frozen = start_member("ingest", "a")
    before = bus.batches(FRAMES_RAW, camera.id, lambda found: len(found) >= 3)
    freeze(frozen)
    start_member("ingest", "b")
    bus.batches(FRAMES_RAW, camera.id, lambda found: len(epochs(found)) > 1 and len(found) > len(before) + 3)
    thaw(frozen)
    count = len(bus.batches(FRAMES_RAW, camera.id, lambda found: len(found) >= 3))
    batches = bus.batches(FRAMES_RAW, camera.id, lambda found: len(found) >= count + 8)
    order = [batch.epoch for batch in batches]
    assert order == sorted(order), "each connection is over once the next one began"
    assert epochs(batches)[0] == before[0].epoch


def test_a_frozen_masker_sends_nothing_between_the_batches_of_who_took_over(
    bus: Bus, start_member: StartMember, start_service: Callable[..., Service], camera: Camera
) -> None:
    bus.configure(camera)
    start_service("ingest")
    frozen = start_member("masker", "a")
    bus.batches(FRAMES_MASKED, camera.id, lambda found: len(found) >= 3)
    freeze(frozen)
    before = sum(record.key == camera.id for record in bus.everything(FRAMES_MASKED))
    start_member("masker", "b")
    bus.batches(FRAMES_MASKED, camera.id, lambda found: len(found) > before + 8)
    thaw(frozen)
    raw = bus.batches(FRAMES_RAW, camera.id, lambda found: len(found) >= 8)
    batches = bus.batches(FRAMES_MASKED, camera.id, lambda found: found[-1].sequence >= raw[-1].sequence)
    seen = {batch.identity: batch for batch in reversed(batches)}
    assert all(seen[batch.identity] == batch for batch in batches), "a repeat is the same to the last bit"
    newest = 0
    for batch in batches:
        assert batch.sequence <= newest + 1, "no batch is missing before another"
        newest = max(newest, batch.sequence)
