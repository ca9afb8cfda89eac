"""Each frame exactly once, whatever dies when, and the same objects as if nothing had died."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.unit.recorder.conftest import Film, Running, Site, Start, frame_numbers, interleaved

from beffroi_common.bus import Delivered, Producer
from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.store import StoredObject
from beffroi_common.topics import RECORDINGS, Topic
from beffroi_recorder.record.cutting import CutRules
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus, MemoryStore

SHORT = CutRules(segment_s=4, max_gap_s=10.0, max_drift_s=1.0)


class Killed(BaseException):
    """The process is gone at this very place."""


class Fuse:
    """Burns at the n-th thing done, before or after it is done."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.count = 0

    def step(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed


class FusedStore(MemoryStore):
    """The same objects as `real`, seen through a fuse."""

    def __init__(self, real: MemoryStore, fuse: Fuse) -> None:
        super().__init__(real._clock)
        self.__dict__.update(real.__dict__)
        self._fuse = fuse

    def put(self, name: str, *arguments: Any, **more: Any) -> None:
        self._fuse.step()
        super().put(name, *arguments, **more)
        self._fuse.step()

    def stat(self, name: str) -> StoredObject | None:
        self._fuse.step()
        return super().stat(name)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        self._fuse.step()
        return super().read(name, offset, length)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        return super().list(prefix)


class QueuedProducer:
    """Keeps what it was given, until it is delivered."""

    def __init__(self, real: Producer) -> None:
        self._real = real
        self.broker_clock = real.broker_clock
        self._queue: list[Callable[[], None]] = []

    def send(
        self,
        topic: Topic,
        key: str,
        value: Contract | FrameBatch | None,
        *,
        partition: int | None = None,
        on_delivery: Delivered | None = None,
    ) -> None:
        self._queue.append(partial(self._real.send, topic, key, value, partition=partition, on_delivery=on_delivery))

    def _deliver(self) -> None:
        for deliver in self._queue:
            deliver()
        self._queue.clear()

    def close(self) -> None:
        pass


class FusedProducer(QueuedProducer):
    """Loses what was not flushed when the fuse burns."""

    def __init__(self, real: Producer, fuse: Fuse) -> None:
        super().__init__(real)
        self._fuse = fuse

    def flush(self, timeout_s: float) -> int:
        self._fuse.step()
        self._deliver()
        self._fuse.step()
        return 0


def test_every_frame_once_in_minutes(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(200))
    life = start()
    life.work_off()
    life.go_idle()
    assert [frame_numbers(content) for content in site.segments.values()] == [
        list(range(240)),
        list(range(240, 480)),
        list(range(480, 720)),
        list(range(720, 800)),
    ]
    assert list(site.segments)[:2] == [
        "segments/2026-11-01/gate/120000.250Z-7-0.mp4",
        "segments/2026-11-01/gate/120100.250Z-7-60.mp4",
    ]


def test_what_comes_late_of_a_connection_that_is_over_is_not_stored_a_second_time(
    site: Site, start: Start, film: Film
) -> None:
    """An ingest that was frozen sends what it still had between the batches of who took over, of the same seconds."""
    old = film(20)
    new = [replace(batch, epoch=batch.epoch + 1, sequence=batch.sequence - 10) for batch in film(40)[10:]]
    late = [old[10], new[2], old[11], new[3], old[12], *new[4:8], old[13]]
    site.put_on_bus([*old[:10], new[0], new[1], *late, *new[8:]])
    life = start()
    life.work_off()
    life.go_idle()
    assert site.numbers() == list(range(40 * 4))


def test_recordings_say_what_is_stored_and_are_chained(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(150))
    life = start()
    life.work_off()
    life.go_idle()
    recordings = list(site.final.values())
    assert [each.frames for each in recordings] == [240, 240, 120]
    assert [each.previous_sha256 for each in recordings] == [None, recordings[0].sha256, recordings[1].sha256]
    for each in recordings:
        stored = site.store.stat(each.object_name)
        assert stored is not None
        assert stored.size_bytes == each.size_bytes
        assert type(each).decode(stored.metadata["recording"].encode()) == each


@pytest.mark.parametrize("committing", [True, False], ids=["commits", "never commits"])
def test_killed_anywhere_it_ends_as_if_nothing_had_happened(
    tmp_path: Path, site: Site, start: Start, film: Film, committing: bool
) -> None:
    site.rules = SHORT
    both = interleaved(film(10), film(10, camera="square", first_number=10_000))
    site.put_on_bus(both)
    life = start()
    life.work_off()
    life.go_idle()
    reference, chain = site.segments, site.final
    steps = _killed_at(None, tmp_path / "count", start, both, committing)[0]
    assert steps > 40
    for at in range(1, steps + 1):
        _, ended = _killed_at(at, tmp_path / str(at), start, both, committing)
        assert ended.segments == reference, at
        assert _without_times(ended) == {name: replace_time(each) for name, each in chain.items()}, at


def _killed_at(
    at: int | None, folder: Path, start: Start, batches: list[FrameBatch], committing: bool
) -> tuple[int, Site]:
    clock = ManualClock()
    store = MemoryStore(clock)
    store.make_bucket(14)
    site = Site(folder, clock, MemoryBroker(slots=2, clock=clock), store, {}, SHORT)
    site.put_on_bus(batches)
    fuse = Fuse(at)
    life = start(FusedStore(store, fuse), FusedProducer(MemoryBus(site.broker).producer(), fuse), site=site)
    try:
        life.work_off()
        life.go_idle()
    except Killed:
        if not committing:
            site.committed.clear()
        life = start(site=site)
        life.work_off()
        life.go_idle()
    return fuse.count, site


def replace_time(recording: Contract) -> Contract:
    return recording.model_copy(update={"changed_at": None})


def _without_times(site: Site) -> dict[str, Contract]:
    return {name: replace_time(each) for name, each in site.final.items()}


def test_a_restart_in_the_middle_of_a_segment_makes_the_same(site: Site, start: Start, film: Film) -> None:
    batches = film(70)
    site.put_on_bus(batches[:45])
    start().work_off()
    site.put_on_bus(batches[45:])
    life = start()
    life.work_off()
    life.go_idle()
    assert [frame_numbers(content) for content in site.segments.values()] == [list(range(240)), list(range(240, 280))]


def test_storing_again_changes_nothing(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(130))
    life = start()
    life.work_off()
    life.go_idle()
    before = {each.name: each for each in site.store.list("")}
    site.committed.clear()
    for head in [each.name for each in site.store.list("heads/")]:
        site.store.remove(head)
    site.clock.advance(100)
    again = start()
    again.work_off()
    again.go_idle()
    after = {each.name: each for each in site.store.list("")}
    assert {name: after[name] for name in after if name.startswith("segments/")} == {
        name: before[name] for name in before if name.startswith("segments/")
    }
    said = [record.value for record in site.broker.records(RECORDINGS)]
    assert said[:3] == said[3:]


@pytest.mark.parametrize("again", [1, 5])
def test_a_batch_delivered_twice_is_recorded_once(site: Site, start: Start, film: Film, again: int) -> None:
    batches = film(65)
    site.put_on_bus([*batches[:30], *batches[30 - again : 30], *batches[30:]])
    life = start()
    life.work_off()
    life.go_idle()
    assert site.numbers() == list(range(260))
    assert [each.missing_batches for each in site.recordings] == [0, 0]


def test_repeats_of_the_epoch_before_are_recorded_once(site: Site, start: Start, film: Film) -> None:
    old, new = film(20), film(20, epoch=8, first_number=80, start_ns=old_end(film(20)))
    site.put_on_bus([*old, *new[:5], *old[15:], *new[:5], *new[5:]])
    life = start()
    life.work_off()
    life.go_idle()
    assert site.numbers() == list(range(160))
    assert len(site.segments) == 2


def test_an_older_epoch_that_was_never_seen_is_recorded_too(site: Site, start: Start, film: Film) -> None:
    new, old = film(20, epoch=8), film(20, epoch=7, first_number=80, start_ns=old_end(film(20)))
    site.put_on_bus([*new, *old])
    life = start()
    life.work_off()
    life.go_idle()
    assert sorted(number for number in site.numbers() if number is not None) == list(range(160))


def old_end(batches: list[FrameBatch]) -> int:
    return batches[-1].units[-1].capture_time_ns + 250_000_000


def test_a_hole_in_the_sequence_is_counted(site: Site, start: Start, film: Film) -> None:
    batches = film(70)
    site.put_on_bus([*batches[:10], *batches[13:59], *batches[61:]])
    life = start()
    life.work_off()
    life.go_idle()
    assert [each.missing_batches for each in site.final.values()] == [3, 2]


def test_an_epoch_that_begins_late_counts_what_is_missing(site: Site, start: Start, film: Film) -> None:
    first, second = film(10), film(10, epoch=8, start_ns=old_end(film(10)))
    site.put_on_bus([*first, *second[4:]])
    life = start()
    life.work_off()
    life.go_idle()
    assert [each.missing_batches for each in site.final.values()] == [0, 4]


def test_pictures_before_the_first_key_picture_are_missing(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(30, gop=40)[5:])
    life = start()
    life.work_off()
    life.go_idle()
    assert site.numbers() == list(range(40, 120))
    assert life.recorder._streams["gate"].counters.dropped_batches == 5


def test_a_long_gop_is_cut_at_its_key_picture(site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(80, gop=7 * 4))
    life = start()
    life.work_off()
    life.go_idle()
    assert [frame_numbers(content) for content in site.segments.values()] == [
        list(range(9 * 28)),
        list(range(9 * 28, 320)),
    ]


def test_another_owner_makes_the_same(site: Site, start: Start, film: Film) -> None:
    batches = film(90)
    site.put_on_bus(batches[:40])
    life = start()
    life.work_off()
    life.recorder.revoked([("frames.masked.v1", 0)])
    assert life.work.used_bytes == 0
    assert life.recorder.needed() == {}
    life.recorder.assigned([("frames.masked.v1", 0)])
    life.position.clear()
    site.put_on_bus(batches[40:])
    life.work_off()
    life.go_idle()
    assert site.numbers() == list(range(360))


@pytest.mark.parametrize("batches", [65, 30], ids=["a whole minute", "less than its follower took"])
def test_a_recorder_that_was_frozen_undoes_nothing_of_who_went_on(
    tmp_path: Path, site: Site, start: Start, film: Film, batches: int
) -> None:
    site.put_on_bus(film(70))
    frozen = Running(replace(site, folder=tmp_path / "frozen", committed={}), None, None)
    for record in site.broker.log(("frames.masked.v1", 0))[:batches]:
        frozen.recorder.handle(record)
    frozen.recorder._streams["gate"].rest()  # its segment ends, and it stands still before it is stored
    life = start()
    life.work_off()
    life.go_idle()
    before = {each.name: site.store.read(each.name) for each in site.store.list("")}
    frozen.recorder.tick()
    frozen.recorder.revoked([("frames.masked.v1", 0)])
    frozen.recorder.tick()
    frozen.kill()
    assert {each.name: site.store.read(each.name) for each in site.store.list("")} == before
    assert site.numbers() == list(range(280))


class Stalled(MemoryStore):
    """The same objects as `real`, seen by who stands still right before it puts one, while `meanwhile` happens."""

    def __init__(self, real: MemoryStore, prefix: str, meanwhile: Callable[[], None]) -> None:
        super().__init__(real._clock)
        self.__dict__.update(real.__dict__)
        self._prefix = prefix
        self._meanwhile: Callable[[], None] | None = meanwhile

    def put(self, name: str, *arguments: Any, **more: Any) -> None:
        meanwhile = self._meanwhile
        if name.startswith(self._prefix) and meanwhile is not None:
            self._meanwhile = None
            meanwhile()
        super().put(name, *arguments, **more)


@pytest.mark.parametrize("prefix", ["segments/", "heads/"])
def test_a_recorder_that_was_frozen_between_looking_and_storing_undoes_nothing_of_who_went_on(
    tmp_path: Path, site: Site, start: Start, film: Film, prefix: str
) -> None:
    site.put_on_bus(film(70))
    before: dict[str, bytes] = {}

    def go_on() -> None:
        life = start()
        life.work_off()
        life.go_idle()
        before.update({each.name: site.store.read(each.name) for each in site.store.list("")})

    store = Stalled(site.store, prefix, go_on)
    frozen = Running(replace(site, folder=tmp_path / "frozen", committed={}), store, None)
    for record in site.broker.log(("frames.masked.v1", 0))[:30]:
        frozen.recorder.handle(record)
    frozen.recorder._streams["gate"].rest()
    frozen.recorder.tick()
    frozen.recorder.revoked([("frames.masked.v1", 0)])
    frozen.recorder.tick()
    frozen.kill()
    after = {each.name: site.store.read(each.name) for each in site.store.list("")}
    assert {name: after[name] for name in before} == before


def test_a_recorder_that_was_frozen_ends_no_chain_at_an_object_that_its_follower_made_anew(
    tmp_path: Path, site: Site, start: Start, film: Film
) -> None:
    site.put_on_bus(film(70))
    lives = [Running(replace(site, folder=tmp_path / name, committed={}), None, None) for name in ("frozen", "next")]
    site.broker.away = True  # objects are stored, and nobody can say so
    for life, batches in zip(lives, (30, 70), strict=True):
        for record in site.broker.log(("frames.masked.v1", 0))[:batches]:
            life.recorder.handle(record)
        life.recorder._streams["gate"].rest()
        for _ in range(3):
            site.clock.advance(30)
            life.recorder.tick()
    site.broker.away = False
    frozen, follower = lives
    site.clock.advance(30)
    frozen.recorder.tick()
    for life in (frozen, follower):
        life.recorder.revoked([("frames.masked.v1", 0)])
        life.kill()
    last = start()
    last.work_off()
    last.go_idle()
    assert site.numbers() == list(range(280))


def test_whoever_still_owns_a_camera_makes_its_object_anew_before_it_ends_the_chain_there(
    tmp_path: Path, site: Site, start: Start, film: Film
) -> None:
    site.put_on_bus(film(70))
    owner, stray = (Running(replace(site, folder=tmp_path / name, committed={}), None, None) for name in ("a", "b"))
    site.broker.away = True  # objects are stored, and nobody can say so
    for life, batches in ((owner, 30), (stray, 20)):
        for record in site.broker.log(("frames.masked.v1", 0))[:batches]:
            life.recorder.handle(record)
        life.recorder._streams["gate"].rest()
        for _ in range(3):
            site.clock.advance(30)
            life.recorder.tick()
    assert site.numbers() == list(range(20 * 4)), "the stray one's"
    site.broker.away = False
    for _ in range(5):
        site.clock.advance(30)
        owner.recorder.tick()
    assert site.numbers() == list(range(30 * 4))
    owner.kill()
    stray.recorder.revoked([("frames.masked.v1", 0)])
    stray.recorder.tick()
    stray.kill()
    last = start()
    last.work_off()
    last.go_idle()
    assert site.numbers() == list(range(280))
    _is_told_as_it_is(site)


def test_a_word_that_comes_late_does_not_stay_the_last(tmp_path: Path, site: Site, start: Start, film: Film) -> None:
    site.put_on_bus(film(70))
    slow = SlowProducer(MemoryBus(site.broker).producer())
    frozen = Running(replace(site, folder=tmp_path / "frozen", committed={}), None, slow)
    for record in site.broker.log(("frames.masked.v1", 0))[:30]:
        frozen.recorder.handle(record)
    frozen.recorder._streams["gate"].rest()
    frozen.recorder.tick()
    frozen.recorder.revoked([("frames.masked.v1", 0)])
    life = start()
    life.work_off()
    life.go_idle()
    slow.let_go()
    site.clock.advance(30)
    frozen.recorder.tick()
    frozen.kill()
    assert site.numbers() == list(range(280))
    _is_told_as_it_is(site)


def _is_told_as_it_is(site: Site) -> None:
    stored = {each.name: site.store.stat(each.name) for each in site.store.list("segments/")}
    told = {name: each.sha256 for name, each in site.final.items()}
    assert told == {name: each and each.metadata["sha256"] for name, each in stored.items()}


class SlowProducer(QueuedProducer):
    """What it was given reaches the broker once it is let go."""

    def __init__(self, real: Producer) -> None:
        super().__init__(real)
        self._held = True

    def let_go(self) -> None:
        self._held = False
        self._deliver()

    def flush(self, timeout_s: float) -> int:
        if not self._held:
            self._deliver()
        return len(self._queue)


def test_the_second_stream_is_not_recorded(site: Site, start: Start, film: Film) -> None:
    main = film(5)
    sub = [replace(batch, stream=type(batch.stream).SUB) for batch in film(5, first_number=500)]
    site.put_on_bus(interleaved(main, sub))
    life = start()
    life.work_off()
    life.go_idle()
    assert site.numbers() == list(range(20))


def test_an_unreadable_head_begins_a_new_chain_and_recording_goes_on(
    tmp_path: Path, site: Site, start: Start, film: Film
) -> None:
    batches = film(70)
    site.put_on_bus(batches[:65])
    start().work_off()
    torn = tmp_path / "torn"
    torn.write_bytes(b"{")
    (head,) = site.store.list("heads/gate.json")
    site.store.put("heads/gate.json", torn, "application/json", {}, replaces=head.version)
    site.put_on_bus(batches[65:])
    life = start()
    life.work_off()
    life.go_idle()
    assert site.numbers() == list(range(280))
    assert [each.previous_sha256 for each in site.final.values()] == [None, None]


def test_a_camera_that_gets_another_slot_keeps_its_chain(site: Site, start: Start, film: Film) -> None:
    batches = film(20)
    site.put_on_bus(batches[:10], slot=0)
    site.put_on_bus(batches[10:], slot=1)
    life = start()
    life.work_off()
    life.go_idle()
    assert site.numbers() == list(range(80))
    first, second = site.final.values()
    assert second.previous_sha256 == first.sha256
    assert site.committed == {("frames.masked.v1", 0): 10, ("frames.masked.v1", 1): 10}


def test_a_camera_that_gets_another_slot_while_the_store_is_away_keeps_its_chain(
    site: Site, start: Start, film: Film
) -> None:
    batches = film(20)
    site.put_on_bus(batches[:10], slot=0)
    life = start()
    life.work_off()
    site.store.away = True
    site.put_on_bus([*batches[5:10], *batches[10:]], slot=1)  # repeats, too: what was taken goes with the chain
    life.work_off()
    assert life.recorder._streams["gate"].counters.frames == 40, "it waits for no store"
    site.store.away = False
    life.go_idle()
    assert site.numbers() == list(range(80))
    first, second = site.final.values()
    assert second.previous_sha256 == first.sha256
