"""What is due is destroyed, seen to be gone, and said."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.recorder.conftest import NS, START_NS, Film, Running, Site, Start

from beffroi_common.contracts import RecordingState
from beffroi_common.contracts.status import decode_status
from beffroi_common.recordings.naming import starts_at
from beffroi_common.store import RetentionError, StoredObject, StoreUnavailable
from beffroi_common.topics import FRAMES_MASKED, RECORDINGS, STATUS, Topic
from beffroi_recorder.keep.destroyer import NotDestroyedError
from beffroi_recorder.keep.expiry import retention_start
from beffroi_testing import MemoryStore
from beffroi_testing.producer import MemoryProducer

DAY_S = 24 * 3600
IDLE_S = 35
"""What the clock went on until the camera counted as idle."""
OLDER_S = DAY_S // 2
"""The first three recordings are so much older than the last: they were taken while the store was away."""
OWNED = [(FRAMES_MASKED.name, 0)]


@pytest.fixture
def life(site: Site, start: Start, film: Film) -> Running:
    site.put_on_bus([*film(130, start_ns=START_NS - OLDER_S * NS), *film(5, epoch=9)])
    life = start()
    life.recorder.assigned(OWNED)
    life.work_off()
    life.go_idle()
    return life


def test_the_due_are_destroyed_and_no_others(site: Site, life: Running) -> None:
    stored = list(site.final.values())
    assert len(stored) == 4
    site.clock.advance(14 * DAY_S - OLDER_S - IDLE_S - 1)
    life.tick()
    assert site.final == {each.object_name: each for each in stored}
    site.clock.advance(3 * 61)
    life.tick()
    assert [each.state for each in site.final.values()] == [*[RecordingState.DESTROYED] * 3, RecordingState.STORED]
    assert list(site.segments) == [stored[3].object_name]
    last = site.final[stored[2].object_name]
    assert last == stored[2].model_copy(update={"state": RecordingState.DESTROYED, "changed_at": site.clock.now()})


def test_recordings_of_a_clock_that_was_ahead_are_destroyed_as_long_after_they_were_stored(
    site: Site, start: Start, film: Film
) -> None:
    life = destroying(start())
    life.tick()
    site.clock.advance(7 * 3600)  # the whole store was listed at another hour of the day
    site.put_on_bus(film(5, start_ns=START_NS + 40 * DAY_S * NS))
    life.work_off()
    life.go_idle()
    (stored,) = site.store.list("segments/")
    while site.clock.now() < stored.modified_at + timedelta(days=14):
        assert site.segments
        life.tick()
        site.clock.advance(1800)
    life.tick()
    assert not site.segments


def test_only_the_owner_of_the_first_partition_destroys(site: Site, life: Running) -> None:
    life.recorder.revoked(OWNED)
    site.clock.advance(20 * DAY_S)
    life.tick()
    assert len(site.segments) == 4


def test_a_round_is_bounded_and_the_next_comes_soon_while_more_is_due(site: Site, life: Running) -> None:
    life.destroyer._most = 3  # looking is one step, destroying another
    site.clock.advance(20 * DAY_S)
    life.tick()
    assert len(site.segments) == 2
    life.tick()
    assert len(site.segments) == 2
    site.clock.advance(1)
    life.tick()
    assert not site.segments


def test_rounds_have_a_distance_when_nothing_more_is_due(site: Site, life: Running) -> None:
    checks = 0

    def check(retention_days: int) -> None:
        nonlocal checks
        checks += 1

    site.store.check_retention = check  # type: ignore[method-assign]
    for _ in range(240):
        site.clock.advance(1)
        life.tick()
    assert checks <= 5


def test_a_foreign_object_dies_too_and_is_not_on_the_register(site: Site, life: Running, tmp_path: Path) -> None:
    file = tmp_path / "still.jpg"
    file.write_bytes(b"x")
    site.store.put("segments/2020-01-01/still.jpg", file, "image/jpeg", {})
    before = len(site.recordings)
    site.clock.advance(13 * DAY_S)
    life.tick()
    assert "segments/2020-01-01/still.jpg" in site.segments
    site.clock.advance(DAY_S)
    life.tick()
    assert "segments/2020-01-01/still.jpg" not in site.segments
    assert len(site.recordings) == before + 4


def test_an_object_that_stays_is_an_alarm(site: Site, life: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, "remove", lambda self, name: None)
    site.clock.advance(20 * DAY_S)
    with pytest.raises(NotDestroyedError, match="still in the store after its removal"):
        life.tick()


def test_a_bucket_whose_rule_was_changed_is_an_alarm(site: Site, life: Running) -> None:
    site.store.retention_days = 30
    site.clock.advance(61)
    with pytest.raises(RetentionError):
        life.tick()


def test_a_store_away_puts_destruction_off(site: Site, life: Running) -> None:
    site.store.away = True
    site.clock.advance(20 * DAY_S)
    life.tick()
    site.store.away = False
    site.clock.advance(61)
    life.tick()
    assert not site.segments


class Crowded(MemoryStore):
    """A store that counts what is listed, and sees that nothing is destroyed before its time.

    Attributes:
        listed: objects handed out in listings.
        answer_s: what the clock goes on with each question after an object.
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site.clock)
        self.site = site
        self.listed = 0
        self.answer_s = 0.0
        self.make_bucket(14)

    def fill(self, folder: Path, cameras: int, minutes: int) -> None:
        """A segment of each camera and minute before now. They are none of ours, so nothing is said of them."""
        file = folder / "segment.mp4"
        file.write_bytes(b"x")
        for minute in range(1, minutes + 1):
            at = self.site.clock.now() - timedelta(minutes=minute)
            for camera in range(cameras):
                name = f"segments/{at:%Y-%m-%d}/c{camera}/{at:%H%M%S}.000Z-1-{minutes - minute}.mp4"
                self.put(name, file, "video/mp4", {})

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for each in super().list(prefix):
            self.listed += 1
            yield each

    def stat(self, name: str) -> StoredObject | None:
        self.site.clock.advance(self.answer_s)
        return super().stat(name)

    def remove(self, name: str) -> None:
        captured = starts_at(name)
        assert captured is not None
        assert captured + timedelta(days=14) <= self.site.clock.now(), name
        super().remove(name)

    def overdue(self) -> int:
        """Objects that should be gone."""
        ages = [self.site.clock.now() - (starts_at(name) or AT) for name in self._objects]
        return sum(age > timedelta(days=14) for age in ages)

    def left(self) -> int:
        """Objects there."""
        return len(self._objects)


def destroying(life: Running) -> Running:
    life.recorder.assigned(OWNED)
    return life


def test_destruction_keeps_up_with_more_cameras_than_one_round_destroys(
    site: Site, start: Start, tmp_path: Path
) -> None:
    store = Crowded(site)
    store.fill(tmp_path, cameras=500, minutes=4)
    life = destroying(start(store))
    site.clock.advance(14 * DAY_S)
    for _ in range(15):
        life.tick()
        site.clock.advance(1)
    assert store.left() == 0


def test_a_day_is_not_listed_each_round_and_what_is_due_dies_in_time(site: Site, start: Start, tmp_path: Path) -> None:
    cameras = 2
    store = Crowded(site)
    store.fill(tmp_path, cameras=cameras, minutes=600)
    life = destroying(start(store))
    site.clock.advance(14 * DAY_S - 9 * 3600)
    for _ in range(20):
        life.tick()
        site.clock.advance(1)
    assert cameras * 500 < store.left() < cameras * 550
    seen = store.listed
    for _ in range(50):
        site.clock.advance(60)
        for _ in range(3):
            life.tick()
            site.clock.advance(1)
        assert store.overdue() <= cameras, "one segment of each camera may wait for the next round"
    assert store.listed == seen
    for _ in range(9 * 60):
        site.clock.advance(60)
        life.tick()
    assert store.left() <= cameras
    assert store.listed - seen < cameras * 600 * 6


def test_a_slow_store_does_not_hold_up_the_recording(site: Site, start: Start, tmp_path: Path) -> None:
    store = Crowded(site)
    store.fill(tmp_path, cameras=100, minutes=1)
    life = destroying(start(store))
    site.clock.advance(15 * DAY_S)
    store.answer_s = 0.1
    before_s = site.clock.monotonic_s()
    life.tick()
    assert 0.5 <= site.clock.monotonic_s() - before_s <= 0.8
    assert store.left() < 100


class Deaf(MemoryProducer):
    """The broker acknowledges nothing of what waits."""

    waiting = 0

    def flush(self, timeout_s: float) -> int:
        return self.waiting


def test_nothing_is_destroyed_while_the_broker_takes_nothing(site: Site, start: Start, film: Film) -> None:
    producer = Deaf(site.broker)
    site.put_on_bus(film(130))
    life = destroying(start(producer=producer))
    life.work_off()
    life.go_idle()
    site.clock.advance(15 * DAY_S)
    producer.waiting = 1
    for _ in range(30):
        life.tick()
        site.clock.advance(10)
    assert len(site.segments) == 3
    assert {each.state for each in site.final.values()} == {RecordingState.STORED}
    assert last_said(site) == "broker_away"
    producer.waiting = 0
    life.tick()
    assert not site.segments
    assert {each.state for each in site.final.values()} == {RecordingState.DESTROYED}


class Unanswered(MemoryProducer):
    """The broker takes everything, and acknowledges nothing that is said of recordings while it is told so."""

    slow = False
    waiting = 0

    def send(self, topic: Topic, *arguments: Any, **named: Any) -> None:
        super().send(topic, *arguments, **named)
        self.waiting += self.slow and topic is RECORDINGS

    def flush(self, timeout_s: float) -> int:
        return self.waiting


def test_none_is_destroyed_before_the_broker_has_acknowledged_the_one_before(
    site: Site, start: Start, film: Film
) -> None:
    producer = Unanswered(site.broker)
    site.put_on_bus(film(130))
    life = destroying(start(producer=producer))
    life.work_off()
    life.go_idle()
    assert len(site.segments) == 3
    site.clock.advance(15 * DAY_S)
    producer.slow = True
    life.tick()
    assert len(site.segments) == 2, "all are due, and one was destroyed"
    producer.slow, producer.waiting = False, 0
    site.clock.advance(10)
    life.tick()
    assert not site.segments
    assert {each.state for each in site.final.values()} == {RecordingState.DESTROYED}


def last_said(site: Site) -> str:
    return decode_status(site.broker.records(STATUS)[-1].value or b"").code


def test_a_destruction_that_could_not_be_said_is_said_before_the_next(site: Site, life: Running) -> None:
    site.clock.advance(20 * DAY_S)
    site.broker.away = True
    life.tick()
    assert len(site.segments) == 3
    for _ in range(10):
        site.clock.advance(5)
        life.tick()
    (removed,) = site.final.keys() - site.segments.keys()
    site.broker.away = False
    site.clock.advance(10)
    life.tick()
    said = [each.object_name for each in site.recordings if each.state is RecordingState.DESTROYED]
    assert said[0] == removed
    assert sorted(said) == sorted(site.final)


def test_a_removal_whose_answer_was_lost_is_said(site: Site, life: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def remove(name: str) -> None:
        MemoryStore.remove(site.store, name)
        monkeypatch.undo()
        raise StoreUnavailable("no answer came")

    monkeypatch.setattr(site.store, "remove", remove)
    site.clock.advance(20 * DAY_S)
    life.tick()
    assert len(site.segments) == 3
    site.clock.advance(1)
    life.tick()
    assert {each.state for each in site.final.values()} == {RecordingState.DESTROYED}


def test_what_another_instance_destroyed_meanwhile_is_not_said_again(site: Site, life: Running) -> None:
    site.clock.advance(14 * DAY_S - OLDER_S - IDLE_S - 1)
    life.tick()
    for name in list(site.segments):
        site.store.remove(name)
    site.clock.advance(61)
    life.tick()
    assert {each.state for each in site.final.values()} == {RecordingState.STORED}


def test_what_was_stored_anew_since_it_was_listed_is_kept(site: Site, start: Start, tmp_path: Path) -> None:
    file = tmp_path / "still.jpg"
    file.write_bytes(b"x")
    site.store.put("segments/2020-01-01/still.jpg", file, "image/jpeg", {})
    life = destroying(start())
    site.clock.advance(14 * DAY_S - 30)
    life.tick()
    (there,) = site.store.list("segments/2020-01-01/still.jpg")
    site.store.put("segments/2020-01-01/still.jpg", file, "image/jpeg", {}, replaces=there.version)
    site.clock.advance(61)
    life.tick()
    assert "segments/2020-01-01/still.jpg" in site.segments


def test_a_full_store_is_emptied_although_it_takes_nothing(site: Site, start: Start, film: Film) -> None:
    class Full(MemoryStore):
        full = False

        def put(self, name: str, *arguments: Any, **more: Any) -> None:
            if self.full and any(name.startswith("segments/2026-11-01") for name in self._objects):
                raise StoreUnavailable("no room")
            super().put(name, *arguments, **more)

    store = Full(site.clock)
    store.make_bucket(14)
    site.put_on_bus(film(130))
    life = destroying(start(store))
    life.work_off()
    life.go_idle()
    site.clock.advance(15 * DAY_S)
    store.full = True
    site.put_on_bus(film(61, epoch=9, start_ns=START_NS + 15 * DAY_S * 1_000_000_000))
    life.work_off()
    for _ in range(40):
        site.clock.advance(1)
        life.tick()
    assert [each.name[:19] for each in store.list("segments/")] == ["segments/2026-11-16"] * 2


AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("captured", "stored", "expected"),
    [
        (AT, AT + timedelta(minutes=1), AT),
        (None, AT, AT),
        (AT - timedelta(days=9000), AT, AT),
        (AT + timedelta(days=9000), AT, AT),
    ],
    ids=["captured, then stored", "no time in the name", "a clock that was in 2002", "a clock ahead"],
)
def test_what_the_retention_counts_from(captured: datetime | None, stored: datetime, expected: datetime) -> None:
    assert retention_start(captured, stored) == expected


@pytest.mark.parametrize("begun", [False, True])
def test_an_object_that_the_store_says_nothing_of_keeps_no_other_alive(
    site: Site, life: Running, monkeypatch: pytest.MonkeyPatch, *, begun: bool
) -> None:
    silent = next(iter(site.segments))
    removed: list[str] = []

    def remove(name: str) -> None:
        removed.append(name)
        MemoryStore.remove(site.store, name)

    def stat(name: str) -> StoredObject | None:
        if name == silent and (not begun or name in removed):
            raise StoreUnavailable("read quorum")
        return MemoryStore.stat(site.store, name)

    monkeypatch.setattr(site.store, "remove", remove)
    monkeypatch.setattr(site.store, "stat", stat)
    site.clock.advance(20 * DAY_S)
    for _ in range(20):
        site.clock.advance(5)
        life.tick()
    assert set(site.segments) <= {silent}
    assert site.final[silent].state is RecordingState.STORED
    age_s = life.destroyer.sweep.age_s
    assert age_s is not None
    assert age_s > 14 * DAY_S, "what is due is not all destroyed"
    monkeypatch.undo()
    for _ in range(20):
        site.clock.advance(5)
        life.tick()
    assert not site.segments
    said = [each.object_name for each in site.recordings if each.state is RecordingState.DESTROYED]
    assert sorted(said) == sorted(site.final), "each once"
    assert (life.destroyer.sweep.age_s or 0) < 100


def test_what_was_stored_where_the_broker_had_more_partitions_is_destroyed_and_said(
    site: Site, life: Running, tmp_path: Path
) -> None:
    stored = site.store.stat(next(iter(site.segments)))
    assert stored is not None
    file = tmp_path / "film"
    file.write_bytes(site.store.read(stored.name))
    more = dict(stored.metadata) | {"partition": str(site.broker.slots + 3)}
    site.store.put(stored.name, file, "video/mp4", more, replaces=stored.version)
    site.clock.advance(20 * DAY_S)
    for _ in range(3):
        site.clock.advance(5)
        life.tick()
    assert not site.segments
    assert {each.state for each in site.final.values()} == {RecordingState.DESTROYED}
