"""What the stores hold is in the index, whoever forgot to say so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.application import SEAL, eventually
from tests.messages import recording_of

from beffroi_api.authz.scope import Scope
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.modules.audit.service import Trail
from beffroi_api.modules.recordings.looks.served_ranges import ServedRanges
from beffroi_api.modules.recordings.reindexing import comparison
from beffroi_api.modules.recordings.reindexing.comparison import Compared, Reindexing
from beffroi_api.modules.recordings.service import Recordings
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.news.outbox import NewsOutbox
from beffroi_common.contracts import Recording, RecordingState
from beffroi_common.recordings import DESTROYED_KEPT
from beffroi_common.recordings.naming import segment_id
from beffroi_common.recordings.segment_format import metadata_of
from beffroi_common.store import StoredObject, StoreUnavailable
from beffroi_testing import ManualClock, MemoryStore

ALL = Scope.system("a test sees everything")
RETENTION = timedelta(days=14)


class Archive:
    """Two stores, an index, and what compares them."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.store, self.holds = MemoryStore(self.clock), MemoryStore(self.clock, name="holds")
        self.database = Database(f"sqlite:///{folder}/index.sqlite3")
        migrations.upgrade(self.database)
        stores = Stores([self.store, self.holds])
        served = ServedRanges(self.database, Trail(self.database, self.clock, SEAL), self.clock)
        self.index = Recordings(self.database, served, stores, self.clock, RETENTION, NewsOutbox())
        self.reindexing = Reindexing(self.database, stores, self.clock, RETENTION, lambda: None)
        self._file = folder / "video"
        self._file.write_bytes(b"video")

    def segment(self, minute: int, camera: str = "gate") -> Recording:
        at = self.clock.now() - timedelta(minutes=60 - minute)
        name = f"segments/{at:%Y-%m-%d}/{camera}/{at:%H%M%S}.000Z-1-{minute}.mp4"
        return recording_of(camera, at, object_name=name, changed_at=at + timedelta(seconds=61))

    def put(self, recording: Recording, store: MemoryStore | None = None) -> Recording:
        kept = store or self.store
        kept.put(recording.object_name, self._file, "video/mp4", metadata_of(recording, 0))
        return recording.model_copy(update={"store": kept.name})

    def listed(self, *recordings: Recording) -> list[str | None]:
        found = [self.index.find(ALL, segment_id(each.key)) for each in recordings]
        return [None if row is None else row.state for row in found]

    def compare(self) -> Compared:
        *_, compared = self.reindexing.pieces()
        return compared


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path)
    yield made
    made.database.close()


def test_an_empty_index_is_filled_from_the_stores_alone_and_nothing_is_doubled(archive: Archive) -> None:
    stored = [archive.put(archive.segment(minute, camera)) for minute in range(3) for camera in ("gate", "yard")]
    stored.append(archive.put(archive.segment(0), archive.holds))
    assert archive.compare() == Compared(objects=7, added=7)
    assert archive.listed(*stored) == ["stored"] * 7
    assert archive.compare() == Compared(objects=7)


def test_more_than_a_piece(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "PIECE", 2)
    known, *_ = stored = [archive.put(archive.segment(minute)) for minute in range(5)]
    archive.index.take(known)
    assert archive.compare() == Compared(objects=5, added=4)
    assert archive.listed(*stored) == ["stored"] * 5


def test_what_was_destroyed_does_not_come_back(archive: Archive) -> None:
    gone = archive.put(archive.segment(0))
    later = gone.changed_at + timedelta(seconds=1)
    archive.index.take(gone.model_copy(update={"state": RecordingState.DESTROYED, "changed_at": later}))
    archive.compare()
    assert archive.listed(gone) == ["destroyed"]


def test_of_an_object_that_was_made_anew_the_last_word_counts_whatever_the_clock_of_who_made_it(
    archive: Archive,
) -> None:
    first = archive.segment(0)
    earlier = first.changed_at - timedelta(minutes=1)
    anew = first.model_copy(update={"sha256": "1" * 64, "frames": 2, "changed_at": earlier})
    for told in (first, anew, anew):
        archive.index.take(told)
    row = archive.index.find(ALL, segment_id(first.key))
    assert row is not None
    assert (row.sha256, row.frames, row.changed_at) == (anew.sha256, 2, earlier)
    archive.index.take(anew.model_copy(update={"state": RecordingState.DESTROYED, "changed_at": first.changed_at}))
    archive.index.take(first)
    assert archive.listed(first) == ["destroyed"]


def test_what_is_destroyed_while_it_is_compared_is_left_out(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = archive.put(archive.segment(0))

    def stat(name: str) -> StoredObject | None:
        archive.store.remove(name)
        return None

    monkeypatch.setattr(archive.store, "stat", stat)
    assert archive.compare() == Compared(objects=1)
    assert archive.listed(gone) == [None]


def test_what_another_process_adds_at_the_same_time_is_added_once(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (archive.put(archive.segment(minute)) for minute in range(2))
    read = archive.store.stat

    def stat(name: str) -> StoredObject | None:
        archive.index.take(one)
        return read(name)

    monkeypatch.setattr(archive.store, "stat", stat)
    assert archive.compare() == Compared(objects=2, added=1)
    assert archive.listed(one, other) == ["stored", "stored"]


def test_what_is_no_recording_is_no_harm(archive: Archive) -> None:
    good = archive.put(archive.segment(1))
    for name in ("segments/readme", "segments/../x.mp4", archive.segment(2).object_name):
        archive.store.put(name, archive._file, "video/mp4", {})
    assert archive.compare() == Compared(objects=2, added=1)
    assert archive.listed(good) == ["stored"]


def test_what_was_over_long_ago_and_is_nowhere_leaves_the_index(archive: Archive) -> None:
    forgotten, there, elsewhere = archive.segment(0), archive.put(archive.segment(1)), archive.segment(2)
    elsewhere = elsewhere.model_copy(update={"store": "unknown"})
    for each in (forgotten, there, elsewhere):
        archive.index.take(each)
    archive.clock.advance((RETENTION + DESTROYED_KEPT).total_seconds() - 3601)
    assert archive.compare() == Compared(objects=1)
    archive.clock.advance(3600)
    recent = archive.segment(60)
    archive.index.take(recent)
    assert archive.compare() == Compared(objects=1, forgotten=1)
    assert archive.listed(forgotten, there, elsewhere, recent) == [None, "stored", "stored", "stored"]


def test_a_slow_store_holds_no_heartbeat_up(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    over = [archive.segment(minute) for minute in range(10)]
    for each in over:
        archive.index.take(each)
    archive.clock.advance((RETENTION + DESTROYED_KEPT).total_seconds())
    for minute in range(10):
        archive.put(archive.segment(minute))
    beats = [archive.clock.monotonic_s()]
    read = archive.store.stat

    def stat(name: str) -> StoredObject | None:
        archive.clock.advance(9)
        return read(name)

    monkeypatch.setattr(archive.store, "stat", stat)
    stores = archive.index.stores
    slow = Reindexing(
        archive.database, stores, archive.clock, RETENTION, lambda: beats.append(archive.clock.monotonic_s())
    )
    *_, compared = slow.pieces()
    assert compared == Compared(objects=10, added=10, forgotten=10)
    assert max(later - earlier for earlier, later in pairwise(beats)) == 9


def test_a_store_that_does_not_answer_is_asked_again_later(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "POLL_S", 0.01)
    recording = archive.put(archive.segment(0))
    archive.store.away = True
    with pytest.raises(StoreUnavailable):
        archive.compare()
    stop = threading.Event()
    with capture_logs() as logs:
        thread = threading.Thread(target=archive.reindexing.run, args=[stop])
        thread.start()
        try:
            eventually(lambda: [each for each in logs if each["event"] == "index and stores are compared later"])
            archive.store.away = False
            archive.clock.advance(comparison.AGAIN_S)
            eventually(lambda: archive.listed(recording) == ["stored"])
        finally:
            stop.set()
            thread.join()
