"""Cameras side by side: who waits for whom, how much may wait, and what ends the process."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.common.keyed.streams import GROUP, HANG_S, IDLE_S, INVALID, Stage, batch, said

from beffroi_common.bus import DeliveryError, InvalidRecord, LoopOptions, RetryLater, run
from beffroi_common.bus.keyed import Executor, InlineExecutor, Output, ThreadExecutor
from beffroi_common.bus.keyed.executors import Step
from beffroi_common.bus.keyed.processor import NoRecordToRefuseError
from beffroi_common.bus.keyed.schedule import LARGEST_ITEM_BYTES, LOW_WATERMARK, WorkerHungError
from beffroi_common.contracts import FrameBatch, Stream
from beffroi_common.topics import FRAMES_MASKED, Topic
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus
from beffroi_testing.bus import MemoryProducer

TIMEOUT_S = 30.0
MIB = 1024 * 1024


class Told:
    """Works piece by piece, when told to."""

    def __init__(self) -> None:
        self._step: Step = lambda _wait_s: False

    def start(self, step: Step) -> None:
        self._step = step

    def work_waits(self) -> None: ...

    def close(self) -> None: ...

    def work(self, pieces: int = 1) -> None:
        for _ in range(pieces):
            self._step(0.0)


def turns(stage: Stage, seconds: int) -> None:
    """Let time go by in turns of the loop that bring nothing."""
    clock = stage.broker.clock
    assert isinstance(clock, ManualClock)
    for _ in range(seconds):
        clock.advance(1)
        stage.processor.tick()


def test_a_backlog_of_one_camera_delays_another_by_one_batch() -> None:
    order: list[str] = []
    told = Told()
    stage = Stage(told, lambda one: order.append(one.camera))
    for number in range(6):
        stage.give(batch("busy", number), number)
    stage.give(batch("calm", 0), 6)
    told.work(3)
    assert order == ["busy", "calm", "busy"]


def test_what_one_camera_waits_for_no_other_waits_for() -> None:
    def work(one: FrameBatch) -> None:
        if one.camera == "stuck":
            raise RetryLater("no room")

    stage = Stage(InlineExecutor(), work)
    for number in range(4):
        stage.give(batch("stuck", number), 2 * number)
        stage.give(batch("fluid", number), 2 * number + 1)
    assert (stage.said("stuck"), stage.said("fluid")) == ([], [0, 1, 2])
    assert stage.needed == {0: 0}
    stage.streams[0].work = lambda _one: None
    turns(stage, 1)
    assert stage.said("stuck") == [0, 1, 2]


def test_an_output_that_cannot_be_sent_holds_its_offset_and_its_camera() -> None:
    stage = Stage(InlineExecutor())
    stage.give(batch("gate", 0), 10)
    stage.give(batch("gate", 1), 11)
    stage.broker.away = True
    stage.give(batch("gate", 2), 12)  # 1 comes out of it, and cannot be sent
    assert stage.processor.counters()["queue_bytes"] > 0, "what it was made of counts as long as it waits"
    stage.give(batch("gate", 3), 13)
    assert (stage.said("gate"), stage.needed) == ([0], {0: 11})
    stage.broker.away = False
    turns(stage, 1)
    assert (stage.said("gate"), stage.needed) == ([0, 1, 2], {0: 13})


def test_repeats_reach_no_stream_and_are_counted() -> None:
    stage = Stage(InlineExecutor())
    for offset, (epoch, sequence) in enumerate([(1, 0), (1, 1), (1, 1), (1, 0), (2, 0), (1, 1), (1, 2)]):
        stage.give(batch("gate", sequence, epoch=epoch), offset)
    (stream,) = stage.streams
    assert stream.repeats == 3
    assert stage.said("gate") == [0, 1, 0]


def test_what_is_of_no_concern_is_done_with_at_once() -> None:
    stage = Stage(InlineExecutor())
    stage.give(batch("gate", 0), 3)
    stage.give(replace(batch("gate", 1), stream=Stream.SUB), 4)
    assert [len(stage.streams), len(stage.processor.settled())] == [1, 1]
    assert stage.needed == {0: 3}


def test_each_turn_says_how_much_waits() -> None:
    told = Told()
    stage = Stage(told)
    stage.give(batch("gate", 0), 0)
    turns(stage, 1)
    told.work()
    turns(stage, 1)
    assert [each["waiting_batches"] for each in stage.reports] == [1, 0]


def test_an_idle_camera_hands_on_what_it_holds_back_and_is_forgotten_much_later() -> None:
    stage = Stage(InlineExecutor())
    stage.give(batch("gate", 0, at_ns=stage.broker.clock.now_ns()), 7)
    turns(stage, int(IDLE_S))
    assert (stage.said("gate"), stage.needed) == ([], {0: 7})
    turns(stage, 1)
    assert (stage.said("gate"), stage.needed) == ([0], {})
    turns(stage, 580)
    assert not stage.streams[0].discarded
    turns(stage, 20)
    assert stage.streams[0].discarded
    stage.give(batch("gate", 0), 8)
    assert len(stage.streams) == 2


def test_a_camera_that_comes_back_before_a_worker_lets_it_rest_goes_on() -> None:
    told = Told()
    stage = Stage(told)
    stage.give(batch("gate", 0, at_ns=stage.broker.clock.now_ns()), 7)
    told.work()
    turns(stage, int(IDLE_S) + 1)  # it is to rest, and every worker is busy with others
    stage.give(batch("gate", 1, at_ns=stage.broker.clock.now_ns()), 8)
    told.work(5)
    assert (stage.said("gate"), stage.needed) == ([0], {0: 8}), "1 is held back until the next one"


def test_a_camera_that_moved_to_another_slot_ends_where_it_was_and_begins_anew() -> None:
    stage = Stage(InlineExecutor())
    stage.give(batch("gate", 0), 5, partition=0)
    stage.give(batch("gate", 0, epoch=2), 9, partition=1)
    before, after = stage.streams
    assert before.discarded
    assert not after.discarded
    assert stage.said("gate") == [0]
    assert stage.needed == {1: 9}


def test_revoked_partitions_hold_nothing_and_the_others_all() -> None:
    told = Told()
    stage = Stage(told)
    for slot, camera in enumerate(("first", "second")):
        stage.give(batch(camera, 0), 3, partition=slot)
        stage.give(batch(camera, 1), 4, partition=slot)
    told.work(2)
    stage.processor.revoked([(FRAMES_MASKED.name, 0)])
    assert stage.needed == {1: 3}
    told.work(10)
    assert (stage.said("first"), stage.said("second")) == ([], [0])
    assert [stream.discarded for stream in stage.streams] == [True, False]


def test_everything_that_waits_is_bounded_in_bytes_and_reading_goes_on_at_the_low_watermark() -> None:
    told = Told()
    room = 8 * MIB
    stage = Stage(told, queue_bytes=LARGEST_ITEM_BYTES + room)
    picture, taken = bytes(MIB), 0
    while not stage.processor.is_full():
        stage.give(batch("gate", taken, data=picture), taken)
        taken += 1
    peak = stage.processor.counters()["peak_queue_bytes"]
    assert room < peak <= room + LARGEST_ITEM_BYTES
    left = taken
    while stage.processor.is_full():
        told.work()
        left -= 1
    held = stage.processor.counters()["queue_bytes"]
    assert held <= LOW_WATERMARK * room < held + 3 * MIB
    told.work(left)
    assert stage.processor.counters()["queue_bytes"] == 0


def test_the_loop_reads_no_further_than_the_bytes_allow() -> None:
    broker = MemoryBroker(slots=1)
    for number in range(40):
        broker.append(FRAMES_MASKED.name, "gate", batch("gate", number, data=bytes(MIB)).encode(), 0, {})
    gate, stop = threading.Event(), threading.Event()
    room = 8 * MIB
    stage = Stage(ThreadExecutor(1, "test"), lambda _one: _wait(gate), broker, LARGEST_ITEM_BYTES + room)
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
        run(
            MemoryBus(broker), stage.processor, group=GROUP, service="test", topics=[FRAMES_MASKED],
            producer=MemoryBus(broker).producer(), stop=stop, clock=broker.clock, beat=beat,
            options=LoopOptions(poll_timeout_s=0.001),
        )  # fmt: skip
    assert room < most <= room + LARGEST_ITEM_BYTES
    assert said(broker, "gate") == list(range(39)), "the last one is held back"


def _wait(event: threading.Event) -> None:
    assert event.wait(TIMEOUT_S)


def test_cameras_are_worked_on_side_by_side_and_each_by_one_thread_at_a_time() -> None:
    both = threading.Barrier(2, timeout=TIMEOUT_S)
    at_work: defaultdict[str, int] = defaultdict(int)
    done = threading.Semaphore(0)

    def work(one: FrameBatch) -> None:
        at_work[one.camera] += 1
        assert at_work[one.camera] == 1
        both.wait()  # passes once the other camera is worked on too
        at_work[one.camera] -= 1
        done.release()

    stage = Stage(ThreadExecutor(3, "test"), work)
    with stage.processor:
        for number in range(20):
            for slot, camera in enumerate(("left", "right")):
                stage.give(batch(camera, number), number, slot)
        for _ in range(40):
            assert done.acquire(timeout=TIMEOUT_S)
        stage.processor.tick()


class Asked(ManualClock):
    """Calls back whenever its thread looks at it."""

    def __init__(self, asked: Callable[[], None]) -> None:
        super().__init__()
        self._thread = threading.current_thread()
        self._asked = asked

    def monotonic_s(self) -> float:
        if threading.current_thread() is self._thread:
            self._asked()
        return super().monotonic_s()


def test_partitions_leave_only_when_the_batch_at_work_is_done() -> None:
    begun, leaving, go_on = threading.Event(), threading.Event(), threading.Event()

    def work(_one: FrameBatch) -> None:
        begun.set()
        _wait(go_on)

    def asked() -> None:
        if leaving.is_set():  # whoever leaves waits for the worker, with an eye on the clock
            go_on.set()

    stage = Stage(ThreadExecutor(1, "test"), work, MemoryBroker(clock=Asked(asked)))
    with stage.processor:
        stage.give(batch("gate", 0), 0)
        stage.give(batch("gate", 1), 1)
        _wait(begun)
        leaving.set()
        stage.processor.revoked([(FRAMES_MASKED.name, 0)])
        go_on.set()
        stage.processor.tick()
        assert stage.needed == {}
        assert stage.streams[0].discarded


@pytest.mark.parametrize("executor", [InlineExecutor, lambda: ThreadExecutor(2, "test")], ids=["inline", "threads"])
@pytest.mark.parametrize("error", [ZeroDivisionError(), DeliveryError("refused")], ids=["bug", "fatal"])
def test_a_bug_or_a_fatal_error_of_a_worker_ends_the_loop_and_commits_nothing_beyond(
    executor: Callable[[], Executor], error: Exception
) -> None:
    broker = MemoryBroker(slots=1)
    for number in range(5):
        one = batch("gate", number, at_ns=broker.clock.now_ns())
        broker.append(FRAMES_MASKED.name, "gate", one.encode(), 0, {})

    def work(one: FrameBatch) -> None:
        if one.sequence == 3:
            raise error

    stage = Stage(executor(), work, broker)
    with pytest.raises(type(error)), stage.processor:
        run(
            MemoryBus(broker), stage.processor, group=GROUP, service="test", topics=[FRAMES_MASKED],
            producer=MemoryBus(broker).producer(), stop=threading.Event(), clock=broker.clock,
            options=LoopOptions(poll_timeout_s=0.001, commit_interval_s=0.0),
        )  # fmt: skip
    assert broker.committed(GROUP, (FRAMES_MASKED.name, 0)) <= 2, "2 is held back"
    assert said(broker, "gate") == [0, 1]


def test_a_record_costs_the_same_however_many_cameras_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(InlineExecutor())
    for number in range(300):
        stage.give(batch(f"camera-{number}", 0, at_ns=stage.broker.clock.now_ns()), number)
    looked_at: list[float] = []

    def is_idle(observed_at_s: float) -> bool:
        looked_at.append(observed_at_s)
        return False

    monkeypatch.setattr(stage.processor._idle, "is_idle", is_idle)
    for number in range(300):  # in the same moment
        stage.give(batch(f"camera-{number}", 1, at_ns=stage.broker.clock.now_ns()), 300 + number)
        stage.processor.tick()
    assert len(looked_at) == 300, "each is looked at once a round, and not once a record"


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


def test_a_worker_that_hangs_ends_the_process() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(_one: FrameBatch) -> None:
        begun.set()
        _wait(go_on)

    stage = Stage(ThreadExecutor(1, "test"), work)
    with stage.processor:
        stage.give(batch("gate", 0), 0)
        _wait(begun)
        turns(stage, 60)
        with pytest.raises(WorkerHungError, match="camera gate"):
            turns(stage, 1)
        with pytest.raises(WorkerHungError):
            stage.processor.revoked([(FRAMES_MASKED.name, 0)])
        go_on.set()


@pytest.mark.parametrize("slot", [0, 1], ids=["idle", "moved to another slot"])
def test_what_a_stream_refuses_without_a_record_is_a_bug_and_refuses_no_record(slot: int) -> None:
    told = Told()
    stage = Stage(told)
    stage.give(batch("gate", 0, at_ns=stage.broker.clock.now_ns()), 0)
    told.work()
    stage.streams[0].rest = _refuse  # type: ignore[method-assign]
    if slot == 0:
        turns(stage, int(IDLE_S) + 1)
    else:
        stage.give(batch("gate", 1), 0, slot)
    told.work()
    with pytest.raises(NoRecordToRefuseError, match="camera gate"):
        stage.give(batch("innocent", 0), 1)
    assert [each.refusal for each in stage.processor.settled()] == [None]


def _refuse() -> list[Output]:
    raise InvalidRecord("what is held back")


def test_workers_sleep_once_the_process_is_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    stage = Stage(told, lambda _one: _fail())
    for slot, camera in enumerate(("left", "right")):
        stage.give(batch(camera, 0), 0, slot)
    told.work()
    waits: list[float] = []
    monkeypatch.setattr(stage.processor._schedule._changed, "wait", waits.append)
    assert stage.processor._schedule.claim(0.5) is None, "the other camera is ready, and left alone"
    assert waits == [0.5]


def _fail() -> None:
    raise ZeroDivisionError


def test_a_worker_that_hangs_keeps_no_process_from_ending() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(_one: FrameBatch) -> None:
        begun.set()
        go_on.wait()

    broker = MemoryBroker(slots=1)
    broker.append(FRAMES_MASKED.name, "gate", batch("gate", 0).encode(), 0, {})
    stage = Stage(ThreadExecutor(1, "test", close_s=0.01), work, broker)

    def beat() -> None:
        assert isinstance(broker.clock, ManualClock)
        if begun.is_set():
            broker.clock.advance(HANG_S + 1)

    def live() -> None:
        with pytest.raises(WorkerHungError, match="camera gate"), stage.processor:
            run(
                MemoryBus(broker), stage.processor, group=GROUP, service="test", topics=[FRAMES_MASKED],
                producer=MemoryBus(broker).producer(), stop=threading.Event(), clock=broker.clock, beat=beat,
                options=LoopOptions(poll_timeout_s=0.001),
            )  # fmt: skip
        ended.set()

    ended = threading.Event()
    threading.Thread(target=live, daemon=True).start()
    try:
        _wait(ended)
    finally:
        go_on.set()


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
    run(
        MemoryBus(broker), stage.processor, group=GROUP, service="test", topics=[FRAMES_MASKED],
        producer=Full(broker), stop=stop, clock=broker.clock, beat=beat, options=LoopOptions(poll_timeout_s=0.001),
    )  # fmt: skip
    assert 0 < 2 * held * MIB <= room + LARGEST_ITEM_BYTES
    assert (handed, stage.processor.counters()["waiting_batches"]) == (count, 0)


def test_a_dead_letter_that_cannot_be_sent_yet_holds_its_offset() -> None:
    broker = MemoryBroker(slots=1)
    for number in range(3):
        data = INVALID if number == 1 else b"picture"
        one = batch("gate", number, data=data, at_ns=broker.clock.now_ns())
        broker.append(FRAMES_MASKED.name, "gate", one.encode(), 0, {})
    stop = threading.Event()
    stage = Stage(InlineExecutor(), broker=broker)
    committed: list[int] = []

    class Choosy(MemoryProducer):
        def send(self, topic: Topic, *arguments: Any, **named: Any) -> None:
            if topic.name == FRAMES_MASKED.dead_letters and len(committed) < 5:
                committed.append(broker.committed(GROUP, (FRAMES_MASKED.name, 0)))
                raise RetryLater("full")
            super().send(topic, *arguments, **named)

    def beat() -> None:
        assert isinstance(broker.clock, ManualClock)
        broker.clock.advance(1)
        if broker.records(FRAMES_MASKED.dead_letters):
            stop.set()

    run(
        MemoryBus(broker), stage.processor, group=GROUP, service="test", topics=[FRAMES_MASKED],
        producer=Choosy(broker), stop=stop, clock=broker.clock, beat=beat, options=LoopOptions(poll_timeout_s=0.001),
    )  # fmt: skip
    assert len(broker.records(FRAMES_MASKED.dead_letters)) == 1
    assert len(committed) == 5
    assert max(committed) <= 1
