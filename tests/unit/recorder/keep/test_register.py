"""Whoever removed an object: that it is gone is on the register, once, and in the end leaves it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from tests.messages import recording_of
from tests.unit.recorder.conftest import Film, Running, Site, Start

from beffroi_common.bus import RetryLater
from beffroi_common.contracts import Recording, RecordingState
from beffroi_common.recordings import DESTROYED_KEPT
from beffroi_common.recordings.naming import head_name
from beffroi_common.store import StoredObject, StoreUnavailable
from beffroi_common.topics import FRAMES_MASKED, RECORDINGS
from beffroi_recorder.keep.destroyer import Destroyer
from beffroi_recorder.keep.register import JUST_STORED, PIECE, Register, StoredKeys, fingerprint, size_mark
from beffroi_testing import MemoryBus, MemoryStore

DAY_S = 24 * 3600
OWNED = [(FRAMES_MASKED.name, 0)]


@pytest.fixture
def stored(site: Site, start: Start, film: Film) -> list[Recording]:
    """Three recordings, whose recorder is down."""
    site.put_on_bus(film(130))
    life = start()
    life.work_off()
    life.go_idle()
    assert len(site.segments) == 3
    return list(site.final.values())


def owning(start: Start, store: MemoryStore | None = None) -> Running:
    life = start(store)
    life.recorder.assigned(OWNED)
    return life


def states(site: Site) -> list[RecordingState]:
    return [each.state for each in site.final.values()]


def found_gone(due: str) -> float:
    return REGISTRY.get_sample_value("beffroi_recordings_found_gone_total", {"due": due}) or 0.0


GONE, THERE = RecordingState.DESTROYED, RecordingState.STORED


def test_what_the_store_s_lifecycle_removed_while_the_recorder_was_down_is_said_to_be_destroyed(
    site: Site, start: Start, stored: list[Recording]
) -> None:
    site.clock.advance(15 * DAY_S)
    for name in [*site.segments, head_name("gate")]:
        site.store.remove(name)
    before = found_gone("yes")
    owning(start).tick()
    assert states(site) == [GONE] * 3
    assert all(each.changed_at == site.clock.now() for each in site.final.values())
    assert found_gone("yes") == before + 3


def test_what_somebody_removed_before_its_time_is_said_and_counted(
    site: Site, start: Start, stored: list[Recording]
) -> None:
    site.store.remove(stored[1].object_name)
    before = found_gone("no")
    owning(start).tick()
    assert states(site) == [THERE, GONE, THERE]
    assert found_gone("no") == before + 1


def test_it_is_looked_again_each_day(site: Site, start: Start, stored: list[Recording]) -> None:
    life = owning(start)
    life.tick()
    site.store.remove(stored[1].object_name)
    site.clock.advance(3600)
    life.tick()
    assert states(site) == [THERE] * 3
    site.clock.advance(DAY_S)
    life.tick()
    assert states(site) == [THERE, GONE, THERE]


def test_a_bucket_that_is_another_one_makes_nothing_destroyed_before_it_is_due(
    site: Site, start: Start, stored: list[Recording]
) -> None:
    empty = MemoryStore(site.clock)
    empty.make_bucket(14)
    life = owning(start, empty)
    life.tick()
    site.clock.advance(DAY_S)
    life.tick()
    assert states(site) == [THERE] * 3
    site.clock.advance(14 * DAY_S)
    life.tick()
    assert states(site) == [GONE] * 3


def test_what_is_destroyed_or_there_is_not_said_again(site: Site, start: Start, stored: list[Recording]) -> None:
    life = owning(start)
    life.tick()
    site.clock.advance(15 * DAY_S)
    life.tick()
    assert states(site) == [GONE] * 3
    said = len(site.recordings)
    for _ in range(3):
        site.clock.advance(DAY_S + 1)
        life.tick()
    life = owning(start)
    life.tick()
    assert len(site.recordings) == said == 6


def test_only_the_owner_says_so(site: Site, start: Start, stored: list[Recording]) -> None:
    site.store.remove(stored[1].object_name)
    start().tick()
    assert states(site) == [THERE] * 3


@pytest.mark.parametrize("call", ["list", "stat"])
def test_a_store_that_goes_away_meanwhile_is_asked_anew(
    site: Site, start: Start, stored: list[Recording], call: str
) -> None:
    site.store.remove(stored[1].object_name)
    ask = getattr(site.store, call)
    asked = 0

    def once_away(name: str) -> object:
        nonlocal asked
        asked += 1
        site.store.away = asked == 2
        return ask(name)

    setattr(site.store, call, once_away)
    life = owning(start)
    for _ in range(5):
        life.tick()
        site.store.away = False
        site.clock.advance(61)
    assert states(site) == [THERE, GONE, THERE]


def test_recordings_of_another_store_are_not_this_one_s_to_judge(
    site: Site, start: Start, stored: list[Recording]
) -> None:
    held = stored[0].model_copy(update={"store": "holds", "state": RecordingState.HELD})
    MemoryBus(site.broker).producer().send(RECORDINGS, held.key, held, partition=0)
    before = len(site.recordings)
    owning(start).tick()
    assert len(site.recordings) == before


def test_what_was_destroyed_leaves_the_register_after_its_time_and_nothing_else_does(
    site: Site, start: Start, stored: list[Recording]
) -> None:
    life = owning(start)
    old = recording_of("gate", site.clock.now(), object_name="segments/2026-10-01/gate/1.mp4", state=GONE)
    MemoryBus(site.broker).producer().send(RECORDINGS, old.key, old, partition=1)

    def removed() -> list[tuple[str, int]]:
        return [(each.key, each.partition) for each in site.broker.records(RECORDINGS) if each.value is None]

    site.clock.advance(DESTROYED_KEPT.total_seconds() - 60)
    life.tick()
    assert removed() == []
    site.clock.advance(DAY_S + 1)
    life.tick()
    assert removed() == [(old.key, 1)]


def test_the_latest_word_counts_and_each_day_is_forgotten_once_taken() -> None:
    keys = StoredKeys()
    names = [f"segments/2026-11-0{day}/gate/{number}.mp4" for day in (1, 2) for number in range(3)]
    for name in names:
        keys.note(name, 1000, stored=True)
    keys.note(names[0], 1000, stored=False)
    keys.note(names[1], 1000, stored=False)
    keys.note(names[1], 70_000, stored=True)
    assert keys.days() == ["segments/2026-11-01", "segments/2026-11-02"]
    assert keys.take("segments/2026-11-01") == {
        fingerprint(names[1]): size_mark(70_000),
        fingerprint(names[2]): size_mark(1000),
    }
    assert keys.days() == ["segments/2026-11-02"]
    assert keys.take("segments/2026-11-02") == dict.fromkeys(map(fingerprint, names[3:]), size_mark(1000))


def test_what_is_on_record_with_other_pictures_is_said_as_it_is_stored(
    site: Site, start: Start, stored: list[Recording]
) -> None:
    """A message of whoever was frozen came last, and its process ended before it could take it back."""
    other = stored[1].model_copy(update={"sha256": "1" * 64, "size_bytes": stored[1].size_bytes - 1})
    MemoryBus(site.broker).producer().send(RECORDINGS, other.key, other, partition=0)
    site.clock.advance(DAY_S)
    owning(start).tick()
    assert list(site.final.values()) == stored
    said = len(site.recordings)
    owning(start).tick()
    assert len(site.recordings) == said


def test_a_recording_that_is_stored_while_they_are_compared_is_not_missed(
    site: Site, start: Start, stored: list[Recording], film: Film
) -> None:
    life = owning(start)
    later = timedelta(hours=1)
    site.put_on_bus(film(61, epoch=9, start_ns=int((stored[0].starts_at + later).timestamp()) * 1_000_000_000))
    life.work_off()
    life.go_idle()
    site.clock.advance(DAY_S)
    life.tick()
    assert set(states(site)) == {THERE}


class Slow(MemoryStore):
    """Something happens while the first object is removed."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.clock)
        self.make_bucket(14)
        self.meanwhile: Callable[[], None] | None = None

    def remove(self, name: str) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        super().remove(name)


HAND_OVER_S = 45.0


def destroyer(site: Site) -> Destroyer:
    producer = MemoryBus(site.broker).producer()
    register = Register(MemoryBus(site.broker), site.broker.slots, site.store, producer, site.clock, timedelta(days=14))
    return Destroyer(
        site.store,
        producer,
        site.clock,
        register,
        slots=site.broker.slots,
        retention_days=14,
        interval_s=60.0,
        most=200,
        hand_over_s=HAND_OVER_S,
    )


def destructions(site: Site) -> list[str]:
    return sorted(each.object_name for each in site.recordings if each.state is GONE)


@pytest.mark.parametrize("broker", ["answers", "goes away"])
def test_what_is_destroyed_at_a_hand_over_is_said_once(site: Site, start: Start, film: Film, broker: str) -> None:
    store = Slow(site)
    site.store = store
    site.put_on_bus(film(130))
    life = start(store)
    life.work_off()
    life.go_idle()
    names = sorted(site.segments)
    old, new = destroyer(site), destroyer(site)
    old.own(OWNED)
    site.clock.advance(15 * DAY_S)

    def hand_over() -> None:
        old.own([])
        new.own(OWNED)
        new.tick()
        site.broker.away = broker == "goes away"

    store.meanwhile = hand_over
    with suppress(RetryLater):
        old.tick()
    site.broker.away = False
    for _ in range(5):
        site.clock.advance(HAND_OVER_S)
        new.tick()
        old.tick()
    assert destructions(site) == names
    assert not site.segments


def test_a_register_that_was_lost_is_filled_from_the_bucket_and_each_end_is_said(
    site: Site, start: Start, stored: list[Recording]
) -> None:
    for number in range(site.broker.slots):
        site.broker.log((RECORDINGS.name, number)).clear()
    site.clock.advance(3600)
    owning(start).tick()
    assert list(site.final.values()) == stored
    site.clock.advance(15 * DAY_S)
    for name in site.segments:
        site.store.remove(name)
    owning(start).tick()
    assert states(site) == [GONE] * 3


def test_what_is_being_stored_at_present_is_said_by_whoever_stores_it(
    site: Site, start: Start, stored: list[Recording]
) -> None:
    for number in range(site.broker.slots):
        site.broker.log((RECORDINGS.name, number)).clear()
    owning(start).tick()
    assert states(site) == []


def test_what_was_stored_since_the_register_was_read_is_not_said_again_however_long_the_comparison_takes(
    site: Site, stored: list[Recording]
) -> None:
    for number in range(site.broker.slots):
        site.broker.log((RECORDINGS.name, number)).clear()
    for _ in range(PIECE):
        site.broker.append(RECORDINGS.name, "another-store/x", None, 0, {})
    bus = MemoryBus(site.broker)
    register = Register(bus, site.broker.slots, site.store, bus.producer(), site.clock, timedelta(days=14))
    assert register.look_on(site.clock.now(), math.inf), "reading"
    site.clock.advance(2 * JUST_STORED.total_seconds())
    while register.look_on(site.clock.now(), math.inf):
        pass
    assert len(site.broker.records(RECORDINGS)) == PIECE


def test_what_is_no_recording_is_not_said_to_be_one(site: Site, start: Start, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"x")
    for name in ("segments/2026-11-01/gate/120000.000Z-1-1.mp4", "segments/readme"):
        site.store.put(name, file, "video/mp4", {})
    site.clock.advance(3600)
    owning(start).tick()
    assert states(site) == []


def said_gone(site: Site) -> list[int]:
    """How often it was said of each segment that it is destroyed."""
    said = [Recording.decode(each.value) for each in site.broker.records(RECORDINGS) if each.value]
    gone = [each.object_name for each in said if each.state is GONE]
    return [gone.count(name) for name in sorted(set(gone))]


@pytest.mark.parametrize("step", ["stat", "remove"])
def test_who_was_frozen_while_it_destroys_does_not_say_what_another_said_meanwhile(
    site: Site, start: Start, stored: list[Recording], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    site.clock.advance(15 * DAY_S)
    frozen = owning(start)
    do = getattr(site.store, step)

    def freeze(name: str) -> object:
        monkeypatch.undo()
        done = do(name)
        site.clock.advance(600)
        owning(start).tick()
        return done

    monkeypatch.setattr(site.store, step, freeze)
    with suppress(RetryLater):
        frozen.tick()
    assert said_gone(site) == [1, 1, 1]
    frozen.tick()
    assert said_gone(site) == [1, 1, 1]


def test_what_a_recorder_removed_that_died_before_it_said_so_is_said_by_the_next(
    site: Site, start: Start, stored: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.clock.advance(15 * DAY_S)

    def die(_self: Destroyer, _found: StoredObject) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Destroyer, "_say", die)
        with pytest.raises(KeyboardInterrupt):
            owning(start).tick()
    assert said_gone(site) == []
    assert len(site.segments) == 2
    owning(start).tick()
    assert said_gone(site) == [1, 1, 1]


@pytest.mark.parametrize("on_record", [False, True])
def test_an_object_that_the_store_says_nothing_of_does_not_end_each_comparison(
    site: Site, start: Start, stored: list[Recording], monkeypatch: pytest.MonkeyPatch, *, on_record: bool
) -> None:
    silent, last = stored[0].object_name, stored[2].object_name
    site.clock.advance(JUST_STORED.total_seconds() + 1)
    if on_record:
        site.store.remove(silent)
        site.store.remove(last)
    else:
        for number in range(site.broker.slots):
            site.broker.log((RECORDINGS.name, number)).clear()

    def stat(name: str) -> StoredObject | None:
        if name == silent:
            raise StoreUnavailable("read quorum")
        return MemoryStore.stat(site.store, name)

    monkeypatch.setattr(site.store, "stat", stat)
    life = owning(start)
    for _ in range(60):
        site.clock.advance(1)
        life.tick()
    assert site.final[last].state is (GONE if on_record else THERE)
    assert silent not in destructions(site)
    monkeypatch.undo()
    for _ in range(30):
        site.clock.advance(61)
        life.tick()
    assert site.final[silent].state is (GONE if on_record else THERE)


def test_what_is_in_a_bucket_and_names_a_partition_that_there_is_no_more_is_said_all_the_same(
    site: Site, start: Start, stored: list[Recording], tmp_path: Path
) -> None:
    for number in range(site.broker.slots):
        site.broker.log((RECORDINGS.name, number)).clear()
    first = site.store.stat(stored[0].object_name)
    assert first is not None
    file = tmp_path / "film"
    file.write_bytes(site.store.read(first.name))
    more = dict(first.metadata) | {"partition": str(site.broker.slots + 3)}
    site.store.put(first.name, file, "video/mp4", more, replaces=first.version)
    site.clock.advance(JUST_STORED.total_seconds() + 1)
    life = owning(start)
    for _ in range(10):
        site.clock.advance(1)
        life.tick()
    assert states(site) == [THERE] * 3
