"""Recordings in two stores: each is served out of its own, and out of no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.application import Running, eventually

from beffroi_common.contracts import RecordingState
from beffroi_testing import MemoryStore

RECORDINGS = "/api/v1/cameras/gate/recordings"


@pytest.fixture
def holds(place: Any) -> MemoryStore:
    """A second store, empty."""
    store = MemoryStore(place.clock, "holds")
    place.around.stores = [place.store, store]
    return store


@pytest.fixture
def door(place: Any, holds: MemoryStore) -> Iterator[Running]:
    """An application that knows both stores."""
    with place.start() as started:
        yield started


Tell = Callable[..., None]


@pytest.fixture
def twice(place: Any, door: Running, holds: MemoryStore, record: Any, tell: Tell, tmp_path: Path) -> Any:
    """A segment, and a copy under its own name in the other store whose bytes tell it apart."""
    recorded = record(place.clock.now() - timedelta(minutes=5))
    file = tmp_path / "copy.mp4"
    file.write_bytes(recorded.content[::-1])
    holds.put(recorded.recording.object_name, file, "video/mp4", {})
    tell(recorded.recording.model_copy(update={"store": "holds"}))
    eventually(lambda: len(segments(door)) == 2)
    return recorded


def segments(door: Running) -> dict[str, dict[str, Any]]:
    """What is listed, by store."""
    found = door.operator.get(RECORDINGS).raise_for_status().json()["segments"]
    return {each["store"]: each for each in found}


def test_an_object_of_the_same_name_in_two_stores_is_two_recordings(door: Running, twice: Any) -> None:
    found = segments(door)
    assert found["recordings"]["object"] == found["holds"]["object"]
    assert found["recordings"]["id"] != found["holds"]["id"]
    assert door.operator.get(found["recordings"]["video_url"]).content == twice.content
    assert door.operator.get(found["holds"]["video_url"]).content == twice.content[::-1]


def test_the_trail_says_which_store_was_looked_into(
    door: Running, twice: Any, audited: Callable[..., list[dict[str, Any]]]
) -> None:
    for each in segments(door).values():
        door.operator.get(each["video_url"]).raise_for_status()
    assert sorted(row["details"]["store"] for row in audited("video_seen")) == ["holds", "recordings"]


def test_what_is_destroyed_in_one_store_is_there_in_the_other(door: Running, twice: Any, tell: Tell) -> None:
    recording = twice.recording
    tell(
        recording.model_copy(
            update={"state": RecordingState.DESTROYED, "changed_at": recording.changed_at + timedelta(seconds=1)}
        )
    )
    eventually(lambda: list(segments(door)) == ["holds"])
    assert door.operator.get(segments(door)["holds"]["video_url"]).status_code == 200


def test_out_of_a_store_that_no_setting_names_nothing_is_served(
    place: Any, door: Running, record: Any, make_camera: Any, audited: Callable[..., list[dict[str, Any]]]
) -> None:
    make_camera()
    elsewhere = record(place.clock.now() - timedelta(minutes=5), store="elsewhere").recording
    found = eventually(lambda: segments(door).get("elsewhere"))
    answers = [
        door.operator.get(found["video_url"]),
        door.operator.get("/api/v1/cameras/gate/still", params={"at": elsewhere.starts_at.isoformat()}),
    ]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(503, "unknown_store")] * 2
    assert "'elsewhere', which this api is not set up to read" in answers[0].json()["detail"]
    assert audited("video_seen") == []


def test_one_store_that_is_away_is_said_and_the_other_serves(place: Any, door: Running, twice: Any) -> None:
    place.store.away = True
    place.clock.advance(60)
    health = eventually(lambda: (found := door.dpo.get("/api/v1/health").json())["store"]["message"] and found)
    assert health["store"]["reachable"] is False
    found = segments(door)
    assert door.operator.get(found["recordings"]["video_url"]).status_code == 503
    assert door.operator.get(found["holds"]["video_url"]).status_code == 200
