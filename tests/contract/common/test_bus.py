"""What any bus must do: the same tests for Kafka and for the double in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from beffroi_common.bus import (
    Bus,
    Consumer,
    Partition,
    PartitionReader,
    Position,
    Record,
    RetryLater,
    Start,
    TooLarge,
    from_the_beginning,
)
from beffroi_common.bus.admin import create_topics
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.contracts import DeadLetter, Viewers
from beffroi_common.contracts.dead_letter import MAX_PAYLOAD_BYTES
from beffroi_common.contracts.frames import AccessUnit, Codec, FrameBatch, Stream
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import FRAMES_MASKED, MAX_FRAME_RECORD_BYTES, VIEWERS, dead_letter_topic
from beffroi_local.kafka import READY_TIMEOUT_S, Broker
from beffroi_local.ports import free_port, is_open
from beffroi_local.process import Command, start_ready, stop
from beffroi_testing import MemoryBroker, MemoryBus

TIMEOUT_S = 20.0
SLOTS = 2


@pytest.fixture(params=["memory", "kafka"])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    if request.param == "memory":
        yield MemoryBus(MemoryBroker(slots=SLOTS))
        return
    settings = KafkaSettings(bootstrap_servers=request.getfixturevalue("kafka"))
    create_topics(settings, slots=SLOTS)
    yield KafkaBus(settings, "test", uuid4().hex)


@dataclass
class Outage:
    """A bus whose broker can be taken away and given back. Its sessions are as short as may be."""

    bus: Bus
    begin: Callable[[], None]
    end: Callable[[], None]


@pytest.fixture(params=["memory", "kafka"])
def outage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outage]:
    if request.param == "memory":
        memory = MemoryBroker(slots=SLOTS, clock=SystemClock(), session_timeout_s=0.2)
        yield Outage(MemoryBus(memory), partial(setattr, memory, "away", True), partial(setattr, memory, "away", False))
        return
    broker = Broker(folder=tmp_path / "kafka", port=free_port(), controller_port=free_port())
    broker.prepare()
    command = Command("kafka", broker.argv(), broker.folder)
    processes = [start_ready(command, lambda: is_open(broker.port), READY_TIMEOUT_S)]
    try:
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, session_timeout_s=6, request_timeout_s=2)
        create_topics(settings, slots=SLOTS)
        yield Outage(
            KafkaBus(settings, "test", uuid4().hex),
            lambda: stop(processes.pop()),
            lambda: processes.append(start_ready(command, lambda: is_open(broker.port), READY_TIMEOUT_S)),
        )
    finally:
        for process in processes:
            stop(process, timeout_s=0)


@pytest.fixture
def group() -> str:
    return f"group-{uuid4().hex}"


class Heard:
    def __init__(self) -> None:
        self.partitions: set[Partition] = set()
        self.told: list[str] = []

    def assigned(self, partitions: Collection[Partition]) -> None:
        self.partitions |= set(partitions)
        self.told.append("assigned")

    def revoked(self, partitions: Collection[Partition]) -> None:
        self.partitions -= set(partitions)
        self.told.append("revoked")

    def lost(self, partitions: Collection[Partition]) -> None:
        self.partitions -= set(partitions)
        self.told.append("lost")


def viewers(camera: str) -> Viewers:
    return Viewers(camera=camera, annotated_until=datetime(2026, 1, 1, tzinfo=UTC))


def frames(size_bytes: int) -> FrameBatch:
    unit = AccessUnit(0, 0, 1, True, bytes(size_bytes))
    return FrameBatch("big", Stream.MAIN, 1, 0, Fraction(1, 90000), Codec.H264, 640, 360, 1, (unit,))


def read_until(consumer: Consumer, done: Callable[[list[Record]], bool]) -> list[Record]:
    records: list[Record] = []
    deadline_s = time.monotonic() + TIMEOUT_S
    while not done(records):
        assert time.monotonic() < deadline_s, f"only {records} came"
        record = consumer.poll(0.1)
        if record is not None:
            records.append(record)
    return records


def mine(records: list[Record], name: str) -> list[Record]:
    return [record for record in records if record.key == name]


def test_a_producer_learns_how_far_the_broker_s_clock_is_from_ours(bus: Bus) -> None:
    producer = bus.producer()
    assert producer.broker_clock.ahead is None
    producer.send(VIEWERS, "clock", viewers("clock"), partition=0)
    assert producer.flush(TIMEOUT_S) == 0
    assert producer.broker_clock.ahead == timedelta(), "both are of this machine"


def test_order_holds_within_a_partition_and_the_slot_is_the_partition(bus: Bus, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    for _ in range(3):
        producer.send(VIEWERS, camera, viewers(camera), partition=1)
    assert producer.flush(TIMEOUT_S) == 0
    consumer = bus.consumer(group, [VIEWERS])
    records = mine(read_until(consumer, lambda seen: len(mine(seen, camera)) == 3), camera)
    assert {record.partition for record in records} == {1}
    assert [record.offset for record in records] == sorted(record.offset for record in records)
    assert Viewers.decode(records[0].value or b"") == viewers(camera)
    consumer.close()


def first_of_two_committed(bus: Bus, group: str, camera: str) -> Record:
    """Send two messages of a camera, and have a member that leaves commit the first."""
    producer = bus.producer()
    for _ in range(2):
        producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(TIMEOUT_S)
    first = bus.consumer(group, [VIEWERS])
    record = mine(read_until(first, lambda seen: len(mine(seen, camera)) == 1), camera)[0]
    first.commit({record.source: record.offset + 1})
    first.close()
    return record


def test_a_member_goes_on_where_the_group_committed(bus: Bus, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    record = first_of_two_committed(bus, group, camera)
    second = bus.consumer(group, [VIEWERS])
    again = mine(read_until(second, lambda seen: len(mine(seen, camera)) == 1), camera)[0]
    assert again.offset == record.offset + 1
    second.close()


def test_a_member_knows_where_it_began_and_where_the_end_is(bus: Bus, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    record = first_of_two_committed(bus, group, camera)
    second = bus.consumer(group, [VIEWERS])
    read_until(second, lambda seen: len(mine(seen, camera)) == 1)
    assert second.begun_at(record.source) == record.offset + 1
    assert second.ends()[record.source].end >= record.offset + 2
    read_until(second, lambda _: second.caught_up() and second.reached() == second.ask_ends())
    assert second.reached()[record.source] >= record.offset + 2
    second.close()
    assert not second.assignment()


def test_without_a_commit_everything_is_read_again(bus: Bus, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(TIMEOUT_S)
    for _ in range(2):
        consumer = bus.consumer(group, [VIEWERS])
        read_until(consumer, lambda seen: len(mine(seen, camera)) == 1)
        consumer.close()


def test_a_member_that_rereads_starts_at_the_beginning_each_time(bus: Bus, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(TIMEOUT_S)
    for _ in range(2):
        consumer = bus.consumer(group, [VIEWERS], begin_at=from_the_beginning)
        record = mine(read_until(consumer, lambda seen: len(mine(seen, camera)) == 1), camera)[0]
        consumer.commit({record.source: record.offset + 1})
        consumer.close()


def sent(bus: Bus, count: int) -> list[Record]:
    """Messages of a camera of their own, as they lie on the topic."""
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    for _ in range(count):
        producer.send(VIEWERS, camera, viewers(camera), partition=0)
        producer.flush(TIMEOUT_S)
    follower = bus.follower([VIEWERS], Start.BEGINNING)
    found = mine(read_until(follower, lambda seen: len(mine(seen, camera)) == count), camera)
    follower.close()
    return found


def read_from(bus: Bus, group: str, position: Position, last: Record) -> list[Record]:
    """What a member reads of partition 0 that begins at a position, until a record comes."""
    consumer = bus.consumer(group, [VIEWERS], begin_at=lambda _: {last.source: position})
    found = read_until(consumer, lambda seen: any(each == last for each in seen))
    consumer.close()
    return [each for each in found if each.source == last.source]


def test_a_member_reads_on_where_it_is_told_to(bus: Bus, group: str) -> None:
    first, second, third = sent(bus, 3)
    consumer = bus.consumer(group, [VIEWERS])
    read_until(consumer, lambda seen: third in seen)
    consumer.commit({third.source: third.offset + 1})
    consumer.close()
    found = read_from(bus, group, Position(first.offset + 1, first.timestamp_ms), third)
    assert [each for each in found if each.key == first.key] == [second, third]


def test_in_another_log_of_that_name_everything_that_came_since_is_read(bus: Bus, group: str) -> None:
    first, second, third = sent(bus, 3)
    another = Position(third.offset, first.timestamp_ms - 1)
    assert [each for each in read_from(bus, group, another, third) if each.key == first.key] == [first, second, third]


def test_beyond_the_end_of_a_log_all_of_it_is_read(bus: Bus, group: str) -> None:
    (only,) = sent(bus, 1)
    assert only in read_from(bus, group, Position(only.offset + 1000, only.timestamp_ms + 60_000), only)


def test_whoever_cannot_say_where_to_begin_is_asked_again(bus: Bus, group: str) -> None:
    (only,) = sent(bus, 1)

    def fail(_partitions: Collection[Partition]) -> dict[Partition, Position]:
        raise RetryLater("the database does not answer")

    consumer = bus.consumer(group, [VIEWERS], begin_at=fail)
    with pytest.raises(RetryLater, match="the database"):
        read_until(consumer, lambda _: False)
    consumer.close()
    assert only in read_from(bus, group, Position(only.offset, only.timestamp_ms - 1), only)


def test_a_listener_hears_what_it_owns(bus: Bus, group: str) -> None:
    heard = Heard()
    consumer = bus.consumer(group, [VIEWERS], heard)
    deadline_s = time.monotonic() + TIMEOUT_S
    while len(heard.partitions) < SLOTS and time.monotonic() < deadline_s:
        consumer.poll(0.1)
    assert heard.partitions == {(VIEWERS.name, number) for number in range(SLOTS)} == set(consumer.assignment())
    consumer.close()


def test_a_follower_from_the_beginning_sees_all_and_knows_when_it_has(bus: Bus) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.send(VIEWERS, camera, None, partition=0)
    producer.flush(TIMEOUT_S)
    follower = bus.follower([VIEWERS], Start.BEGINNING)
    records = read_until(follower, lambda _: follower.caught_up())
    assert [record.value is None for record in mine(records, camera)] == [False, True]
    follower.close()


def test_a_follower_from_the_end_sees_only_what_is_new(bus: Bus) -> None:
    old, new = (f"camera-{uuid4().hex[:8]}" for _ in range(2))
    producer = bus.producer()
    producer.send(VIEWERS, old, viewers(old), partition=0)
    producer.flush(TIMEOUT_S)
    follower = bus.follower([VIEWERS], Start.END)
    assert not read_until(follower, lambda _: follower.caught_up())
    producer.send(VIEWERS, new, viewers(new), partition=0)
    producer.flush(TIMEOUT_S)
    records = read_until(follower, bool)
    assert [record.key for record in records] == [new]
    follower.close()


def test_a_paused_consumer_reads_nothing_until_it_goes_on(bus: Bus, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(TIMEOUT_S)
    consumer = bus.consumer(group, [VIEWERS])
    read_until(consumer, lambda seen: len(mine(seen, camera)) == 1)
    consumer.pause(consumer.assignment())
    producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(TIMEOUT_S)
    assert all(consumer.poll(0.05) is None for _ in range(5))
    consumer.resume(consumer.assignment())
    read_until(consumer, lambda seen: len(mine(seen, camera)) == 1)
    consumer.close()


def test_a_sender_is_told_of_its_own_message(bus: Bus) -> None:
    told: dict[str, object] = {}
    producer = bus.producer()
    for camera in ("gate", "park"):
        producer.send(VIEWERS, camera, viewers(camera), partition=0, on_delivery=partial(told.__setitem__, camera))
    assert producer.flush(TIMEOUT_S) == 0
    assert told == {"gate": None, "park": None}
    with pytest.raises(RetryLater):
        producer.send(VIEWERS, "far", viewers("far"), partition=SLOTS, on_delivery=partial(told.__setitem__, "far"))
    producer.send(VIEWERS, "gate", viewers("gate"), partition=0, on_delivery=partial(told.__setitem__, "again"))
    assert producer.flush(TIMEOUT_S) == 0
    assert told == {"gate": None, "park": None, "again": None}
    producer.close()


def test_a_batch_of_50_mb_is_refused_before_it_is_sent(bus: Bus) -> None:
    with pytest.raises(TooLarge, match=r"frames\.masked\.v1: 52428\d+ bytes, more than the 16777216 allowed"):
        bus.producer().send(FRAMES_MASKED, "big", frames(50 * 1024 * 1024), partition=0)


def test_the_largest_batch_allowed_arrives_whole(bus: Bus) -> None:
    producer = bus.producer()
    follower = bus.follower([FRAMES_MASKED], Start.END)
    read_until(follower, lambda _: follower.caught_up())
    largest = frames(MAX_FRAME_RECORD_BYTES - 1000)
    largest = frames(2 * MAX_FRAME_RECORD_BYTES - 1000 - len(largest.encode()))
    assert len(largest.encode()) == MAX_FRAME_RECORD_BYTES
    producer.send(FRAMES_MASKED, "big", largest, partition=0)
    producer.flush(TIMEOUT_S)
    record = read_until(follower, bool)[0]
    assert FrameBatch.decode(record.value or b"") == largest
    follower.close()


def test_a_broker_away_for_long_is_a_loss_and_what_was_not_committed_is_read_again(outage: Outage, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = outage.bus.producer()
    for _ in range(2):
        producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(TIMEOUT_S)
    heard = Heard()
    consumer = outage.bus.consumer(group, [VIEWERS], heard)
    first, second = read_until(consumer, lambda seen: len(seen) == 2)
    consumer.commit({first.source: first.offset + 1})
    outage.begin()
    assert not read_until(consumer, lambda _: "lost" in heard.told)
    assert (heard.partitions, set(consumer.assignment()), consumer.caught_up()) == (set(), set(), False)
    outage.end()
    (again,) = read_until(consumer, bool)
    assert again.offset == second.offset
    assert [word for word in heard.told if word != "assigned"] == ["lost"]
    assert len(heard.partitions) == SLOTS
    consumer.close()


def test_what_is_committed_while_the_broker_is_away_is_not_waited_for_and_is_asked_again(
    outage: Outage, group: str
) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = outage.bus.producer()
    producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(TIMEOUT_S)
    heard = Heard()
    consumer = outage.bus.consumer(group, [VIEWERS], heard)
    (first,) = read_until(consumer, bool)
    offsets = {first.source: first.offset + 1}
    outage.begin()

    def ask_again_and_lose(_seen: list[Record]) -> bool:
        if not consumer.committed() and consumer.assignment():
            consumer.commit(offsets)
        return "lost" in heard.told

    read_until(consumer, ask_again_and_lose)
    assert not consumer.committed()
    outage.end()
    read_until(consumer, bool)
    consumer.commit(offsets)
    assert consumer.committed() == offsets
    consumer.close()
    assert not read_caught_up_by(outage.bus.consumer(group, [VIEWERS]), camera)


def read_caught_up_by(consumer: Consumer, camera: str) -> list[Record]:
    """What is left to read of a camera."""
    found = read_until(consumer, lambda _: consumer.caught_up())
    consumer.close()
    return mine(found, camera)


def test_a_follower_knows_how_much_of_its_topics_it_has_read(outage: Outage) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer, follower = outage.bus.producer(), outage.bus.follower([VIEWERS], Start.BEGINNING)
    for _ in range(2):
        producer.send(VIEWERS, camera, None, partition=1)
        assert producer.flush(TIMEOUT_S) == 0
        ends = follower.ask_ends() if follower.assignment() else {(VIEWERS.name, 1): 1}
        assert ends is not None
        assert follower.reached() != ends
        read_until(follower, lambda _: follower.caught_up() and follower.reached() == follower.ask_ends())
    assert follower.reached() == {(VIEWERS.name, 0): 0, (VIEWERS.name, 1): 2}
    outage.begin()
    assert follower.ask_ends() is None
    outage.end()
    read_until(follower, lambda _: follower.reached() == follower.ask_ends())
    follower.close()


def letter(number: int) -> DeadLetter:
    """87 kB that do not compress."""
    return DeadLetter(
        topic=VIEWERS.name,
        partition=0,
        offset=number,
        key="crowd",
        service="test",
        reason="",
        size_bytes=0,
        sha256="0" * 64,
        payload=Random(number).randbytes(MAX_PAYLOAD_BYTES),
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_many_messages_at_once_are_not_one_batch_beyond_what_the_topic_takes(bus: Bus, group: str) -> None:
    topic = dead_letter_topic(VIEWERS)
    letters = [letter(number) for number in range(200)]
    producer = bus.producer()
    for each in letters:
        producer.send(topic, each.key, each, partition=0)
    assert producer.flush(TIMEOUT_S) == 0
    consumer = bus.consumer(group, [topic])
    records = read_until(consumer, lambda seen: len(mine(seen, "crowd")) == len(letters))
    assert [DeadLetter.decode(record.value or b"").offset for record in mine(records, "crowd")] == list(range(200))
    consumer.close()


def read_caught_up(reader: PartitionReader) -> list[Record]:
    """What comes until each partition that is followed was read to its end."""
    records: list[Record] = []
    deadline_s = time.monotonic() + TIMEOUT_S
    while set(reader.caught_up()) < set(reader.followed()):
        assert time.monotonic() < deadline_s, f"only {records} came"
        record = reader.poll(0.1)
        if record is not None:
            records.append(record)
    return records


def test_a_partition_reader_reads_what_it_is_told_to(bus: Bus) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    reader = bus.partition_reader()
    far_ms = 1 << 42

    def send() -> None:
        for partition in range(SLOTS):
            producer.send(VIEWERS, camera, viewers(camera), partition=partition)
        assert producer.flush(TIMEOUT_S) == 0

    send()
    reader.follow((VIEWERS.name, 1), far_ms)
    assert mine(read_caught_up(reader), camera) == []
    send()
    (first,) = read_records(reader, camera, 1)
    assert first.source == (VIEWERS.name, 1)
    reader.follow((VIEWERS.name, 0), far_ms)
    send()
    assert {record.partition for record in read_records(reader, camera, 2)} == {0, 1}
    reader.leave((VIEWERS.name, 1))
    assert set(reader.followed()) == {(VIEWERS.name, 0)}
    send()
    (last,) = read_records(reader, camera, 1)
    assert last.partition == 0
    reader.follow((VIEWERS.name, 1), far_ms)
    assert mine(read_caught_up(reader), camera) == []
    reader.close()


def test_a_partition_reader_begins_at_a_moment(bus: Bus) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    stamps = []
    follower = bus.follower([VIEWERS], Start.END)
    read_until(follower, lambda _: follower.caught_up())
    for _ in range(2):
        producer.send(VIEWERS, camera, viewers(camera), partition=0)
        assert producer.flush(TIMEOUT_S) == 0
        (record,) = read_until(follower, bool)
        stamps.append(record)
    follower.close()
    reader = bus.partition_reader()
    reader.follow((VIEWERS.name, 0), stamps[0].timestamp_ms)
    assert [each.offset for each in mine(read_caught_up(reader), camera)] == [each.offset for each in stamps]
    reader.close()


def test_a_partition_that_is_not_there_is_said(bus: Bus) -> None:
    reader = bus.partition_reader()
    with pytest.raises(RetryLater):
        reader.follow((VIEWERS.name, SLOTS + 100), 0)
    assert set(reader.followed()) == set()
    reader.close()


def read_records(reader: PartitionReader, camera: str, count: int) -> list[Record]:
    records: list[Record] = []
    deadline_s = time.monotonic() + TIMEOUT_S
    while len(mine(records, camera)) < count:
        assert time.monotonic() < deadline_s, f"only {records} came"
        record = reader.poll(0.1)
        if record is not None:
            records.append(record)
    return mine(records, camera)
