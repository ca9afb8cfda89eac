"""Cameras side by side: who waits for whom, and which offsets each holds."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.unit.common.keyed.streams import (
    GROUP,
    IDLE_S,
    INVALID,
    TIMEOUT_S,
    Stage,
    Stepped,
    batch,
    said,
    turns,
    wait,
)

from beffroi_common.bus import Delivered, DeliveryError, InvalidRecord, Record, RetryLater
from beffroi_common.bus.keyed import InlineExecutor, Output, ThreadExecutor
from beffroi_common.bus.keyed.schedule import LARGEST_ITEM_BYTES
from beffroi_common.bus.keyed.state import Unsent
from beffroi_common.contracts import FrameBatch, Stream, Tracks
from beffroi_common.topics import FRAMES_MASKED, TRACKS, Topic
from beffroi_testing import ManualClock, MemoryBroker
from beffroi_testing.producer import MemoryProducer


def test_a_backlog_of_one_camera_delays_another_by_one_batch() -> None:
    order: list[str] = []
    steps = Stepped()
    stage = Stage(steps, lambda one: order.append(one.camera))
    for number in range(6):
        stage.give(batch("busy", number), number)
    stage.give(batch("calm", 0), 6)
    steps.work(3)
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


def test_repeats_and_what_comes_of_a_connection_that_is_over_reach_no_stream_and_are_counted() -> None:
    stage = Stage(InlineExecutor())
    for offset, (epoch, sequence) in enumerate([(1, 0), (1, 1), (1, 1), (1, 0), (2, 0), (1, 1), (1, 2), (2, 1)]):
        stage.give(batch("gate", sequence, epoch=epoch), offset)
    (stream,) = stage.streams
    assert stream.repeats == 4
    assert stage.said("gate") == [0, 1, 0]


def test_what_is_of_no_concern_is_done_with_at_once() -> None:
    stage = Stage(InlineExecutor())
    stage.give(batch("gate", 0), 3)
    stage.give(replace(batch("gate", 1), stream=Stream.SUB), 4)
    assert [len(stage.streams), len(stage.processor.settled())] == [1, 1]
    assert stage.needed == {0: 3}


def test_each_turn_says_how_much_waits() -> None:
    steps = Stepped()
    stage = Stage(steps)
    stage.give(batch("gate", 0), 0)
    turns(stage, 1)
    steps.work()
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


def test_while_an_output_cannot_be_sent_no_other_camera_is_idle() -> None:
    stage = Stage(InlineExecutor())
    now_ns = stage.broker.clock.now_ns()
    stage.give(batch("calm", 0, at_ns=now_ns), 3, partition=1)
    stage.give(batch("gate", 0, at_ns=now_ns), 0)
    stage.broker.away = True
    stage.give(batch("gate", 1, at_ns=now_ns), 1)
    turns(stage, 2 * int(IDLE_S))
    stage.broker.away = False
    turns(stage, 5)
    assert (stage.said("gate"), stage.said("calm"), stage.needed) == ([0], [], {0: 1, 1: 3})
    turns(stage, int(IDLE_S) + 1)
    assert stage.said("calm") == [0]


def test_while_the_bytes_are_used_up_no_camera_is_idle() -> None:
    steps = Stepped()
    stage = Stage(steps, queue_bytes=LARGEST_ITEM_BYTES + 1000)
    now_ns = stage.broker.clock.now_ns()
    stage.give(batch("calm", 0, at_ns=now_ns), 3, partition=1)
    steps.work()
    stage.give(batch("busy", 0, at_ns=now_ns, data=bytes(1000)), 0)
    assert stage.processor.is_full()
    turns(stage, 2 * int(IDLE_S))
    steps.work(5)
    assert (stage.said("calm"), stage.needed) == ([], {0: 0, 1: 3})


def test_a_partition_with_a_backlog_keeps_no_camera_of_another_from_being_idle() -> None:
    """The busy one fills its share for ever; a camera of its own partition is not idle, since nobody reads of it."""
    steps = Stepped()
    stage = Stage(steps, queue_bytes=LARGEST_ITEM_BYTES + 10_000)
    stage.processor.assigned([(FRAMES_MASKED.name, number) for number in range(2)])
    now_ns = stage.broker.clock.now_ns()
    stage.give(batch("calm", 0, at_ns=now_ns), 3, partition=1)
    stage.give(batch("shadowed", 0, at_ns=now_ns), 0)
    steps.work(2)
    for number in range(2):
        stage.give(batch("busy", number, at_ns=now_ns, data=bytes(2000)), 1 + number)
    assert list(stage.processor.full_partitions()) == [(FRAMES_MASKED.name, 0)]
    assert not stage.processor.is_full()
    turns(stage, int(IDLE_S) + 1)
    calm, shadowed = stage.streams
    state = {key.camera: each for key, each in stage.processor._schedule._states.items()}
    assert (state["calm"].rest_due, state["shadowed"].rest_due) == (True, False)
    assert (calm.needed_offset, shadowed.needed_offset) == (3, 0)


def test_a_camera_that_comes_back_before_a_worker_lets_it_rest_goes_on() -> None:
    steps = Stepped()
    stage = Stage(steps)
    stage.give(batch("gate", 0, at_ns=stage.broker.clock.now_ns()), 7)
    steps.work()
    turns(stage, int(IDLE_S) + 1)  # it is to rest, and every worker is busy with others
    stage.give(batch("gate", 1, at_ns=stage.broker.clock.now_ns()), 8)
    steps.work(5)
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
    steps = Stepped()
    stage = Stage(steps)
    for slot, camera in enumerate(("first", "second")):
        stage.give(batch(camera, 0), 3, partition=slot)
        stage.give(batch(camera, 1), 4, partition=slot)
    steps.work(2)
    stage.processor.revoked([(FRAMES_MASKED.name, 0)])
    assert stage.needed == {1: 3}
    steps.work(10)
    assert (stage.said("first"), stage.said("second")) == ([], [0])
    assert [stream.discarded for stream in stage.streams] == [True, False]


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
        wait(go_on)

    def asked() -> None:
        if leaving.is_set():  # whoever leaves waits for the worker, with an eye on the clock
            go_on.set()

    stage = Stage(ThreadExecutor(1, "test"), work, MemoryBroker(clock=Asked(asked)))
    with stage.processor:
        stage.give(batch("gate", 0), 0)
        stage.give(batch("gate", 1), 1)
        wait(begun)
        leaving.set()
        stage.processor.revoked([(FRAMES_MASKED.name, 0)])
        go_on.set()
        stage.processor.tick()
        assert stage.needed == {}
        assert stage.streams[0].discarded


def test_a_record_costs_the_same_however_many_cameras_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(InlineExecutor())
    for number in range(300):
        stage.give(batch(f"camera-{number}", 0, at_ns=stage.broker.clock.now_ns()), number)
    looked_at: list[float] = []

    def is_idle(_partition: tuple[str, int], observed_at_s: float) -> bool:
        looked_at.append(observed_at_s)
        return False

    monkeypatch.setattr(stage.processor._idle, "is_idle", is_idle)
    for number in range(300):  # in the same moment
        stage.give(batch(f"camera-{number}", 1, at_ns=stage.broker.clock.now_ns()), 300 + number)
        stage.processor.tick()
    assert len(looked_at) == 300, "each is looked at once a round, and not once a record"


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

    stage.run(producer=Choosy(broker), stop=stop, beat=beat)
    assert len(broker.records(FRAMES_MASKED.dead_letters)) == 1
    assert len(committed) == 5
    assert max(committed) <= 1


def missing(reason: str) -> float:
    return REGISTRY.get_sample_value("beffroi_batches_missing_total", {"camera": "hole", "reason": reason}) or 0.0


def test_batches_that_never_came_are_counted_with_what_became_of_them() -> None:
    stage = Stage(InlineExecutor())
    not_sent, overtaken = missing("not_sent"), missing("overtaken")
    stage.give(batch("hole", 0), 0)
    stage.give(batch("hole", 3), 1)
    record = Record(FRAMES_MASKED.name, 0, 9, "yard", batch("yard", 0).encode(), 0, overtaken=7)
    stage.processor.handle(record)
    stage.give(batch("hole", 9), 10)
    stage.give(batch("hole", 11), 11)
    assert (missing("not_sent") - not_sent, missing("overtaken") - overtaken) == (2 + 1, 5)


@pytest.mark.parametrize("expendable", [True, False])
def test_a_topic_that_takes_nothing_now_ends_the_work_unless_nobody_needs_it_later(expendable: bool) -> None:
    """Annotated pictures are such: who loses the right to write them goes on with all the rest."""
    stage = Stage(InlineExecutor())
    stage.give(batch("gate", 0), 0)
    stage.give(batch("gate", 1), 1)
    labels = {"camera": "gate", "topic": TRACKS.name}
    before = REGISTRY.get_sample_value("beffroi_outputs_refused_total", labels) or 0
    value = Tracks.decode(stage.broker.records(TRACKS)[0].value or b"")
    output = Output(TRACKS, "gate", value, expendable=expendable)
    unsent = Unsent(output, stage.streams[0], (FRAMES_MASKED.name, 0), 0)
    stage.processor._told(unsent, RetryLater("the right to write was lost"))
    if expendable:
        stage.processor.tick()
        assert REGISTRY.get_sample_value("beffroi_outputs_refused_total", labels) == before + 1
    else:
        with pytest.raises(DeliveryError):
            stage.processor.tick()


class Refusing(MemoryProducer):
    """A broker that refuses what it is sent of one camera."""

    refusal: InvalidRecord | RetryLater = InvalidRecord("told to be")

    def send(self, topic: Topic, key: str, *arguments: Any, on_delivery: Delivered | None = None, **named: Any) -> None:
        if key == "refused":
            assert on_delivery is not None
            on_delivery(self.refusal)
        else:
            super().send(topic, key, *arguments, on_delivery=on_delivery, **named)


def refusing(stage: Stage, refusal: InvalidRecord | RetryLater) -> None:
    producer = Refusing(stage.broker)
    producer.refusal = refusal
    stage.processor._producer = producer
    for number in range(3):
        stage.give(batch("refused", number), 2 * number)
        stage.give(batch("calm", number), 2 * number + 1)


def test_an_output_that_the_broker_never_takes_is_one_camera_s_loss() -> None:
    stage = Stage(InlineExecutor())
    refusing(stage, InvalidRecord("told to be"))
    assert said(stage.broker, "calm") == [0, 1]
    labels = {"camera": "refused", "topic": TRACKS.name}
    assert REGISTRY.get_sample_value("beffroi_outputs_refused_total", labels) == 2


def test_a_broker_that_takes_nothing_ends_the_process_and_nothing_is_lost() -> None:
    stage = Stage(InlineExecutor())
    with pytest.raises(DeliveryError, match="the right to write was lost"):
        refusing(stage, RetryLater("the right to write was lost"))
