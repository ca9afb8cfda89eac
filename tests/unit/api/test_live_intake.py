"""Only what somebody watches is read, and only what was masked reaches a view."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.application import SYSTEM, eventually, film

from beffroi_api.bus.live_intake import LiveIntake
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.live.schemas import View
from beffroi_api.modules.live.streaming.buffer import LiveBuffer
from beffroi_api.modules.live.streaming.viewer import Viewer
from beffroi_api.process.settings import LiveSettings
from beffroi_common.bus import Partition, PartitionReader, RetryLater
from beffroi_common.contracts import Camera, CameraSource, FrameBatch, MaskDecision, MaskMode
from beffroi_common.topics import FRAMES_ANNOTATED, FRAMES_LIVE, FRAMES_MASKED
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

START_NS = 1_793_534_400_000_000_000
LINGER_S = 10.0

MASKED = FRAMES_MASKED.name
LANE = FRAMES_LIVE.name


def camera(name: str, slot: int, version: int = 1) -> Camera:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    decision = MaskDecision(mode=MaskMode.OPEN, version=1, decided_by="a", decided_at=at, reason="a wall")
    source = CameraSource(url="pattern:160x96@5")
    return Camera(id=name, name=name, commune="Lille", slot=slot, source=source, masking=decision, version=version)


class WatchedBus(MemoryBus):
    """Shows what its one reader follows, and what it was asked to follow."""

    reader: PartitionReader

    def __init__(self, broker: MemoryBroker, clock: ManualClock, turn: Callable[[], int]) -> None:
        super().__init__(broker)
        self.clock = clock
        self.asked: list[tuple[int, Partition]] = []
        """In which turn of the loop, and which partition."""
        self._turn = turn
        self.unanswered: set[Partition] = set()
        """Asking for these costs a wait, and is in vain."""

    def partition_reader(self) -> PartitionReader:
        self.reader = super().partition_reader()
        follow = self.reader.follow

        def noted(partition: Partition, since_ms: int) -> None:
            self.asked.append((self._turn(), partition))
            if partition in self.unanswered:
                self.clock.advance(5)
                raise RetryLater("timed out")
            follow(partition, since_ms)

        self.reader.follow = noted  # type: ignore[method-assign]
        return self.reader


class Bench:
    """The intake in a thread of its own, with cameras: gate and yard in slot 0, park in slot 1."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(slots=3, clock=self.clock)
        self.bus = WatchedBus(self.broker, self.clock, lambda: self.rounds)
        self.directory = CameraDirectory()
        self.directory.load([camera("gate", 0), camera("yard", 0), camera("park", 1)], {})
        settings = LiveSettings(linger_s=LINGER_S)
        self.buffer = LiveBuffer(settings, self.directory, self.clock)
        self.rounds = 0
        self._intake = LiveIntake(self.bus, self.buffer, self.directory, settings, self.clock, self._beat)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._intake.run, args=(self._stop,))

    def _beat(self) -> None:
        self.rounds += 1

    @contextmanager
    def running(self) -> Any:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def send(self, *batches: FrameBatch, slot: int = 0, topic: str = MASKED) -> None:
        for batch in batches:
            self.broker.append(topic, batch.camera, batch.encode(), slot, {})

    def watch(self, name: str, view: View = View.MASKED) -> Viewer:
        return self.buffer.watch(SYSTEM, name, view)

    async def turned(self) -> None:
        """It went once around since."""
        seen = self.rounds
        await asyncio.to_thread(eventually, lambda: self.rounds > seen + 2)

    async def follows(self, *partitions: Partition) -> None:
        """It follows these and no others; where masked pictures come in their turn, the lane beside them too."""
        await self.turned()
        lanes = {(LANE, number) for topic, number in partitions if topic == MASKED}
        assert set(followed(self.bus.reader)) == {*partitions, *lanes}


def followed(reader: PartitionReader) -> Collection[Partition]:
    return reader.followed()


def alone(batch: FrameBatch) -> FrameBatch:
    """Its key picture, as the lane carries it."""
    return replace(batch, units=batch.units[:1])


async def sequence(viewer: Viewer) -> int:
    """Of the next batch, which must come."""
    held = await viewer.next(30)
    assert held is not None
    return held.batch.sequence


@pytest.fixture
def bench() -> Any:
    made = Bench()
    with made.running():
        yield made


@pytest.mark.asyncio
async def test_nothing_is_read_while_nobody_watches(bench: Bench) -> None:
    bench.send(*film(2, start_ns=START_NS))
    await bench.follows()
    assert bench.buffer._channels == {}


@pytest.mark.asyncio
async def test_a_view_begins_with_the_last_key_picture(bench: Bench) -> None:
    bench.send(*film(4, start_ns=START_NS, gop=10))  # every second batch begins with a key picture
    viewer = bench.watch("gate")
    assert [await sequence(viewer) for _ in range(2)] == [2, 3]
    bench.send(*film(1, start_ns=START_NS, first_sequence=4))
    assert await sequence(viewer) == 4
    await bench.follows((MASKED, 0))


@pytest.mark.asyncio
async def test_a_view_begins_with_the_last_key_picture_of_the_connection_that_goes_on(bench: Bench) -> None:
    old = film(4, start_ns=START_NS, epoch=1)
    new = film(4, start_ns=START_NS + 10**10, epoch=2, gop=20)
    bench.send(*old[:2], *new[:2], old[2], new[2], old[3])
    viewer = bench.watch("gate")
    assert [await sequence(viewer) for _ in range(3)] == [0, 1, 2]
    bench.send(new[3])
    assert await sequence(viewer) == 3


@pytest.mark.asyncio
async def test_pictures_of_long_ago_are_not_read(bench: Bench) -> None:
    bench.send(*film(1, start_ns=START_NS))
    bench.clock.advance(1.5)
    viewer = bench.watch("gate")
    bench.send(*film(1, start_ns=START_NS, first_sequence=1))
    assert await sequence(viewer) == 1


@pytest.mark.asyncio
async def test_other_cameras_of_the_same_slot_are_passed_over(bench: Bench) -> None:
    gate = bench.watch("gate")
    bench.send(*film(2, camera="yard", start_ns=START_NS), *film(1, start_ns=START_NS))
    assert await sequence(gate) == 0
    assert {name for name, _ in bench.buffer._channels} == {"gate"}
    yard = bench.watch("yard")
    await bench.follows((MASKED, 0))
    bench.send(*film(1, camera="yard", start_ns=START_NS, first_sequence=2))
    assert await sequence(yard) == 2


@pytest.mark.asyncio
async def test_a_camera_is_read_a_while_longer_than_it_is_watched(bench: Bench) -> None:
    first, second = bench.watch("gate"), bench.watch("gate")
    await bench.follows((MASKED, 0))
    bench.buffer.leave("gate", View.MASKED, first)
    bench.clock.advance(2 * LINGER_S)
    await bench.follows((MASKED, 0))  # the second still watches
    bench.buffer.leave("gate", View.MASKED, second)
    bench.clock.advance(LINGER_S - 1)
    await bench.follows((MASKED, 0))
    bench.send(*film(1, start_ns=START_NS))
    await bench.turned()
    back = bench.watch("gate")
    assert [held.batch.sequence for held in back._queue] == [0], "at once, without the bus"
    bench.buffer.leave("gate", View.MASKED, back)
    await bench.turned()
    bench.clock.advance(LINGER_S + 1)
    await bench.follows()
    assert bench.buffer._channels == {}


@pytest.mark.asyncio
async def test_whoever_comes_back_later_begins_with_new_pictures(bench: Bench) -> None:
    first = bench.watch("gate")
    bench.send(*film(1, start_ns=START_NS))
    assert await sequence(first) == 0
    bench.buffer.leave("gate", View.MASKED, first)
    await bench.turned()
    bench.clock.advance(LINGER_S + 1)
    await bench.follows()
    again = bench.watch("gate")
    bench.send(*film(1, start_ns=START_NS, first_sequence=20))
    assert await sequence(again) == 20


@pytest.mark.asyncio
async def test_a_camera_that_moves_to_another_slot_is_followed(bench: Bench) -> None:
    viewer = bench.watch("gate")
    bench.send(*film(1, start_ns=START_NS))
    assert await sequence(viewer) == 0
    bench.directory.changed("gate", 2, camera("gate", 2, version=2))
    await bench.follows((MASKED, 0), (MASKED, 2))
    bench.send(*film(1, start_ns=START_NS, first_sequence=1))  # the masker has not heard of it yet
    assert await sequence(viewer) == 1
    bench.send(*film(1, start_ns=START_NS, first_sequence=2), slot=2)
    assert await sequence(viewer) == 2
    bench.clock.advance(LINGER_S + 1)
    await bench.follows((MASKED, 2))


@pytest.mark.asyncio
async def test_each_view_has_a_topic_of_its_own(bench: Bench) -> None:
    annotated = bench.watch("park", View.ANNOTATED)
    await bench.follows((FRAMES_ANNOTATED.name, 1))
    bench.send(*film(1, camera="park", start_ns=START_NS), slot=1, topic=FRAMES_ANNOTATED.name)
    assert await sequence(annotated) == 0


@pytest.mark.asyncio
async def test_only_masked_pictures_under_their_own_name_reach_a_view(bench: Bench) -> None:
    good, other, last = film(3, start_ns=START_NS)
    (raw,) = film(1, start_ns=START_NS, mask_version=0)
    viewer = bench.watch("gate")
    await bench.follows((MASKED, 0))
    for key, value in (("gate", good), ("gate", raw), ("yard", other), ("gate", None), ("gate", last)):
        bench.broker.append(MASKED, key, None if value is None else value.encode(), 0, {})
    assert [await sequence(viewer) for _ in range(2)] == [0, 2]


@pytest.mark.asyncio
async def test_a_broker_that_is_away_is_asked_again(bench: Bench) -> None:
    bench.broker.away = True
    viewer = bench.watch("gate")
    await bench.follows()
    bench.broker.away = False
    bench.clock.advance(2)
    await bench.follows((MASKED, 0))
    bench.send(*film(1, start_ns=START_NS))
    assert await sequence(viewer) == 0


@pytest.mark.asyncio
async def test_while_the_broker_does_not_answer_one_partition_is_asked_for_in_a_turn(bench: Bench) -> None:
    """Each costs a wait, and the heartbeat comes after all of them."""
    bench.broker.away = True
    bench.watch("gate"), bench.watch("park"), bench.watch("gate", View.ANNOTATED)
    for _ in range(5):
        await bench.turned()
        bench.clock.advance(1)
    turns = [turn for turn, _ in bench.bus.asked]
    assert len(set(turns)) == len(turns)
    masked, lanes = {(MASKED, 0), (MASKED, 1)}, {(LANE, 0), (LANE, 1)}
    assert {partition for _, partition in bench.bus.asked} == masked | lanes | {(FRAMES_ANNOTATED.name, 0)}
    bench.broker.away = False
    bench.clock.advance(1)
    await bench.follows((MASKED, 0), (MASKED, 1), (FRAMES_ANNOTATED.name, 0))


@pytest.mark.asyncio
async def test_partitions_that_never_answer_keep_no_other_from_being_read(bench: Bench) -> None:
    bench.bus.unanswered = {(MASKED, 0), (LANE, 0), (LANE, 1), (FRAMES_ANNOTATED.name, 0)}
    bench.watch("gate"), bench.watch("gate", View.ANNOTATED)
    viewer = bench.watch("park")
    bench.send(*film(1, camera="park", start_ns=START_NS), slot=1)
    await asyncio.to_thread(eventually, lambda: (MASKED, 1) in followed(bench.bus.reader))
    bench.send(*film(1, camera="park", start_ns=START_NS, first_sequence=1), slot=1)
    assert await sequence(viewer) in (0, 1)


@pytest.mark.asyncio
async def test_the_newest_of_both_ways_is_shown_and_nothing_older_after_it(bench: Bench) -> None:
    film_ = film(9, start_ns=START_NS)
    viewer = bench.watch("gate")
    bench.send(film_[0])
    assert await sequence(viewer) == 0
    bench.send(alone(film_[5]), topic=LANE)
    held = await viewer.next(30)
    assert held is not None
    assert (held.batch.sequence, held.by_lane, len(held.batch.units)) == (5, True, 1)
    bench.send(*film_[1:6])  # the road is behind, and catches up
    bench.send(alone(film_[6]), topic=LANE)
    assert await sequence(viewer) == 6
    bench.send(*film_[6:8])
    held = await viewer.next(30)
    assert held is not None
    assert (held.batch.sequence, held.by_lane) == (7, False)
    bench.send(alone(film_[7]), topic=LANE)  # it was on its way
    bench.send(film_[8])
    assert await sequence(viewer) == 8


@pytest.mark.asyncio
async def test_a_view_that_opens_while_all_is_late_begins_with_the_newest(bench: Bench) -> None:
    film_ = film(9, start_ns=START_NS)
    bench.send(alone(film_[7]), topic=LANE)
    bench.clock.advance(8)  # its groups of pictures are long
    bench.send(*film_[:2])
    viewer = bench.watch("gate")
    found = [await sequence(viewer)]
    if found[0] < 7:  # whichever partition was read first
        found.append(await sequence(viewer))
    assert found[-1] == 7
    bench.send(*film_[2:7])
    bench.send(film_[8])
    assert await sequence(viewer) == 8


@pytest.mark.asyncio
async def test_unmasked_pictures_do_not_come_by_the_lane_either(bench: Bench) -> None:
    viewer = bench.watch("gate")
    (raw,) = film(1, start_ns=START_NS, mask_version=0)
    bench.send(alone(raw), topic=LANE)
    bench.broker.append(LANE, "gate", b"nonsense", 0, {})
    bench.send(*film(1, start_ns=START_NS, first_sequence=1))
    assert await sequence(viewer) == 1
