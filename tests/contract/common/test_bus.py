"""What any bus must do: the same tests for Kafka and for the double in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from uuid import uuid4

import pytest
from beffroi.common.bus import Bus, Consumer, Partition, Record, Start, TooLarge
from beffroi.common.bus.admin import create_topics
from beffroi.common.bus.kafka import KafkaBus
from beffroi.common.contracts import Viewers
from beffroi.common.contracts.frames import AccessUnit, Codec, FrameBatch, Stream
from beffroi.common.runtime.settings import KafkaSettings
from beffroi.common.testing import MemoryBroker, MemoryBus
from beffroi.common.topics import FRAMES_MASKED, MAX_FRAME_RECORD_BYTES, VIEWERS

PATIENCE_S = 20.0
SLOTS = 2


@pytest.fixture(params=["memory", "kafka"])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    if request.param == "memory":
        yield MemoryBus(MemoryBroker(slots=SLOTS))
        return
    settings = KafkaSettings(bootstrap_servers=request.getfixturevalue("kafka"))
    create_topics(settings, slots=SLOTS)
    yield KafkaBus(settings, "test", uuid4().hex)


@pytest.fixture
def group() -> str:
    return f"group-{uuid4().hex}"


class Heard:
    def __init__(self) -> None:
        self.partitions: set[Partition] = set()

    def assigned(self, partitions: Collection[Partition]) -> None:
        self.partitions |= set(partitions)

    def revoked(self, partitions: Collection[Partition]) -> None:
        self.partitions -= set(partitions)


def viewers(camera: str) -> Viewers:
    return Viewers(camera=camera, annotated_until=datetime(2026, 1, 1, tzinfo=UTC))


def frames(size_bytes: int) -> FrameBatch:
    unit = AccessUnit(0, 0, 1, True, bytes(size_bytes))
    return FrameBatch("big", Stream.MAIN, 1, 0, Fraction(1, 90000), Codec.H264, 640, 360, 1, (unit,))


def read_until(consumer: Consumer, done: Callable[[list[Record]], bool]) -> list[Record]:
    records: list[Record] = []
    deadline_s = time.monotonic() + PATIENCE_S
    while not done(records):
        assert time.monotonic() < deadline_s, f"only {records} came"
        record = consumer.poll(0.1)
        if record is not None:
            records.append(record)
    return records


def mine(records: list[Record], name: str) -> list[Record]:
    return [record for record in records if record.key == name]


def test_order_holds_within_a_partition_and_the_slot_is_the_partition(bus: Bus, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    for _ in range(3):
        producer.send(VIEWERS, camera, viewers(camera), partition=1)
    assert producer.flush(PATIENCE_S) == 0
    consumer = bus.consumer(group, [VIEWERS])
    records = mine(read_until(consumer, lambda seen: len(mine(seen, camera)) == 3), camera)
    assert {record.partition for record in records} == {1}
    assert [record.offset for record in records] == sorted(record.offset for record in records)
    assert Viewers.decode(records[0].value or b"") == viewers(camera)
    consumer.close()


def test_a_member_goes_on_where_the_group_committed(bus: Bus, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    for _ in range(2):
        producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(PATIENCE_S)
    first = bus.consumer(group, [VIEWERS])
    record = mine(read_until(first, lambda seen: len(mine(seen, camera)) == 1), camera)[0]
    first.commit({record.source: record.offset + 1})
    first.close()
    second = bus.consumer(group, [VIEWERS])
    again = mine(read_until(second, lambda seen: len(mine(seen, camera)) == 1), camera)[0]
    assert again.offset == record.offset + 1
    second.close()


def test_without_a_commit_everything_is_read_again(bus: Bus, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(PATIENCE_S)
    for _ in range(2):
        consumer = bus.consumer(group, [VIEWERS])
        read_until(consumer, lambda seen: len(mine(seen, camera)) == 1)
        consumer.close()


def test_a_rereading_member_starts_at_the_beginning_each_time(bus: Bus, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(PATIENCE_S)
    for _ in range(2):
        consumer = bus.consumer(group, [VIEWERS], reread=True)
        record = mine(read_until(consumer, lambda seen: len(mine(seen, camera)) == 1), camera)[0]
        consumer.commit({record.source: record.offset + 1})
        consumer.close()


def test_a_listener_hears_what_it_owns(bus: Bus, group: str) -> None:
    heard = Heard()
    consumer = bus.consumer(group, [VIEWERS], heard)
    deadline_s = time.monotonic() + PATIENCE_S
    while len(heard.partitions) < SLOTS and time.monotonic() < deadline_s:
        consumer.poll(0.1)
    assert heard.partitions == {(VIEWERS.name, number) for number in range(SLOTS)} == set(consumer.assignment())
    consumer.close()


def test_a_follower_from_the_beginning_sees_all_and_knows_when_it_has(bus: Bus) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.send(VIEWERS, camera, None, partition=0)
    producer.flush(PATIENCE_S)
    follower = bus.follower([VIEWERS], Start.BEGINNING)
    records = read_until(follower, lambda _: follower.caught_up())
    assert [record.value is None for record in mine(records, camera)] == [False, True]
    follower.close()


def test_a_follower_from_the_end_sees_only_what_is_new(bus: Bus) -> None:
    old, new = (f"camera-{uuid4().hex[:8]}" for _ in range(2))
    producer = bus.producer()
    producer.send(VIEWERS, old, viewers(old), partition=0)
    producer.flush(PATIENCE_S)
    follower = bus.follower([VIEWERS], Start.END)
    assert not read_until(follower, lambda _: follower.caught_up())
    producer.send(VIEWERS, new, viewers(new), partition=0)
    producer.flush(PATIENCE_S)
    records = read_until(follower, bool)
    assert [record.key for record in records] == [new]
    follower.close()


def test_a_paused_consumer_reads_nothing_until_it_goes_on(bus: Bus, group: str) -> None:
    camera = f"camera-{uuid4().hex[:8]}"
    producer = bus.producer()
    producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(PATIENCE_S)
    consumer = bus.consumer(group, [VIEWERS])
    read_until(consumer, lambda seen: len(mine(seen, camera)) == 1)
    consumer.pause()
    producer.send(VIEWERS, camera, viewers(camera), partition=0)
    producer.flush(PATIENCE_S)
    assert all(consumer.poll(0.05) is None for _ in range(5))
    consumer.resume()
    read_until(consumer, lambda seen: len(mine(seen, camera)) == 1)
    consumer.close()


def test_a_batch_of_50_mb_is_refused_before_it_is_sent(bus: Bus) -> None:
    with pytest.raises(TooLarge, match=r"frames\.masked\.v1: 52428\d+ bytes, more than the 16777216 allowed"):
        bus.producer().send(FRAMES_MASKED, "big", frames(50 * 1024 * 1024), partition=0)


def test_the_largest_batch_allowed_arrives_whole(bus: Bus) -> None:
    producer = bus.producer()
    follower = bus.follower([FRAMES_MASKED], Start.END)
    read_until(follower, lambda _: follower.caught_up())
    largest = frames(MAX_FRAME_RECORD_BYTES - 200)
    producer.send(FRAMES_MASKED, "big", largest, partition=0)
    producer.flush(PATIENCE_S)
    record = read_until(follower, bool)[0]
    assert FrameBatch.decode(record.value or b"") == largest
    follower.close()
