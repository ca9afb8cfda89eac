"""The whole system on free ports with short segments, for tests that read what it stored."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.recordings import recordings_in

from beffroi_common.contracts import Recording
from beffroi_common.errors import RetryLater
from beffroi_local import accounts, clips
from beffroi_local.client import ApiClient
from beffroi_local.programs import SERVICES
from beffroi_local.settings import StackSettings
from beffroi_local.stack import Stack, running_stack
from beffroi_local.stored import recordings_store

SEGMENT_S = 5
TIMEOUT_S = 180.0


@dataclass(frozen=True)
class Camera:
    """What is told to the api of a camera: its configuration, and the decision on its masks."""

    about: Mapping[str, Any]
    masking: Mapping[str, Any]


@dataclass(frozen=True)
class System:
    """All processes, and the api as an administrator uses it."""

    stack: Stack
    api: ApiClient

    def segments(self, camera: str) -> list[dict[str, Any]]:
        """What the api lists of a camera."""
        now = datetime.now(UTC)
        return self.api.recordings(camera, now - timedelta(hours=1), now + timedelta(minutes=1))

    def answers(self, camera: str) -> bool:
        """Whether api and store say what there is of a camera."""
        try:
            self.segments(camera)
            self.stored(camera)
        except (httpx.HTTPError, RuntimeError, RetryLater):
            return False
        return True

    def stored(self, camera: str) -> list[tuple[Recording, bytes]]:
        """Every object of a camera, out of the store itself, in order of capture."""
        store = recordings_store(self.stack.parts.store)
        recordings = [each for each in recordings_in(store) if each.camera == camera]
        return [(each, store.read(each.object_name)) for each in sorted(recordings, key=lambda each: each.starts_at)]


@contextmanager
def running_system(home: Path, cameras: Mapping[str, Camera], clip: Path | None = None) -> Iterator[System]:
    """The system in `home` for as long as the context lasts, with these cameras by name.

    Its RTSP camera plays `clip`, or a pattern.
    """
    people = accounts.run_accounts()
    administrator = next(each for each in people if each.role == "administrator")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BEFFROI_RECORDER_SEGMENT_S", str(SEGMENT_S))
        stack_settings = StackSettings.on_free_ports(home)
        index = clips.prepare_pattern() if clip is None else clips.prepare(clip)
        with (
            running_stack(stack_settings, "e2e", index, prepare=lambda parts: accounts.create(people, parts)) as stack,
            ApiClient(stack.address, administrator.username, administrator.password) as api,
        ):
            for name, camera in cameras.items():
                api.put(f"/cameras/{name}", camera.about)
                api.put(f"/cameras/{name}/masking", camera.masking)
            yield System(stack, api)
            for service in SERVICES:
                require_lines_of_json(stack.log(service))


def require_lines_of_json(log: Path) -> None:
    """See that a service said everything as one object a line, whatever library or bug it came from."""
    for line in log.read_text().splitlines():
        try:
            assert isinstance(json.loads(line), dict)
        except ValueError:
            raise AssertionError(f"{log.name}: not a line of JSON: {line}") from None


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until it is true, far longer than it takes."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        time.sleep(0.5)
