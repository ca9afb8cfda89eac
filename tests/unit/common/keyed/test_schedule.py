"""The schedule by itself: what is at work while its partition leaves, how long is waited, what a batch weighs."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.common.keyed.streams import HANG_S, INVALID, QUEUE_BYTES, Stage, Stepped, batch, turns

from beffroi_common.bus import Record, RetryLater
from beffroi_common.bus.keyed import InlineExecutor, Key
from beffroi_common.bus.keyed.schedule import RETRY_FIRST_S, Schedule
from beffroi_common.bus.keyed.state import Item
from beffroi_common.contracts import FrameBatch, Stream
from beffroi_common.topics import FRAMES_MASKED
from beffroi_testing import ManualClock

MIB = 1024 * 1024
LEAVING = (FRAMES_MASKED.name, 0)


class Watched(ManualClock):
    """Calls back, once, when somebody looks at it."""

    on_look: Callable[[], None] | None = None

    def monotonic_s(self) -> float:
        on_look, self.on_look = self.on_look, None
        if on_look is not None:
            on_look()
        return super().monotonic_s()


def test_while_a_partition_leaves_none_of_its_batches_is_begun() -> None:
    clock = Watched()
    schedule, begun = Schedule(clock, QUEUE_BYTES, HANG_S), []
    for offset in range(2):
        one = batch("gate", offset)
        item = Item.of(Record(*LEAVING, offset, "gate", one.encode(), 0), one)
        schedule.offer(Key("gate", Stream.MAIN), item, 0.0)
    state = schedule.claim(0.0)
    assert state is not None

    def finish_the_first() -> None:
        item = schedule.first_item(state)
        assert item is not None
        schedule.handled(state, item, [], None)
        schedule.give_back(state)
        another = schedule.claim(0.0)
        begun.append(another)
        if another is not None:  # else whoever leaves would wait for ever
            schedule.give_back(another)

    clock.on_look = finish_the_first  # whoever leaves waits for the worker, with an eye on the clock
    schedule.drop([LEAVING])
    assert begun == [None]


def test_after_a_success_the_next_failure_waits_as_a_first_one() -> None:
    failing = {0}

    def work(one: FrameBatch) -> None:
        if one.sequence in failing:
            raise RetryLater("no room")

    stage, handled = Stage(InlineExecutor(), work), []
    clock = stage.broker.clock
    assert isinstance(clock, ManualClock)
    stage.give(batch("gate", 0), 0)
    turns(stage, 10)  # by now it is tried again every five seconds
    failing.clear()
    turns(stage, 10)
    handled.append(len(stage.processor.settled()))
    failing.add(1)
    stage.give(batch("gate", 1), 1)
    failing.clear()
    clock.advance(2 * RETRY_FIRST_S)
    stage.processor.tick()
    handled.append(len(stage.processor.settled()))
    assert handled == [1, 1]


def test_a_waiting_picture_counts_twice_in_the_record_and_in_the_batch() -> None:
    stage = Stage(Stepped())
    stage.give(batch("gate", 0, data=bytes(MIB)), 0)
    assert 2 * MIB < stage.processor.counters()["queue_bytes"] < 2 * MIB + 1000


def test_what_was_refused_of_a_partition_that_left_is_not_said() -> None:
    stage = Stage(InlineExecutor())
    for slot, camera in enumerate(("first", "second")):
        stage.give(batch(camera, 0, data=INVALID), 5, slot)
    both = stage.processor.counters()["queue_bytes"]
    stage.processor.revoked([LEAVING])
    assert stage.needed == {1: 5}
    assert 0 < stage.processor.counters()["queue_bytes"] < both
    assert [each.source for each in stage.processor.settled()] == [(FRAMES_MASKED.name, 1)]
