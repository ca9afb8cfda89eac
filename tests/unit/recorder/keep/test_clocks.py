"""A clock that is wrong destroys nothing: what is due is due by the store's clock and by the recorder's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from tests.messages import recording_of

from beffroi_common.contracts import Recording, RecordingState
from beffroi_common.recordings.segment_format import metadata_of
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.store import ClocksDisagree, StoredObject
from beffroi_common.topics import RECORDINGS
from beffroi_recorder.keep.destroyer import DESTROYER_PARTITION, Destroyer
from beffroi_recorder.keep.register import Register, destroyed
from beffroi_recorder.keep.retention import Retention
from beffroi_recorder.trouble import Troubles
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus, MemoryStore

DAY_S = 24 * 3600
YEARS_S = 3650 * DAY_S
OBJECTS = 50


class Site:
    """A store with a clock of its own, full of recordings of the last minutes, and whoever destroys in it."""

    def __init__(self, folder: Path) -> None:
        self.ours, self.theirs = ManualClock(), ManualClock()
        self.store, self.broker = MemoryStore(self.theirs), MemoryBroker()
        self.store.make_bucket(14)
        file = folder / "segment.mp4"
        file.write_bytes(b"video")
        for minute in range(OBJECTS):
            at = self.theirs.now() - timedelta(minutes=minute)
            name = f"segments/{at:%Y-%m-%d}/gate/{at:%H%M%S}.000Z-1-{minute}.mp4"
            recording = recording_of("gate", at, object_name=name)
            self.store.put(name, file, "video/mp4", metadata_of(recording, 0))
        bus = MemoryBus(self.broker)
        register = Register(bus, self.broker.slots, self.store, bus.producer(), self.ours, timedelta(days=14))
        self.destroyer = Destroyer(
            self.store,
            bus.producer(),
            self.ours,
            register,
            slots=self.broker.slots,
            retention_days=14,
            interval_s=60.0,
            most=200,
            hand_over_s=0.0,
        )
        self.destroyer.own([DESTROYER_PARTITION])

    def pass_by(self, seconds: float) -> None:
        self.ours.advance(seconds)
        self.theirs.advance(seconds)

    def rounds(self, number: int = 10) -> None:
        for _ in range(number):
            self.destroyer.tick()
            self.pass_by(61)

    @property
    def left(self) -> int:
        return len(list(self.store.list("segments/")))

    @property
    def said(self) -> list[Recording]:
        return [Recording.decode(record.value or b"") for record in self.broker.records(RECORDINGS)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


APART_S = [YEARS_S, 15 * DAY_S, DAY_S, 12, -12, -DAY_S, -YEARS_S]


@pytest.mark.parametrize("apart_s", APART_S)
@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_nothing_is_destroyed_while_the_clocks_are_apart_and_what_is_due_once_they_agree(
    site: Site, apart_s: float, whose: str
) -> None:
    site.rounds(2)
    wrong: ManualClock = getattr(site, whose)
    site.pass_by(20 * DAY_S)  # all of it is due
    wrong.set(apart_s)
    for _ in range(10):
        with pytest.raises(ClocksDisagree, match=r"the clock of the object store is [0-9,]+ s (ahead of|behind)"):
            site.destroyer.tick()
        site.pass_by(61)
    assert site.left == OBJECTS
    assert site.said == []
    wrong.set(-apart_s)
    site.rounds(2)
    assert site.left == 0
    assert {each.state for each in site.said} == {RecordingState.DESTROYED}
    assert len(site.said) == OBJECTS


def test_of_one_clock_that_is_everybody_s_it_is_asked_how_much_time_has_passed(site: Site) -> None:
    site.rounds(2)
    for clock in (site.ours, site.theirs):
        clock.set(YEARS_S)
    for _ in range(10):
        with pytest.raises(ClocksDisagree, match="was set forward by"):
            site.destroyer.tick()
        site.pass_by(61)
    assert site.left == OBJECTS
    for clock in (site.ours, site.theirs):
        clock.set(-YEARS_S)
    site.rounds(2)
    assert site.left == OBJECTS
    site.pass_by(14 * DAY_S)
    site.rounds(2)
    assert site.left == 0


@pytest.mark.parametrize("apart_s", [9, -9])
def test_of_clocks_that_differ_a_little_the_earlier_one_counts(site: Site, apart_s: float) -> None:
    site.ours.set(apart_s)
    oldest = timedelta(minutes=OBJECTS - 1)
    to_go_s = 14 * DAY_S - oldest.total_seconds() - 3 + max(0, -apart_s)
    site.pass_by(to_go_s)
    site.destroyer.tick()
    assert site.left == OBJECTS, "three seconds before the oldest is due by the earlier clock"
    site.pass_by(61)
    site.rounds(2)
    assert 0 < OBJECTS - site.left < 5


def test_a_clock_that_is_set_during_a_round_does_not_count_in_it(site: Site, tmp_path: Path) -> None:
    site.pass_by(14 * DAY_S)
    stat = site.store.stat
    anew: list[str] = []

    def stat_and_set(name: str) -> StoredObject | None:
        if not anew:
            anew.append(name)
            there = stat(name)
            assert there is not None
            # It is kept for another fortnight.
            site.store.put(name, tmp_path / "segment.mp4", "video/mp4", {}, replaces=there.version)
        site.ours.set(YEARS_S)
        return stat(name)

    site.store.stat = stat_and_set  # type: ignore[method-assign]
    site.destroyer.tick()
    assert site.left > 0
    assert anew[0] in [each.name for each in site.store.list("segments/")]
    due = [each for each in site.said if each.starts_at <= site.theirs.now() - timedelta(days=14)]
    assert site.said == due != []


def test_it_is_said_that_the_clocks_are_apart_and_how_far(site: Site) -> None:
    troubles = Troubles()
    retention = Retention(site.destroyer, Backoff(site.ours, 0.5, 4.0), troubles)
    retention.turn()
    assert troubles.first() is None
    assert REGISTRY.get_sample_value("beffroi_clock_ahead_seconds", {"of": "object store"}) == 0.0
    site.ours.set(-600)
    site.pass_by(61)
    retention.turn()
    trouble = troubles.first()
    assert trouble is not None
    assert trouble.code == "clock_wrong"
    assert "600 s ahead" in trouble.message
    assert REGISTRY.get_sample_value("beffroi_clock_ahead_seconds", {"of": "object store"}) == 600.0


def test_what_is_destroyed_is_said_to_be_after_it_was_stored_also_where_that_clock_was_ahead() -> None:
    clock = ManualClock()
    stored = recording_of("gate", clock.now(), changed_at=clock.now() + timedelta(days=40))
    assert destroyed(stored, clock.now()).changed_at > stored.changed_at
