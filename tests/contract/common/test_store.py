"""What any object store must do: the same tests for MinIO and for the double in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import minio.time
import pytest

from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.settings import StoreSettings
from beffroi_common.store import ClocksDisagree, ObjectChanged, ObjectMissing, ObjectStore, RetentionError
from beffroi_common.store.minio import MinioStore
from beffroi_testing import MemoryStore


@pytest.fixture(params=["memory", "minio"])
def store(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    real = request.getfixturevalue("minio")
    yield MinioStore(
        "recordings",
        StoreSettings(
            endpoint=real.endpoint,
            access_key=real.access_key,
            secret_key=real.secret_key,
            secure=False,
            bucket=f"test-{uuid4().hex}",
        ),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "segment.mp4"
    path.write_bytes(bytes(range(256)) * 100)
    return path


def test_a_bucket_is_made_with_its_retention_and_made_again_without_harm(store: ObjectStore) -> None:
    store.make_bucket(14)
    store.make_bucket(14)
    store.check_retention(14)


def test_another_retention_is_an_error(store: ObjectStore) -> None:
    store.make_bucket(14)
    with pytest.raises(RetentionError, match="14 days, not after 7"):
        store.make_bucket(7)


def test_several_threads_read_at_once_and_keep_their_connections(
    store: ObjectStore, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.make_bucket(14)
    store.put("a/1.mp4", file, "video/mp4", {})
    content = file.read_bytes()
    at_once = [store.stream("a/1.mp4", 0, len(content), 64) for _ in range(4)]
    begun = [next(each) for each in at_once]
    assert [first + b"".join(each) for first, each in zip(begun, at_once, strict=True)] == [content] * 4
    assert caplog.messages == []


def test_what_was_put_is_read_back_whole_in_part_and_in_chunks(store: ObjectStore, file: Path) -> None:
    store.make_bucket(14)
    store.put("a/1.mp4", file, "video/mp4", {"sha": "abc"})
    content = file.read_bytes()
    assert store.read("a/1.mp4") == content
    assert store.read("a/1.mp4", 10, 20) == content[10:30]
    assert b"".join(store.stream("a/1.mp4", 5, 1000, 64)) == content[5:1005]
    about = store.stat("a/1.mp4")
    assert about is not None
    assert (about.name, about.size_bytes, about.metadata["sha"]) == ("a/1.mp4", len(content), "abc")


def test_names_are_listed_in_order_under_a_prefix(store: ObjectStore, file: Path) -> None:
    store.make_bucket(14)
    for name in ("b/2", "a/2", "a/1"):
        store.put(name, file, "video/mp4", {})
    assert [each.name for each in store.list("a/")] == ["a/1", "a/2"]


def test_a_removed_object_is_gone_and_removing_it_again_is_no_error(store: ObjectStore, file: Path) -> None:
    store.make_bucket(14)
    store.put("a", file, "video/mp4", {})
    store.remove("a")
    store.remove("a")
    assert store.stat("a") is None
    with pytest.raises(ObjectMissing):
        store.read("a")
    with pytest.raises(ObjectMissing):
        list(store.stream("a", 0, 1, 1))


def test_an_object_takes_the_place_of_the_one_that_was_looked_at_and_of_no_other(
    store: ObjectStore, file: Path
) -> None:
    store.make_bucket(14)
    store.put("a", file, "video/mp4", {})
    old = store.stat("a")
    assert old is not None
    file.write_bytes(b"new")
    with pytest.raises(ObjectChanged):
        store.put("a", file, "video/mp4", {})  # there is one
    store.put("a", file, "video/mp4", {}, replaces=old.version)
    assert store.read("a") == b"new"
    file.write_bytes(b"late")
    with pytest.raises(ObjectChanged):
        store.put("a", file, "video/mp4", {}, replaces=old.version)
    assert store.read("a") == b"new"
    assert [each.version for each in store.list("a")] == [store.stat("a").version]  # type: ignore[union-attr]
    store.remove("a")
    with pytest.raises(ObjectChanged):
        store.put("a", file, "video/mp4", {}, replaces=old.version)
    assert store.stat("a") is None


def test_the_store_says_what_time_it_is_by_the_clock_that_dates_its_objects(store: ObjectStore, file: Path) -> None:
    store.make_bucket(14)
    before = store.now()
    store.put("a", file, "video/mp4", {})
    about = store.stat("a")
    assert about is not None
    assert before <= about.modified_at <= store.now()


@pytest.mark.parametrize("store", ["minio"], indirect=True)
@pytest.mark.parametrize("apart", [timedelta(days=3650), timedelta(hours=-1)])
def test_a_request_that_is_refused_because_of_the_clock_is_no_wrong_key(
    store: MinioStore, monkeypatch: pytest.MonkeyPatch, apart: timedelta
) -> None:
    class Wrong(SystemClock):
        def now(self) -> datetime:
            return super().now() + apart

    store.make_bucket(14)
    utcnow = minio.time.utcnow
    monkeypatch.setattr(minio.time, "utcnow", lambda: utcnow() + apart)
    monkeypatch.setattr(store, "_clock", Wrong())
    for ask in (lambda: store.make_bucket(14), lambda: store.stat("a"), lambda: list(store.list(""))):
        with pytest.raises(ClocksDisagree, match="the clock of the object store is"):
            ask()
    assert abs(store.now() - SystemClock().now()) < timedelta(minutes=1), "it says what time it is all the same"


@pytest.mark.parametrize("store", ["minio"], indirect=True)
def test_a_segment_is_sent_in_one_request_so_that_a_kill_leaves_no_parts(
    store: MinioStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_parts(*_: object, **__: object) -> str:
        raise AssertionError("it is uploaded in parts, which no listing shows")

    monkeypatch.setattr(store._client, "_create_multipart_upload", in_parts)
    segment = tmp_path / "minute.mp4"
    with segment.open("wb") as file:
        file.truncate(150_000_000)  # 20 Mbit/s, as 4K may have
    store.make_bucket(14)
    tracemalloc.start()
    store.put("a", segment, "video/mp4", {"Camera": "gate"})
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    about = store.stat("a")
    assert about is not None
    assert (about.size_bytes, about.metadata) == (150_000_000, {"camera": "gate"})
    assert store.read("a", 149_999_990) == bytes(10)
    assert most_bytes < 10_000_000, "it is not read into memory"


@pytest.mark.parametrize("name", ["a/../b", "..", "./a"])
def test_no_object_has_a_name_that_is_a_path_elsewhere(store: ObjectStore, name: str) -> None:
    store.make_bucket(14)
    assert store.stat(name) is None
    with pytest.raises(ObjectMissing):
        store.read(name)
    with pytest.raises(ObjectMissing):
        list(store.stream(name, 0, 1, 1))
