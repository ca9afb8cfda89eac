"""The index of recordings out of a store alone: the same tests for MinIO and for the double in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr
from tests.messages import recording_of
from tests.recordings import recordings_in

from beffroi_common.contracts import Recording
from beffroi_common.recordings import segment_format
from beffroi_common.recordings.naming import segment_id
from beffroi_common.runtime.settings import StoreSettings
from beffroi_common.store import ObjectStore, StoredObject
from beffroi_common.store.minio import MinioStore
from beffroi_local.minio import ObjectServer
from beffroi_testing import MemoryStore

AT = datetime(2026, 11, 1, 23, 59, 0, tzinfo=UTC)


@pytest.fixture(params=["memory", "minio"])
def stores(request: pytest.FixtureRequest) -> list[ObjectStore]:
    """Two buckets, as whoever keeps recordings and holds has them."""
    server = request.getfixturevalue("minio") if request.param == "minio" else None
    made = [bucket(name, server) for name in ("recordings", "holds")]
    for each in made:
        each.make_bucket(14)
    return made


def bucket(name: str, server: ObjectServer | None) -> ObjectStore:
    if server is None:
        return MemoryStore(name=name)
    settings = StoreSettings(
        endpoint=server.endpoint,
        access_key=server.access_key,
        secret_key=SecretStr(server.secret_key),
        secure=False,
        bucket=f"test-{uuid4().hex}",
    )
    return MinioStore(name, settings)


@pytest.fixture
def store(stores: list[ObjectStore]) -> ObjectStore:
    return stores[0]


def recorded(camera: str, minute: int) -> Recording:
    at = AT + timedelta(minutes=minute)
    return recording_of(
        camera,
        at,
        object_name=f"segments/{at:%Y-%m-%d}/{camera}/{at:%H%M%S}.000Z-7-{minute}.mp4",
        ends_at=at + timedelta(seconds=59),
        frames=240,
        batches=60,
        missing_batches=1,
        mask_versions=(2, 3),
        changed_at=at + timedelta(seconds=61),
    )


Put = Callable[[str, Mapping[str, str]], None]


@pytest.fixture
def put(store: ObjectStore, tmp_path: Path) -> Put:
    file = tmp_path / "segment.mp4"
    file.write_bytes(b"video")
    return lambda name, metadata: store.put(name, file, segment_format.CONTENT_TYPE, metadata)


def test_every_recording_is_found_in_the_store_alone(store: ObjectStore, put: Put) -> None:
    stored = [recorded(camera, minute) for minute in range(3) for camera in ("gate", "square")]
    for each in stored:
        put(each.object_name, segment_format.metadata_of(each, partition=3))
    put("heads/gate.json", {})
    found = list(recordings_in(store))
    assert [each.starts_at.date() for each in found] == sorted(each.starts_at.date() for each in stored)
    assert sorted(found, key=lambda each: (each.starts_at, each.camera)) == stored


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"recording": "{}", "partition": "3"},
        segment_format.metadata_of(recorded("gate", 1), partition=3),
        segment_format.metadata_of(recorded("gate", 0), partition=3) | {"partition": "-1"},
    ],
    ids=["none", "no recording", "of another object", "no partition"],
)
def test_what_is_no_segment_of_ours_is_left_out(store: ObjectStore, put: Put, metadata: Mapping[str, str]) -> None:
    put(recorded("gate", 0).object_name, metadata)
    good = recorded("square", 0)
    put(good.object_name, segment_format.metadata_of(good, partition=0))
    assert list(recordings_in(store)) == [good]


def test_what_is_destroyed_while_the_store_is_listed_is_left_out(store: ObjectStore, put: Put) -> None:
    class Emptied:
        """Destroys each object between its listing and the question after it."""

        def list(self, prefix: str) -> Iterator[StoredObject]:
            for each in store.list(prefix):
                store.remove(each.name)
                yield each

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

    gone = recorded("gate", 0)
    put(gone.object_name, segment_format.metadata_of(gone, partition=0))
    assert list(recordings_in(Emptied())) == []  # type: ignore[arg-type]


def test_a_copy_in_another_store_is_of_that_store(stores: list[ObjectStore], tmp_path: Path) -> None:
    first = recorded("gate", 0)
    file = tmp_path / "copied.mp4"
    file.write_bytes(b"video")
    for each in stores:
        each.put(first.object_name, file, segment_format.CONTENT_TYPE, segment_format.metadata_of(first, partition=0))
    found = [one for each in stores for one in recordings_in(each)]
    assert found == [first, first.model_copy(update={"store": "holds"})]
    assert len({segment_id(each.key) for each in found}) == 2
