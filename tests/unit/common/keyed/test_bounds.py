"""How much may wait in memory, in bytes: records, outputs, refusals."""

from __future__ import annotations

import threading
from typing import Any

from tests.unit.common.keyed.streams import (
    INVALID,
    Stage,
    Stepped,
    batch,
    said,
    turns,
    wait,
)

from beffroi_common.bus import InvalidRecord, RetryLater
from beffroi_common.bus.keyed import InlineExecutor, ThreadExecutor
from beffroi_common.bus.keyed.room import LOW_WATERMARK, Room
from beffroi_common.bus.keyed.schedule import LARGEST_ITEM_BYTES
from beffroi_common.contracts import FrameBatch
from beffroi_common.topics import FRAMES_MASKED, Topic
from beffroi_testing import MemoryBroker
from beffroi_testing.producer import MemoryProducer

MIB = 1024 * 1024


def test_everything_that_waits_is_bounded_in_bytes_and_reading_goes_on_at_the_low_watermark() -> None:
    steps = Stepped()
    room = 8 * MIB
    stage = Stage(steps, queue_bytes=LARGEST_ITEM_BYTES + room)
    picture, taken = bytes(MIB), 0
    while not stage.processor.is_full():
        stage.give(batch("gate", taken, data=picture), taken)
        taken += 1
    peak = stage.processor.counters()["peak_queue_bytes"]
    assert room < peak <= room + LARGEST_ITEM_BYTES
    left = taken
    while stage.processor.is_full():
        steps.work()
        left -= 1
    held = stage.processor.counters()["queue_bytes"]
    assert held <= LOW_WATERMARK * room < held + 3 * MIB
    steps.work(left)
    assert stage.processor.counters()["queue_bytes"] == 0


def test_the_loop_reads_no_further_than_the_bytes_allow() -> None:
    broker = MemoryBroker(slots=1)
    for number in range(40):
        broker.append(FRAMES_MASKED.name, "gate", batch("gate", number, data=bytes(MIB)).encode(), 0, {})
    gate, stop = threading.Event(), threading.Event()
    room = 8 * MIB
    stage = Stage(ThreadExecutor(1, "test"), lambda _one: wait(gate), broker, LARGEST_ITEM_BYTES + room)
    beats, most = 0, 0.0

    def beat() -> None:
        nonlocal beats, most
        beats += 1
        most = max(most, stage.processor.counters()["queue_bytes"])
        if beats == 60:  # it was full long ago, and would have read all of it
            assert stage.processor.is_full()
            gate.set()
        if len(said(broker, "gate")) == 39:
            stop.set()

    with stage.processor:
        stage.run(stop=stop, beat=beat)
    assert room < most <= room + LARGEST_ITEM_BYTES
    assert said(broker, "gate") == list(range(39)), "the last one is held back"


def test_what_waits_to_be_sent_is_counted_until_it_is_sent_or_its_partition_leaves() -> None:
    stage = Stage(InlineExecutor())
    stage.broker.away = True
    for slot, camera in enumerate(("first", "second")):
        for number in range(2):
            stage.give(batch(camera, number), number, slot)
    assert (stage.processor.counters()["unsent"], stage.processor.counters()["streams"]) == (2, 2)
    stage.processor.revoked([(FRAMES_MASKED.name, 0)])
    assert stage.processor.counters()["unsent"] == 1
    stage.broker.away = False
    turns(stage, 1)
    assert stage.processor.counters()["unsent"] == 0


def test_what_was_refused_counts_until_it_is_asked_for_what_comes_next() -> None:
    stage = Stage(InlineExecutor())
    stage.give(batch("gate", 0, data=INVALID), 0)
    counted = stage.processor.counters()["queue_bytes"]
    assert len(stage.processor.settled()) == 1
    assert stage.processor.counters()["queue_bytes"] == counted > 0
    assert len(stage.processor.settled()) == 0
    assert stage.processor.counters()["queue_bytes"] == 0


def test_refused_records_count_until_their_dead_letters_are_sent() -> None:
    broker, count, room = MemoryBroker(slots=1), 40, 8 * MIB
    for number in range(count):
        one = batch("gate", number, data=INVALID + bytes(MIB))
        broker.append(FRAMES_MASKED.name, "gate", one.encode(), 0, {})
    handed, held, turn, stop = 0, 0, 0, threading.Event()

    def work(_one: FrameBatch) -> None:
        nonlocal handed
        handed += 1
        raise InvalidRecord("told to be")

    class Full(MemoryProducer):
        def send(self, topic: Topic, *arguments: Any, **named: Any) -> None:
            if topic.name == FRAMES_MASKED.dead_letters and turn <= count:
                raise RetryLater("full")
            super().send(topic, *arguments, **named)

    def beat() -> None:
        nonlocal turn, held
        turn += 1
        held = handed if turn == count else held  # by now all of it could have been read
        if len(broker.records(FRAMES_MASKED.dead_letters)) == count:
            stop.set()

    stage = Stage(InlineExecutor(), work, broker, LARGEST_ITEM_BYTES + room)
    stage.run(producer=Full(broker), stop=stop, beat=beat)
    assert 0 < 2 * held * MIB <= room + LARGEST_ITEM_BYTES
    assert (handed, stage.processor.counters()["waiting_batches"]) == (count, 0)


def test_a_backlog_of_one_slot_leaves_room_for_the_others_which_go_on() -> None:
    broker, count = MemoryBroker(slots=2), 40
    for number in range(count):
        broker.append(FRAMES_MASKED.name, "stuck", batch("stuck", number, data=bytes(MIB)).encode(), 0, {})
    for number in range(count):
        broker.append(FRAMES_MASKED.name, "calm", batch("calm", number, data=bytes(MIB)).encode(), 1, {})
    gate, stop, room = threading.Event(), threading.Event(), 16 * MIB
    stuck_bytes = 0.0

    def work(one: FrameBatch) -> None:
        if one.camera == "stuck" and not gate.is_set():
            raise RetryLater("told to be")

    def beat() -> None:
        nonlocal stuck_bytes
        if len(said(broker, "calm")) == count - 1 and not gate.is_set():
            assert said(broker, "stuck") == []
            stuck_bytes = stage.processor.counters()["queue_bytes"]
            gate.set()
            broker.clock.advance(10)  # type: ignore[attr-defined]
        if len(said(broker, "stuck")) == count - 1:
            stop.set()

    stage = Stage(InlineExecutor(), work, broker, LARGEST_ITEM_BYTES + room)
    stage.run(stop=stop, beat=beat)
    assert said(broker, "calm") == list(range(count - 1)), "the last one is held back"
    assert said(broker, "stuck") == list(range(count - 1))
    assert room / 2 < stuck_bytes < room / 2 + LARGEST_ITEM_BYTES


def test_whoever_has_a_backlog_may_have_as_much_as_is_free() -> None:
    room, assigned = Room(12 * MIB), [("raw", number) for number in range(3)]
    hogs = set[int]()
    for _ in range(12):
        for number in (0, 1):
            if ("raw", number) not in room.full_partitions(assigned):
                room.take(("raw", number), MIB)
            else:
                hogs.add(number)
    assert (hogs, room.bytes) == ({0, 1}, 9 * MIB), "a third each, and one more than that for the first"
    assert not room.is_full()
    assert room.full_partitions(assigned[:1]) == set(), "nobody else to leave room for"
    room.give_back(("raw", 0), 4 * MIB)
    room.give_back(("raw", 1), 4 * MIB)
    assert room.full_partitions(assigned) == set()
