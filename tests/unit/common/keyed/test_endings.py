"""What ends the process: a bug, a fatal error, a worker that hangs; and that nothing keeps it from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.unit.common.keyed.streams import (
    GROUP,
    HANG_S,
    IDLE_S,
    Stage,
    Stepped,
    batch,
    said,
    turns,
    wait,
)

from beffroi_common.bus import Delivered, DeliveryError, InvalidRecord, Partition, RetryLater
from beffroi_common.bus.crashes import RecordCrashError
from beffroi_common.bus.journal import Death, Ending, FileJournal, Journal
from beffroi_common.bus.keyed import Executor, InlineExecutor, Output, ThreadExecutor
from beffroi_common.bus.keyed.processor import NoRecordToRefuseError
from beffroi_common.bus.keyed.schedule import WorkerHungError
from beffroi_common.contracts import Contract, DeadLetter, FrameBatch, Tracks
from beffroi_common.topics import FRAMES_MASKED, Topic
from beffroi_testing import ManualClock, MemoryBroker
from beffroi_testing.producer import MemoryProducer


@pytest.mark.parametrize("executor", [InlineExecutor, lambda: ThreadExecutor(2, "test")], ids=["inline", "threads"])
@pytest.mark.parametrize("error", [OSError(), DeliveryError("refused")], ids=["machine", "fatal"])
def test_an_error_of_the_machine_or_a_fatal_one_of_a_worker_ends_the_loop_and_commits_nothing_beyond(
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
        stage.run(commit_interval_s=0.0)
    assert broker.committed(GROUP, (FRAMES_MASKED.name, 0)) <= 2, "2 is held back"
    assert said(broker, "gate") == [0, 1]


class Late(MemoryProducer):
    """A broker that takes all at first, and says at the next flush that it took nothing of one batch."""

    told: Delivered | None = None

    def send(
        self,
        topic: Topic,
        key: str,
        value: Contract | FrameBatch | None,
        *,
        partition: int | None = None,
        on_delivery: Delivered | None = None,
    ) -> None:
        if isinstance(value, Tracks) and value.sequence == 2:
            self.told = on_delivery
        else:
            super().send(topic, key, value, partition=partition, on_delivery=on_delivery)

    def flush(self, timeout_s: float) -> int:
        if self.told is not None:
            self.told(RetryLater("the right to write was lost"))
        return super().flush(timeout_s)


@pytest.mark.parametrize("executor", [InlineExecutor, lambda: ThreadExecutor(2, "test")], ids=["inline", "threads"])
def test_what_the_broker_takes_from_nobody_now_is_made_again_from_what_is_committed(
    executor: Callable[[], Executor],
) -> None:
    broker = MemoryBroker(slots=1)
    for number in range(5):
        one = batch("gate", number, at_ns=broker.clock.now_ns())
        broker.append(FRAMES_MASKED.name, "gate", one.encode(), 0, {})
    stage, producer = Stage(executor(), broker=broker), Late(broker)
    stage.processor._producer = producer
    with pytest.raises(DeliveryError, match="the right to write was lost"), stage.processor:
        stage.run(producer=producer, commit_interval_s=0.0)
    assert broker.committed(GROUP, (FRAMES_MASKED.name, 0)) == 2


def test_a_failure_of_one_camera_is_not_forgotten_with_another_s() -> None:
    stage = Stage(Stepped())
    stage.give(batch("gate", 0), 0, partition=0)
    stage.give(batch("yard", 0), 0, partition=1)
    claimed = [stage.processor._schedule.claim(0.0) for _ in range(2)]
    for state in claimed:
        assert state is not None
        stage.processor._schedule.fail(state, ZeroDivisionError(state.key.camera))
    stage.processor.revoked([(FRAMES_MASKED.name, 0)])
    with pytest.raises(ZeroDivisionError, match="yard"):
        stage.processor.tick()


@pytest.mark.parametrize("executor", [InlineExecutor, lambda: ThreadExecutor(2, "test")], ids=["inline", "threads"])
def test_a_batch_that_ends_a_worker_twice_is_a_dead_letter_and_all_others_are_worked_on(
    executor: Callable[[], Executor],
) -> None:
    broker = MemoryBroker(slots=2)
    for number in range(5):
        for slot, camera in enumerate(("gate", "yard")):
            one = batch(camera, number, at_ns=broker.clock.now_ns())
            broker.append(FRAMES_MASKED.name, camera, one.encode(), slot, {})

    def work(one: FrameBatch) -> None:
        if (one.camera, one.sequence) == ("gate", 2):
            raise ZeroDivisionError

    stage, stop = Stage(executor(), work, broker), threading.Event()

    def beat() -> None:
        if {3} <= set(said(broker, "gate")) and {3} <= set(said(broker, "yard")):
            stop.set()

    with stage.processor:
        stage.run(stop, beat, commit_interval_s=0.0)
    (letter,) = (DeadLetter.decode(each.value or b"") for each in broker.records(FRAMES_MASKED.dead_letters))
    assert (letter.partition, letter.offset, letter.payload) == (0, 2, None)
    assert sorted(set(said(broker, "gate"))) == [0, 1, 3], "the last one is held back"
    assert sorted(set(said(broker, "yard"))) == [0, 1, 2, 3]


def test_a_stream_that_cannot_rest_blames_the_last_batch() -> None:
    steps = Stepped()
    stage = Stage(steps)
    stage.give(batch("gate", 0, at_ns=stage.broker.clock.now_ns()), 7)
    steps.work()
    stage.streams[0].rest = _fail  # type: ignore[method-assign,assignment]
    turns(stage, int(IDLE_S) + 1)
    steps.work()
    with pytest.raises(RecordCrashError) as ended:
        stage.processor.tick()
    assert (ended.value.source, ended.value.offset) == ((FRAMES_MASKED.name, 0), 7)
    stage.processor.revoked([(FRAMES_MASKED.name, 0)])
    stage.processor.tick()


@contextmanager
def at_work(folder: Path) -> Iterator[Stage]:
    """A stage with a journal, whose worker is at work on a batch of `gate` until this is left."""
    begun, go_on = threading.Event(), threading.Event()

    def work(_one: FrameBatch) -> None:
        begun.set()
        wait(go_on)

    journal = FileJournal(folder, ManualClock())
    stage = Stage(ThreadExecutor(1, "test"), work, journal=journal)
    with journal, stage.processor:
        stage.give(batch("gate", 0), 0)
        wait(begun)
        try:
            yield stage
        finally:
            go_on.set()


def test_a_worker_that_hangs_ends_the_process_and_its_record_is_known_at_the_next_start(tmp_path: Path) -> None:
    with at_work(tmp_path) as stage:
        turns(stage, 60)
        with pytest.raises(WorkerHungError, match="camera gate"):
            turns(stage, 1)
        with pytest.raises(WorkerHungError):
            stage.processor.revoked([(FRAMES_MASKED.name, 0)])
    with FileJournal(tmp_path, ManualClock()) as left:
        assert {(each.key, each.offset, each.ending) for each in left.deaths()} == {("gate", 0, Ending.HUNG)}


class Witness(Journal):
    """Remembers on what was worked, and with what it hung."""

    def __init__(self) -> None:
        self.worked: list[tuple[Partition, int, str]] = []
        self.hangs: list[tuple[Partition, int, str]] = []

    def deaths(self) -> tuple[Death, ...]:
        return ()

    @contextmanager
    def at_work(self, source: Partition, offset: int, key: str) -> Iterator[None]:
        self.worked.append((source, offset, key))
        yield

    def hung(self, source: Partition, offset: int, key: str) -> None:
        self.hangs.append((source, offset, key))


@pytest.mark.parametrize("slot", [0, 1], ids=["idle", "moved to another slot"])
def test_a_stream_that_hangs_or_crashes_while_it_rests_blames_the_last_batch_that_it_was_given(slot: int) -> None:
    resting, go_on, journal = threading.Event(), threading.Event(), Witness()
    stage = Stage(ThreadExecutor(1, "test"), journal=journal)

    def rest() -> list[Output]:
        resting.set()
        wait(go_on)
        return []

    with stage.processor:
        stage.give(batch("gate", 0, at_ns=stage.broker.clock.now_ns()), 7)
        until(lambda: bool(stage.processor.settled()))
        stage.streams[0].rest = rest  # type: ignore[method-assign]
        if slot == 0:
            turns(stage, int(IDLE_S))
            until(lambda: rests(stage, resting))
        else:
            stage.give(batch("gate", 1), 0, slot)
        wait(resting)
        guilty = ((FRAMES_MASKED.name, 0), 7, "gate")
        assert journal.worked == [guilty] * 2, "once for the batch, once for the rest"
        with pytest.raises(WorkerHungError, match="camera gate"):
            turns(stage, int(HANG_S) + 1)
        assert journal.hangs == [guilty]
        go_on.set()


def rests(stage: Stage, resting: threading.Event) -> bool:
    """Whether it does after one more turn: its worker may not have given it back at the first that it is due at."""
    turns(stage, 1)
    return resting.is_set()


def until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it does not come")


def test_a_process_that_stood_still_takes_no_worker_for_one_that_hangs(tmp_path: Path) -> None:
    with at_work(tmp_path) as stage:
        turns(stage, 20)
        assert isinstance(stage.broker.clock, ManualClock)
        stage.broker.clock.advance(10 * HANG_S)
        turns(stage, 10)
    with FileJournal(tmp_path, ManualClock()) as left:
        assert left.deaths() == ()


@pytest.mark.parametrize("slot", [0, 1], ids=["idle", "moved to another slot"])
def test_what_a_stream_refuses_without_a_record_is_a_bug_and_refuses_no_record(slot: int) -> None:
    steps = Stepped()
    stage = Stage(steps)
    stage.give(batch("gate", 0, at_ns=stage.broker.clock.now_ns()), 0)
    steps.work()
    stage.streams[0].rest = _refuse  # type: ignore[method-assign]
    if slot == 0:
        turns(stage, int(IDLE_S) + 1)
    else:
        stage.give(batch("gate", 1), 0, slot)
    steps.work()
    with pytest.raises(NoRecordToRefuseError, match="camera gate"):
        stage.give(batch("innocent", 0), 1)
    assert [each.refusal for each in stage.processor.settled()] == [None]


def _refuse() -> list[Output]:
    raise InvalidRecord("what is held back")


def test_workers_sleep_once_the_process_is_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Stepped()
    stage = Stage(steps, lambda _one: _fail())
    for slot, camera in enumerate(("left", "right")):
        stage.give(batch(camera, 0), 0, slot)
    steps.work()
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
            stage.run(beat=beat)
        ended.set()

    ended = threading.Event()
    threading.Thread(target=live, daemon=True).start()
    try:
        wait(ended)
    finally:
        go_on.set()
