"""What two members of one group may rely on: the same tests for Kafka and for the double in memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

import pytest

from beffroi_common.bus import Bus, Consumer, Listener, Partition, Record
from beffroi_common.bus.admin import create_topics
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.bus.kafka.configuration import consumer_config, group_config
from beffroi_common.bus.kafka.consumers import GroupConsumer
from beffroi_common.bus.membership import Membership
from beffroi_common.contracts import Viewers
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import VIEWERS
from beffroi_testing import MemoryBroker, MemoryBus

TIMEOUT_S = 60.0
SLOTS = 4
ALL = {(VIEWERS.name, number) for number in range(SLOTS)}
SHORTEST_SESSION_S = 6
"""That Kafka's brokers allow."""

Join = Callable[[str, Listener], Consumer]


class Group(Protocol):
    """A group that can be joined under a name."""

    @property
    def bus(self) -> Bus:
        """To send with."""

    def join(self, instance: str, listener: Listener) -> Consumer:
        """A new member. Whoever does not poll for seconds is expelled."""


@dataclass
class MemoryGroup:
    broker: MemoryBroker = field(
        default_factory=lambda: MemoryBroker(SLOTS, SystemClock(), session_timeout_s=0.2, max_poll_interval_s=0.2)
    )
    name: str = "members"

    @property
    def bus(self) -> Bus:
        return MemoryBus(self.broker)

    def join(self, instance: str, listener: Listener) -> Consumer:
        return MemoryBus(self.broker, instance=instance).consumer(self.name, [VIEWERS], listener)


@dataclass
class KafkaGroup:
    settings: KafkaSettings
    name: str = field(default_factory=lambda: f"members-{uuid4().hex}")

    @property
    def bus(self) -> Bus:
        return KafkaBus(self.settings, "test", uuid4().hex)

    def join(self, instance: str, listener: Listener) -> Consumer:
        config = consumer_config(self.settings, instance) | group_config(self.settings, self.name, instance)
        config["max.poll.interval.ms"] = SHORTEST_SESSION_S * 1000
        membership = Membership(self.settings.session_timeout_s, SystemClock())
        return GroupConsumer(config, [VIEWERS], listener, membership, begin_at=None)


@pytest.fixture(params=["memory", "kafka"])
def group(request: pytest.FixtureRequest) -> Iterator[Group]:
    if request.param == "memory":
        yield MemoryGroup()
        return
    settings = KafkaSettings(bootstrap_servers=request.getfixturevalue("kafka"), session_timeout_s=SHORTEST_SESSION_S)
    create_topics(settings, slots=SLOTS)
    yield KafkaGroup(settings)


@dataclass
class Life:
    """A member that commits what it has read when it gives a partition up, as the loop of the bus does."""

    group: Group
    instance: str
    told: list[str] = field(default_factory=list)
    lost_partitions: set[Partition] = field(default_factory=set)
    records: deque[Record] = field(default_factory=deque)
    position: dict[Partition, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.consumer = self.group.join(self.instance, self)

    @property
    def held(self) -> set[Partition]:
        return set(self.consumer.assignment())

    def poll(self) -> None:
        record = self.consumer.poll(0.05)
        if record is not None:
            self.records.append(record)
            self.position[record.source] = record.offset + 1

    def assigned(self, partitions: Collection[Partition]) -> None:
        self.told.append("assigned")

    def revoked(self, partitions: Collection[Partition]) -> None:
        self.told.append("revoked")
        offsets = {each: self.position.pop(each) for each in partitions if each in self.position}
        if offsets:
            self.consumer.commit(offsets)

    def lost(self, partitions: Collection[Partition]) -> None:
        self.told.append("lost")
        self.lost_partitions |= set(partitions)


def send(group: Group, name: str) -> None:
    """One message into each partition."""
    producer = group.bus.producer()
    for partition in range(SLOTS):
        viewers = Viewers(camera=name, annotated_until=datetime(2026, 1, 1, tzinfo=UTC))
        producer.send(VIEWERS, name, viewers, partition=partition)
    assert producer.flush(TIMEOUT_S) == 0
    producer.close()


def poll_until(done: Callable[[], bool], *lives: Life) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not done():
        assert time.monotonic() < deadline_s, [(life.instance, life.told, life.held) for life in lives]
        for life in lives:
            life.poll()


def read(life: Life, name: str) -> set[Partition]:
    """Where it has read the messages of that name."""
    return {record.source for record in life.records if record.key == name}


def of_name(life: Life, name: str) -> list[Record]:
    return [record for record in life.records if record.key == name]


def name() -> str:
    return f"camera-{uuid4().hex[:8]}"


def test_two_members_share_the_partitions_and_none_is_read_by_both(group: Group) -> None:
    before, after = name(), name()
    send(group, before)
    first = Life(group, "first")
    poll_until(lambda: read(first, before) == ALL, first)
    second = Life(group, "second")
    poll_until(lambda: len(first.held) == len(second.held) == SLOTS / 2, first, second)
    assert (first.held & second.held, first.held | second.held) == (set(), ALL)
    assert "revoked" in first.told, "it may commit before the other begins"
    send(group, after)
    poll_until(lambda: read(first, after) | read(second, after) == ALL, first, second)
    assert (read(first, after), read(second, after)) == (first.held, second.held)
    assert not of_name(second, before), "what was committed at the hand-over is not read again"
    assert "lost" not in first.told + second.told
    second.consumer.close()
    first.consumer.close()


def test_who_leaves_is_followed_by_the_other_once_its_session_is_over(group: Group) -> None:
    first, second = Life(group, "first"), Life(group, "second")
    poll_until(lambda: len(first.held) == len(second.held) == SLOTS / 2, first, second)
    second.consumer.close()
    assert len(first.held) == SLOTS / 2, "as a static member it may come back"
    poll_until(lambda: first.held == ALL, first)
    first.consumer.close()


def test_who_comes_back_under_its_name_goes_on_with_its_partitions(group: Group) -> None:
    first, second = Life(group, "first"), Life(group, "second")
    poll_until(lambda: len(first.held) == len(second.held) == SLOTS / 2, first, second)
    send(group, later := name())
    poll_until(lambda: read(first, later) | read(second, later) == ALL, first, second)
    second.consumer.close()
    again = Life(group, "second")
    poll_until(lambda: len(again.held) == SLOTS / 2, first, again)
    assert again.held | first.held == ALL
    assert not again.records, "it committed what it had read when it closed"
    for life in (again, first):
        life.consumer.close()


def test_who_was_silent_is_expelled_and_does_no_harm_when_it_goes_on(group: Group) -> None:
    frozen, other = Life(group, "frozen"), Life(group, "other")
    poll_until(lambda: len(frozen.held) == len(other.held) == SLOTS / 2, frozen, other)
    send(group, seen := name())
    poll_until(lambda: read(frozen, seen) | read(other, seen) == ALL, frozen, other)
    had = frozen.held
    frozen.told.clear()
    poll_until(lambda: other.held == ALL, other)
    poll_until(lambda: read(other, seen) == ALL, other)
    assert {record.source for record in of_name(other, seen)} >= had, "what it did not commit is read by the other"
    frozen.consumer.commit(dict.fromkeys(had, 1 << 20))  # nobody stores that: else nothing more would be read
    poll_until(lambda: "lost" in frozen.told, frozen, other)
    assert frozen.lost_partitions == had
    assert "revoked" not in frozen.told, "it may not commit for what is another's"
    poll_until(lambda: len(frozen.held) == len(other.held) == SLOTS / 2, frozen, other)
    send(group, last := name())
    poll_until(lambda: read(frozen, last) | read(other, last) == ALL, frozen, other)
    for life in (frozen, other):
        life.consumer.close()
