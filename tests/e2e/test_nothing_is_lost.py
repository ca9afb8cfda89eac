"""Each process killed with -9 while a test pattern is recorded: every picture is stored exactly once.

The pattern's frame number is UTC time × rate. While ingest itself is dead nobody makes pictures, so numbers may be
missing there and nowhere else.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from beffroi.common import pattern
from beffroi.common.contracts import Recording
from beffroi.common.runtime.settings import StoreSettings
from beffroi.common.store.minio import MinioStore
from beffroi.local import accounts, clips, scene
from beffroi.local.client import ApiClient
from beffroi.local.programs import SERVICES
from beffroi.local.settings import StackSettings
from beffroi.local.stack import Stack, running_stack
from beffroi.local.stored import BUCKET

SEGMENT_S = 5
FPS = 12
PATIENCE_S = 180.0
BATCH_S = 1.0
"""What may be in ingest's hands when it is killed: a batch in the making and one on its way."""


@dataclass(frozen=True)
class Running:
    """A system that records the test pattern."""

    stack: Stack
    api: ApiClient

    def segments(self) -> int:
        """How many segments the api lists."""
        now = datetime.now(UTC)
        return len(self.api.recordings(scene.PATTERN, now - timedelta(hours=1), now + timedelta(minutes=1)))

    def stored(self) -> list[tuple[Recording, bytes]]:
        """Every object of the pattern, out of the store itself, in order of capture."""
        parts = self.stack.parts.store
        store = MinioStore(
            StoreSettings(
                endpoint=parts.endpoint,
                access_key=parts.access_key,
                secret_key=parts.secret_key,
                secure=False,
                bucket=BUCKET,
            )
        )
        found = []
        for each in store.list("segments/"):
            about = store.stat(each.name)
            assert about is not None
            recording = Recording.decode(about.metadata["recording"].encode())
            if recording.camera == scene.PATTERN:
                found.append((recording, store.read(each.name)))
        return sorted(found, key=lambda pair: pair[0].starts_at)


@dataclass(frozen=True)
class Recorded:
    """What is stored after each service was killed, and when that was."""

    segments: list[tuple[Recording, bytes]]
    killed_at_s: dict[str, float]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BEFFROI_RECORDER_SEGMENT_S", str(SEGMENT_S))
        with running_pattern(tmp_path_factory.mktemp("lost")) as running:
            wait_for(lambda: running.segments() >= 1, "the first segment")
            killed_at_s = {service: kill(running, service) for service in SERVICES}
            return Recorded(running.stored(), killed_at_s)


@contextmanager
def running_pattern(home: Path) -> Iterator[Running]:
    people = accounts.run_accounts()
    settings = StackSettings.on_free_ports(home)
    index = clips.prepare_pattern()
    with running_stack(settings, "lost", index, prepare=lambda parts: accounts.create(people, parts)) as stack:
        administrator = next(each for each in people if each.role == "administrator")
        with ApiClient(stack.address, administrator.username, administrator.password) as api:
            api.put(f"/cameras/{scene.PATTERN}", scene.pattern_camera())
            api.put(f"/cameras/{scene.PATTERN}/masking", scene.open_masking())
            yield Running(stack, api)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.5)


def kill(running: Running, service: str) -> float:
    """Kill a service, wait until it is back and another segment is stored; return when it was killed."""
    before, segments = running.stack.pid(service), running.segments()
    assert before
    killed_at_s = time.time()
    running.stack.kill(service)
    wait_for(lambda: running.stack.pid(service) not in (0, before), f"{service} to come back")
    if service == "api":
        wait_for(lambda: answers(running), "the api to answer again")
    wait_for(lambda: running.segments() > segments + 1, f"pictures to be stored after {service} was killed")
    return killed_at_s


def answers(running: Running) -> bool:
    try:
        running.segments()
    except (httpx.HTTPError, RuntimeError):
        return False
    return True


def numbers_in(data: bytes) -> list[int | None]:
    with av.open(io.BytesIO(data), "r") as container:
        pictures = (picture.to_ndarray(format="gray") for picture in container.decode(video=0))
        return [pattern.read(np.ascontiguousarray(picture)) for picture in pictures]


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
