"""Each process killed with -9 while a test pattern is recorded: every picture is stored exactly once.

The pattern's frame number is UTC time × rate. While ingest itself is dead nobody makes pictures, so numbers may be
missing there and nowhere else.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from itertools import pairwise

import pytest
from tests.e2e.system import Camera, System, running_system, wait_for
from tests.recordings import numbers_in

from beffroi_common.contracts import Recording
from beffroi_local import scene
from beffroi_local.programs import SERVICES

FPS = 12
BATCH_S = 1.0
"""What may be in ingest's hands when it is killed: a batch in the making and one on its way."""


@dataclass(frozen=True)
class Recorded:
    """What is stored after each service was killed, and when that was."""

    segments: list[tuple[Recording, bytes]]
    killed_at_s: dict[str, float]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    cameras = {scene.PATTERN: Camera(scene.pattern_camera(), scene.open_masking())}
    with running_system(tmp_path_factory.mktemp("lost"), cameras) as system:
        wait_for(lambda: segments(system) >= 1, "the first segment")
        killed_at_s = {service: kill(system, service) for service in SERVICES}
        return Recorded(system.stored(scene.PATTERN), killed_at_s)


def segments(system: System) -> int:
    """How many segments the api lists."""
    return len(system.segments(scene.PATTERN))


def kill(system: System, service: str) -> float:
    """Kill a service, wait until it is back and another segment is stored; return when it was killed."""
    before, count = system.stack.pid(service), segments(system)
    assert before
    killed_at_s = time.time()
    system.stack.kill(service)
    wait_for(lambda: system.stack.pid(service) not in (0, before), f"{service} to come back")
    if service == "api":
        wait_for(lambda: system.answers(scene.PATTERN), "the api to answer again")
    wait_for(lambda: segments(system) > count + 1, f"pictures to be stored after {service} was killed")
    return killed_at_s


def test_every_picture_is_stored_exactly_once(recorded: Recorded) -> None:
    numbers = [number for _, data in recorded.segments for number in numbers_in(data)]
    assert len(recorded.segments) >= 3
    assert None not in numbers, "a picture without a readable number"
    read = [number for number in numbers if number is not None]
    assert len(set(read)) == len(read), "a picture is stored twice"
    assert read == sorted(read)
    holes = [(before, after) for before, after in pairwise(read) if after != before + 1]
    assert len(holes) == 1, f"pictures are missing where nobody killed ingest: {holes}"
    ((before, after),) = holes
    killed_at_s = recorded.killed_at_s["ingest"]
    assert before / FPS > killed_at_s - BATCH_S, "pictures captured before ingest was killed are missing"
    print(f"{len(read)} pictures in {len(recorded.segments)} segments, {after - before - 1} not made: ingest was dead")


def test_the_index_says_what_the_objects_hold(recorded: Recorded) -> None:
    for recording, data in recorded.segments:
        assert (len(data), hashlib.sha256(data).hexdigest()) == (recording.size_bytes, recording.sha256)
        assert len(numbers_in(data)) == recording.frames
        assert recording.missing_batches == 0


def test_the_chain_of_digests_holds_over_all_deaths(recorded: Recorded) -> None:
    recordings = [recording for recording, _ in recorded.segments]
    assert recordings[0].previous_sha256 is None
    assert all(after.previous_sha256 == before.sha256 for before, after in pairwise(recordings))
