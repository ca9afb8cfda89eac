"""A dead letter that the broker refuses concerns its own record: nobody ends for it, and it is not forgotten."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

import pytest
from prometheus_client import REGISTRY
from tests.refusing import RefusingProducer

from beffroi_common.bus import InvalidRecord, LoopOptions, Partition, Processor, Record, RetryLater, run
from beffroi_common.bus.dead_letters import MAX_UNSENT, RETRY_MOST_S, Refusals
from beffroi_common.topics import VIEWERS, dead_letter_topic
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

DEAD = dead_letter_topic(VIEWERS)
DENIED = RetryLater("not authorised")
NEVER = InvalidRecord("too large for this broker")


def record(offset: int, partition: int = 0) -> Record:
    return Record(VIEWERS.name, partition, offset, "gate", b"{", 0)


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(clock=self.clock)
        self.producer = RefusingProducer(MemoryBus(self.broker).producer())
        self.refusals = Refusals(self.producer, "reader", [VIEWERS], self.clock)

    @property
    def letters(self) -> int:
        return len(self.broker.records(DEAD))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_one_that_is_never_taken_is_lost_alone_and_counted(bench: Bench) -> None:
    labels = {"camera": "", "topic": DEAD.name}
    before = REGISTRY.get_sample_value("beffroi_outputs_refused_total", labels) or 0
    bench.producer.refusals[DEAD.name] = [NEVER, None]
    bench.refusals.refuse(record(0), "unreadable")
    bench.refusals.refuse(record(1), "unreadable")
    bench.refusals.turn()
    assert bench.letters == 1
    assert not bench.refusals.needed()
    assert REGISTRY.get_sample_value("beffroi_outputs_refused_total", labels) == before + 1


def test_one_that_is_not_taken_now_holds_its_record_and_is_sent_again(bench: Bench) -> None:
    bench.producer.refusals[DEAD.name] = [DENIED]
    bench.refusals.refuse(record(3), "unreadable")
    bench.refusals.refuse(record(5), "unreadable")
    assert bench.refusals.is_pending(record(3))
    bench.refusals.turn()
    assert bench.refusals.needed() == {(VIEWERS.name, 0): 3}
    bench.clock.advance(RETRY_MOST_S)
    bench.refusals.turn()
    assert bench.refusals.needed() == {(VIEWERS.name, 0): 3}
    bench.producer.refusals.clear()
    bench.refusals.turn()
    assert bench.letters == 0, "it is too early"
    bench.clock.advance(RETRY_MOST_S)
    bench.refusals.turn()
    assert bench.letters == 2
    assert bench.refusals.needed() == {(VIEWERS.name, 0): 3}, "they are on their way"
    assert bench.refusals.is_pending(record(3))
    bench.clock.advance(RETRY_MOST_S)
    bench.refusals.turn()
    assert bench.letters == 2, "once is enough"
    assert not bench.refusals.needed()
    assert not bench.refusals.is_pending(record(3))


def test_one_that_meets_a_full_queue_when_it_is_sent_again_still_holds_its_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise RetryLater("the queue is full")

    bench.producer.refusals[DEAD.name] = [DENIED, None]
    bench.refusals.refuse(record(3), "unreadable")
    bench.refusals.turn()
    with monkeypatch.context() as patch:
        patch.setattr(bench.producer, "send", full)
        bench.clock.advance(RETRY_MOST_S)
        bench.refusals.turn()
    assert bench.refusals.needed() == {(VIEWERS.name, 0): 3}
    bench.clock.advance(RETRY_MOST_S)
    bench.refusals.turn()
    assert bench.letters == 1


def test_what_waits_is_bounded_and_a_partition_that_left_waits_for_nothing(bench: Bench) -> None:
    bench.producer.refusals[DEAD.name] = [DENIED]
    for offset in range(MAX_UNSENT):
        bench.refusals.refuse(record(offset), "unreadable")
    bench.refusals.turn()
    for _ in range(2):
        with pytest.raises(RetryLater, match="no dead letters"):
            bench.refusals.refuse(record(MAX_UNSENT), "unreadable")
        bench.clock.advance(RETRY_MOST_S)
        bench.refusals.turn()  # those on their way again have not left
    bench.refusals.drop([(VIEWERS.name, 0)])
    assert not bench.refusals.needed()
    bench.refusals.refuse(record(0, partition=1), "unreadable")


class Picky(Processor):
    """Handles what can be read."""

    def __init__(self) -> None:
        self.handled: list[int] = []

    def handle(self, record: Record) -> None:
        if record.value == b"{":
            raise InvalidRecord("unreadable")
        self.handled.append(record.offset)

    def tick(self) -> None:
        """Nothing is due."""

    def needed(self) -> Mapping[Partition, int]:
        return {}

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Nothing to prepare."""

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Nothing to drop."""


def test_a_loop_that_may_not_write_dead_letters_goes_on_and_commits_nothing_beyond(bench: Bench) -> None:
    for value in (b"ok", b"{", b"ok", b"ok"):
        bench.broker.append(VIEWERS.name, "gate", value, 0, {})
    bench.producer.refusals[DEAD.name] = [DENIED]
    turns: list[int] = []

    def beat() -> None:
        turns.append(1)
        bench.clock.advance(1.0)
        if len(turns) == 20:
            assert bench.broker.committed("reader", (VIEWERS.name, 0)) == 1
            bench.producer.refusals.clear()
        if len(turns) == 80:
            stop.set()

    stop, processor = threading.Event(), Picky()
    run(
        MemoryBus(bench.broker),
        processor,
        service="reader",
        topics=[VIEWERS],
        producer=bench.producer,
        stop=stop,
        clock=bench.clock,
        beat=beat,
        options=LoopOptions(poll_timeout_s=0.0),
    )
    assert processor.handled == [0, 2, 3]
    assert bench.letters == 1
    assert bench.broker.committed("reader", (VIEWERS.name, 0)) == 4
