"""The loop commits what nobody needs any more, waits on "retry later" and buries what can never be read."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from beffroi_common.bus import (
    Backlog,
    Consumer,
    Deferred,
    Fatal,
    InvalidRecord,
    LoopOptions,
    Partition,
    Processor,
    Record,
    RetryLater,
    Settled,
    run,
)
from beffroi_common.bus.crashes import MAX_IN_A_ROW, TRIES, RecordCrashError
from beffroi_common.bus.dead_letters import DeadLetterLimit, TooManyDeadLettersError
from beffroi_common.bus.interfaces import Refusal
from beffroi_common.bus.journal import Death, Ending, Journal, NoJournal
from beffroi_common.contracts import DeadLetter, InvalidMessageError, Viewers
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.topics import FRAMES_RAW, VIEWERS, Topic
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

GROUP = "test"
FAST = LoopOptions(
    poll_timeout_s=0.01, commit_interval_s=0.0, retry_first_s=0.001, dead_letters=DeadLetterLimit(in_a_row=3)
)


class Scripted(Processor):
    """Answers each record as told, and ends the loop after `last` answers."""

    def __init__(self, answer: Callable[[Record, int], None], last: int) -> None:
        self.stop = threading.Event()
        self.seen: list[int] = []
        self.keep: dict[Partition, int] = {}
        self._answer = answer
        self._last = last

    def handle(self, record: Record) -> None:
        self.seen.append(record.offset)
        if len(self.seen) >= self._last:
            self.stop.set()
        self._answer(record, len(self.seen))

    def tick(self) -> None: ...

    def needed(self) -> Mapping[Partition, int]:
        return self.keep

    def assigned(self, partitions: Collection[Partition]) -> None: ...

    def revoked(self, partitions: Collection[Partition]) -> None: ...


class Deferring(Scripted):
    """Takes each record, and says what became of it when it is asked: refused, where its offset is told."""

    def __init__(self, refused: Collection[int], last: int) -> None:
        super().__init__(accept, last)
        self._refused = refused
        self._done: list[Settled] = []

    def handle(self, record: Record) -> Deferred:  # type: ignore[override]
        super().handle(record)
        refusal = Refusal(record, "no") if record.offset in self._refused else None
        self._done.append(Settled(record.source, record.offset, refusal))
        return Deferred.SETTLED_LATER

    def settled(self) -> Sequence[Settled]:
        done, self._done = self._done, []
        return done


def accept(_record: Record, _time: int) -> None: ...


def refuse(_record: Record, _time: int) -> None:
    raise InvalidRecord("no")


def fill(
    broker: MemoryBroker, topic: Topic, count: int, value: bytes | None = None, keys: Sequence[str] = ("a",)
) -> None:
    payload = value or Viewers(camera="a", annotated_until=datetime(2026, 1, 1, tzinfo=UTC)).encode()
    for number in range(count):
        broker.append(topic.name, keys[number % len(keys)], payload, 0, {})


def drive(
    broker: MemoryBroker,
    processor: Scripted,
    topic: Topic = VIEWERS,
    options: LoopOptions = FAST,
    journal: Journal | None = None,
    backlog: Backlog | None = None,
) -> None:
    bus = MemoryBus(broker)
    run(
        bus, processor, group=GROUP, service="test", topics=[topic], producer=bus.producer(), stop=processor.stop,
        clock=SystemClock(), options=options, journal=journal, backlog=backlog,
    )  # fmt: skip


def test_everything_handled_is_committed() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 3)
    drive(broker, Scripted(accept, last=3))
    assert broker.committed(GROUP, (VIEWERS.name, 0)) == 3


def test_nothing_beyond_the_lowest_offset_still_needed_is_committed() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 3)
    processor = Scripted(accept, last=3)
    processor.keep = {(VIEWERS.name, 0): 1}
    drive(broker, processor)
    assert broker.committed(GROUP, (VIEWERS.name, 0)) == 1


def test_retry_later_hands_the_same_record_again_and_commits_nothing_beyond() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 2)

    def busy_three_times(_record: Record, time: int) -> None:
        if time <= 3:
            assert broker.committed(GROUP, (VIEWERS.name, 0)) == 0
            raise RetryLater("wait")

    processor = Scripted(busy_three_times, last=5)
    drive(broker, processor)
    assert processor.seen == [0, 0, 0, 0, 1]
    assert broker.committed(GROUP, (VIEWERS.name, 0)) == 2


@pytest.mark.parametrize("refusal", [InvalidRecord("no such thing"), InvalidMessageError("no such thing")])
def test_never_goes_to_the_dead_letters_with_its_reason_and_on(refusal: Exception) -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 2)

    def refuse_first(record: Record, _time: int) -> None:
        if record.offset == 0:
            raise refusal

    drive(broker, Scripted(refuse_first, last=2))
    (buried,) = broker.records(VIEWERS.dead_letters)
    letter = DeadLetter.decode(buried.value or b"")
    assert (letter.reason, letter.offset, letter.topic) == ("no such thing", 0, VIEWERS.name)
    assert letter.payload is not None
    assert broker.committed(GROUP, (VIEWERS.name, 0)) == 2


def test_a_dead_letter_of_frames_holds_no_pixels() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, FRAMES_RAW, 1, value=b"pixels of a window")

    def cut_short(_record: Record, _time: int) -> None:
        raise InvalidRecord("cut short")

    drive(broker, Scripted(cut_short, last=1), FRAMES_RAW)
    (buried,) = broker.records(FRAMES_RAW.dead_letters)
    letter = DeadLetter.decode(buried.value or b"")
    assert letter.payload is None
    assert letter.size_bytes == len(b"pixels of a window")
    assert b"pixels" not in (buried.value or b"")


@pytest.mark.parametrize(
    "new_processor",
    [lambda: Scripted(refuse, last=10), lambda: Deferring(range(10), last=10)],
    ids=["at once", "settled later"],
)
def test_a_release_that_refuses_everything_ends_and_says_so(new_processor: Callable[[], Scripted]) -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 10)
    with pytest.raises(TooManyDeadLettersError, match="go back to the release before"):
        drive(broker, new_processor())
    assert len(broker.records(VIEWERS.dead_letters)) == FAST.dead_letters.in_a_row + 1


def test_what_was_settled_well_ends_a_row_of_refusals() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 12)
    refused = [offset for offset in range(12) if offset % 4]  # three in a row, and never more
    drive(broker, Deferring(refused, last=12))
    assert len(broker.records(VIEWERS.dead_letters)) == len(refused)
    assert broker.committed(GROUP, (VIEWERS.name, 0)) == 12


def test_what_was_refused_before_a_partition_left_is_not_counted_when_it_comes_back() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 6)
    processor = Scripted(refuse, last=6)

    class Rebalanced(MemoryBus):
        """Takes its partition away after three records, and gives it back."""

        def consumer(self, *arguments: Any, **named: Any) -> Consumer:
            made: Any = super().consumer(*arguments, **named)
            taken = made.poll
            left: list[Partition] = []

            def poll(timeout_s: float) -> Record | None:
                if len(processor.seen) == 3 and not left:
                    left.extend(made.assignment())
                    made._listener.revoked(left)
                    made._listener.assigned(left)
                record: Record | None = taken(timeout_s)
                return record

            made.poll = poll
            return made  # type: ignore[no-any-return]

    bus = Rebalanced(broker)
    run(
        bus, processor, group=GROUP, service="test", topics=[VIEWERS], producer=bus.producer(), stop=processor.stop,
        clock=SystemClock(), options=FAST,
    )  # fmt: skip
    assert len(broker.records(VIEWERS.dead_letters)) == 6


def test_a_record_that_ends_the_work_twice_is_a_dead_letter_and_the_rest_goes_on() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 4)

    def fail_at_two(record: Record, _time: int) -> None:
        if record.offset == 2:
            raise ZeroDivisionError

    processor = Scripted(fail_at_two, last=5)
    drive(broker, processor)
    assert processor.seen == [0, 1, 2, 2, 3], "from what is committed, and refused before it is handed over again"
    (letter,) = (DeadLetter.decode(each.value or b"") for each in broker.records(VIEWERS.dead_letters))
    assert letter.offset == 2
    assert "2 times in an unexpected error (ZeroDivisionError)" in letter.reason
    assert broker.committed(GROUP, (VIEWERS.name, 0)) == 4


def test_an_error_that_does_not_come_again_costs_no_record() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 2)

    def fail_once(_record: Record, time: int) -> None:
        if time == 1:
            raise ZeroDivisionError

    drive(broker, Scripted(fail_once, last=3))
    assert broker.records(VIEWERS.dead_letters) == []
    assert broker.committed(GROUP, (VIEWERS.name, 0)) == 2


def test_a_camera_whose_every_record_ends_in_an_error_is_left_out_and_the_others_go_on() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 60, keys=("bad", "good"))
    handled: list[str] = []

    def fail(record: Record, _time: int) -> None:
        handled.append(record.key)
        if record.key == "bad":
            raise ZeroDivisionError

    drive(broker, Scripted(fail, last=30 + 2 * TRIES))
    assert handled.count("good") == 30
    assert handled.count("bad") == 2 * TRIES, "two records had their tries, then none was handed over any more"
    letters = [DeadLetter.decode(each.value or b"") for each in broker.records(VIEWERS.dead_letters)]
    assert [letter.offset for letter in letters] == list(range(0, 60, 2))
    assert "bad is left out for 10 s" in letters[-1].reason


def test_what_was_held_is_dropped_before_a_record_is_tried_again() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 1)
    dropped: list[int] = []

    def fail_once(_record: Record, time: int) -> None:
        if time == 1:
            raise ZeroDivisionError
        assert dropped == [1]

    processor = Scripted(fail_once, last=2)
    processor.revoked = lambda _partitions: dropped.append(len(processor.seen))  # type: ignore[method-assign,assignment]
    drive(broker, processor)
    assert broker.records(VIEWERS.dead_letters) == []


def test_a_row_of_records_of_which_none_can_be_handled_ends_the_loop() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 20, keys=[f"camera-{number}" for number in range(20)])

    def fail(_record: Record, _time: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(RecordCrashError) as ended:
        drive(broker, Scripted(fail, last=99))
    assert isinstance(ended.value.__cause__, ZeroDivisionError)
    assert len(broker.records(VIEWERS.dead_letters)) == MAX_IN_A_ROW // TRIES <= FAST.dead_letters.in_a_row + 2


def test_what_is_read_again_on_the_way_does_not_excuse_a_row_of_errors() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 20, keys=[f"camera-{number}" for number in range(20)])

    def fail_from_two_on(record: Record, _time: int) -> None:
        if record.offset >= 2:
            raise ZeroDivisionError

    processor = Scripted(fail_from_two_on, last=999)
    processor.keep = {(VIEWERS.name, 0): 0}  # so that the two that are well are read again each time
    with pytest.raises(RecordCrashError):
        drive(broker, processor, options=replace(FAST, dead_letters=DeadLetterLimit()))
    assert processor.seen.count(1) == MAX_IN_A_ROW + 1


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError(), Fatal("no")])
def test_an_error_of_the_machine_ends_the_loop_and_no_record_is_to_blame(error: Exception) -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 1)

    def fail(_record: Record, _time: int) -> None:
        raise error

    with pytest.raises(type(error)):
        drive(broker, Scripted(fail, last=9))
    assert broker.committed(GROUP, (VIEWERS.name, 0)) == 0
    assert broker.records(VIEWERS.dead_letters) == []


def test_what_was_sent_while_the_broker_is_away_waits() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 1)
    bus = MemoryBus(broker)
    producer = bus.producer()

    def forward(_record: Record, time: int) -> None:
        broker.away = time < 3
        producer.send(VIEWERS, "b", None, partition=0)
        broker.away = False

    processor = Scripted(forward, last=4)
    drive(broker, processor)
    assert processor.seen[:3] == [0, 0, 0]


def test_a_partition_that_comes_while_another_waits_loses_nothing() -> None:
    broker = MemoryBroker(slots=2)
    payload = Viewers(camera="a", annotated_until=datetime(2026, 1, 1, tzinfo=UTC)).encode()
    for slot in (0, 0, 1, 1):
        broker.append(VIEWERS.name, "a", payload, slot, {})
    handled: list[tuple[int, int]] = []

    class HandedOver(MemoryBus):
        """Delivers one record of the second partition although reading is paused, as Kafka does after a hand-over."""

        def consumer(self, *arguments: Any, **named: Any) -> Consumer:
            made = super().consumer(*arguments, **named)
            taken = made.poll

            def poll(timeout_s: float) -> Record | None:
                if made._paused and made._next[VIEWERS.name, 1] == 0:  # type: ignore[attr-defined]
                    made._next[VIEWERS.name, 1] = 1  # type: ignore[attr-defined]
                    return broker.log((VIEWERS.name, 1))[0]
                return taken(timeout_s)

            made.poll = poll  # type: ignore[method-assign]
            return made

    def busy_at_first(record: Record, time: int) -> None:
        if time <= 3:
            raise RetryLater("wait")
        handled.append((record.partition, record.offset))
        if len(handled) == 4:
            processor.stop.set()

    turns = itertools.count()

    def beat() -> None:
        if next(turns) == 1000:
            processor.stop.set()

    processor = Scripted(busy_at_first, last=100)
    bus = HandedOver(broker)
    run(
        bus, processor, group=GROUP, service="test", topics=[VIEWERS], producer=bus.producer(), stop=processor.stop,
        clock=SystemClock(), options=FAST, beat=beat,
    )  # fmt: skip
    assert sorted(handled) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_what_came_of_a_partition_while_another_waits_leaves_with_it() -> None:
    broker = MemoryBroker(slots=2)
    payload = Viewers(camera="a", annotated_until=datetime(2026, 1, 1, tzinfo=UTC)).encode()
    for slot in (0, 0, 1):
        broker.append(VIEWERS.name, "a", payload, slot, {})
    staying, leaving = (VIEWERS.name, 0), (VIEWERS.name, 1)
    handled: list[Partition] = []

    class ShortLived(MemoryBus):
        """Delivers the second partition's record although reading is paused, and then takes that partition away."""

        def consumer(self, *arguments: Any, **named: Any) -> Consumer:
            made: Any = super().consumer(*arguments, **named)
            taken, coming = made.poll, broker.log(leaving)[:]

            def poll(timeout_s: float) -> Record | None:
                if not made._paused or leaving not in made._next:
                    return taken(timeout_s)  # type: ignore[no-any-return]
                if coming:
                    return coming.pop()
                del made._next[leaving]
                made._listener.revoked([leaving])
                return None

            made.poll = poll
            return made  # type: ignore[no-any-return]

    def busy_at_first(record: Record, time: int) -> None:
        if time == 1:
            raise RetryLater("wait")
        handled.append(record.source)
        if record.source == staying and record.offset == 1:
            processor.stop.set()

    processor = Scripted(busy_at_first, last=100)
    bus = ShortLived(broker)
    run(
        bus, processor, group=GROUP, service="test", topics=[VIEWERS], producer=bus.producer(), stop=processor.stop,
        clock=SystemClock(), options=FAST,
    )  # fmt: skip
    assert handled == [staying, staying]


@pytest.mark.parametrize("waiting", [False, True], ids=["after a record", "while a record waits"])
def test_a_loss_commits_nothing_and_what_was_not_committed_is_handled_again(
    waiting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    broker = MemoryBroker(slots=1, clock=clock, session_timeout_s=10)
    fill(broker, VIEWERS, 1)
    done: list[str] = []
    commit = broker.commit

    def commit_and_note(group: str, offsets: Mapping[Partition, int]) -> None:
        done.append("commit")
        commit(group, offsets)

    monkeypatch.setattr(broker, "commit", commit_and_note)

    def go_away_first(_record: Record, time: int) -> None:
        if time == 1:
            broker.away = True
            clock.advance(11)
        if time == 1 and waiting:
            raise RetryLater("wait")

    def drop(partitions: Collection[Partition]) -> None:
        assert set(partitions) == {(VIEWERS.name, 0)}
        done.append("drop")
        broker.away = False

    processor = Scripted(go_away_first, last=2)
    processor.revoked = drop  # type: ignore[method-assign]
    bus = MemoryBus(broker)
    run(
        bus, processor, group=GROUP, service="test", topics=[VIEWERS], producer=bus.producer(), stop=processor.stop,
        clock=SystemClock(), options=LoopOptions(poll_timeout_s=0.01, commit_interval_s=60, retry_first_s=60),
    )  # fmt: skip
    assert processor.seen == [0, 0]
    assert done == ["drop", "commit", "drop"], "at the loss; at the end; at the leaving"
    assert broker.committed(GROUP, (VIEWERS.name, 0)) == 1


def test_a_processor_is_told_of_which_partitions_there_is_more_to_read() -> None:
    """It may be full of one: then nobody hears what else that one has, and all that the other has was heard."""
    broker = MemoryBroker(slots=2)
    for number in range(2):
        broker.append(VIEWERS.name, "gate", b"{}", number, {})
    told: list[list[int]] = []

    class Told(Scripted):
        def unread(self, partitions: Collection[Partition]) -> None:
            told.append(sorted(number for _, number in partitions))
            if len(told) == 6:
                self.stop.set()

        def full_partitions(self) -> Collection[Partition]:
            return [(VIEWERS.name, 1)] if len(told) < 4 else []

    processor = Told(lambda _record, _count: None, last=10)
    drive(broker, processor)
    assert told[2] == [1]
    assert told[-1] == []


@pytest.mark.parametrize("read_before", [True, False])
def test_of_a_partition_whose_rest_was_deleted_there_is_no_more_to_read(*, read_before: bool) -> None:
    """Else it would count as a backlog for ever, and its cameras never as idle."""
    broker, source = MemoryBroker(slots=1), (VIEWERS.name, 0)
    broker.append(VIEWERS.name, "gate", b"{}", 0, {})
    told: list[Collection[Partition]] = []

    class Told(Scripted):
        def unread(self, partitions: Collection[Partition]) -> None:
            told.append(partitions)
            if len(told) == 3:
                for _ in range(2):
                    broker.append(VIEWERS.name, "gate", b"{}", 0, {})
                broker.delete_before(source, 3)
            if len(told) == 6:
                self.stop.set()

    if not read_before:
        broker.delete_before(source, 1)
    processor, backlog = Told(lambda _record, _count: None, last=10), Backlog(SystemClock())
    drive(broker, processor, backlog=backlog)
    assert processor.seen == ([0] if read_before else [])
    assert told[-1] == []
    assert backlog.worst is not None
    assert backlog.worst[1].behind_s == 0.0


class Remembered(NoJournal):
    """Says that the process before hung with the record at offset 0 of a camera."""

    def deaths(self) -> tuple[Death, ...]:
        return (Death(VIEWERS.name, 0, 0, "bad", Ending.HUNG, SystemClock().now_ns() // 1_000_000),)


def test_a_camera_that_ended_the_process_before_is_left_out_however_many_its_records_are() -> None:
    broker = MemoryBroker(slots=1)
    fill(broker, VIEWERS, 12, keys=("bad",) * 5 + ("good",))
    processor = Scripted(accept, last=2)
    drive(broker, processor, journal=Remembered())  # more in a row than a release may refuse
    assert processor.seen == [5, 11]
    assert len(broker.records(VIEWERS.dead_letters)) == 10
    assert broker.committed(GROUP, (VIEWERS.name, 0)) == 12
