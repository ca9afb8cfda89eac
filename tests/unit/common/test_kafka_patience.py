"""No message is ever given up, and a commit that was refused is asked for again."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from beffroi_common.bus import Partition
from beffroi_common.bus.kafka import consumers
from beffroi_common.bus.kafka.configuration import producer_config
from beffroi_common.bus.kafka.consumers import ANEW_S, ASK_AGAIN_S, COMMITTED_TIMEOUT_S, GroupConsumer
from beffroi_common.bus.membership import Membership
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import VIEWERS
from beffroi_testing import ManualClock

PARTITION = (VIEWERS.name, 0)


class Client:
    """Takes commits, and answers none by itself."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.says: Any = None
        self.topics: list[str] = []
        self.closed = False
        self.waited_s = 0.0
        self.committed_at: dict[int, int] | None = None

    def committed(self, partitions: list[TopicPartition], *, timeout: float) -> list[TopicPartition]:
        self.waited_s += timeout
        if self.committed_at is not None:
            return [
                TopicPartition(each.topic, each.partition, self.committed_at[each.partition]) for each in partitions
            ]
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def poll(self, _timeout_s: float) -> Any:
        return self.says

    def subscribe(self, topics: list[str], *_callbacks: object) -> None:
        self.topics = topics

    def close(self) -> None:
        self.closed = True

    def commit(self, offsets: list[TopicPartition], *, asynchronous: bool) -> None:
        assert asynchronous, "whoever waits for the answer holds a heartbeat"
        self.asked += [each.offset for each in offsets]


class Lost:
    """A listener."""

    def __init__(self) -> None:
        self.lost_: list[Partition] = []

    def assigned(self, partitions: Collection[Partition]) -> None:
        pass

    def revoked(self, partitions: Collection[Partition]) -> None:
        raise AssertionError("nothing may be committed any more")

    def lost(self, partitions: Collection[Partition]) -> None:
        self.lost_ += partitions


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> GroupConsumer:
    config: dict[str, Any] = {"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0}
    clock = ManualClock()
    made = GroupConsumer(config, [VIEWERS], Lost(), Membership(6.0, clock), begin_at=None, clock=clock)
    monkeypatch.setattr(made, "_client", Client())
    monkeypatch.setattr(consumers, "KafkaConsumerClient", lambda *_arguments, **_more: Client())
    return made


def answer(consumer: GroupConsumer, offset: int, *, refused: bool) -> None:
    reason = KafkaError(KafkaError._TIMED_OUT) if refused else None
    consumer._on_commit(reason, [TopicPartition(*PARTITION, offset)])


def test_a_message_is_tried_until_the_broker_has_it() -> None:
    assert producer_config(KafkaSettings(bootstrap_servers="a:1"), "test")["delivery.timeout.ms"] == 0


def test_an_offset_counts_as_committed_until_it_is_refused(consumer: GroupConsumer) -> None:
    consumer.commit({PARTITION: 5})
    assert consumer.committed() == {PARTITION: 5}
    answer(consumer, 5, refused=False)
    assert consumer.committed() == {PARTITION: 5}
    consumer.commit({PARTITION: 7})
    answer(consumer, 7, refused=True)
    assert consumer.committed() == {}


def test_an_older_one_that_is_refused_says_nothing_of_a_newer_one(consumer: GroupConsumer) -> None:
    consumer.commit({PARTITION: 5})
    consumer.commit({PARTITION: 7})
    answer(consumer, 5, refused=True)
    assert consumer.committed() == {PARTITION: 7}


def test_what_was_committed_of_a_partition_that_left_is_not_known(consumer: GroupConsumer) -> None:
    consumer.commit({PARTITION: 5})
    consumer._on_lost(consumer._client, [TopicPartition(*PARTITION)])
    assert consumer.committed() == {}


def fenced() -> SimpleNamespace:
    """What librdkafka says once, after which its client reads nothing any more."""
    error = KafkaError(KafkaError._FATAL, "Static consumer fenced by other consumer with same group.instance.id")
    assert not error.fatal(), "it looks like any other"
    return SimpleNamespace(error=lambda: error)


def test_a_client_that_is_taken_for_another_of_its_name_is_replaced_once(consumer: GroupConsumer) -> None:
    before, listener, clock = consumer._client, consumer._listener, consumer._clock
    assert isinstance(before, Client)
    assert isinstance(listener, Lost)
    assert isinstance(clock, ManualClock)
    consumer._assigned.add(PARTITION)
    before.says = fenced()
    assert consumer.poll(0) is None
    after = consumer._client
    assert isinstance(after, Client)
    assert (before.closed, after is not before, after.topics) == (True, True, [VIEWERS.name])
    assert (listener.lost_, set(consumer.assignment())) == ([PARTITION], set())
    consumer._on_revoke(before, [TopicPartition(*PARTITION)])  # said while it was closed
    after.says = fenced()
    with pytest.raises(KafkaException):
        consumer.poll(0)
    clock.advance(ANEW_S)
    assert consumer.poll(0) is None


def test_a_broker_that_does_not_answer_is_not_waited_for_with_every_partition(consumer: GroupConsumer) -> None:
    client, clock = consumer._client, consumer._clock
    assert isinstance(client, Client)
    assert isinstance(clock, ManualClock)
    assert [consumer.begun_at((VIEWERS.name, number)) for number in range(48)] == [None] * 48
    assert client.waited_s == COMMITTED_TIMEOUT_S
    clock.advance(ASK_AGAIN_S)
    consumer.begun_at(PARTITION)
    assert client.waited_s == 2 * COMMITTED_TIMEOUT_S


def test_a_broker_that_is_slow_to_answer_is_waited_for_once_for_all_partitions(consumer: GroupConsumer) -> None:
    client = consumer._client
    assert isinstance(client, Client)
    client.committed_at = {number: 100 + number for number in range(48)} | {7: -1001}
    names = [(VIEWERS.name, number) for number in range(48)]
    consumer._assigned |= set(names)
    found = [consumer.begun_at(each) for each in names]
    assert found == [None if number == 7 else 100 + number for number in range(48)]
    assert client.waited_s == COMMITTED_TIMEOUT_S
    consumer._drop({PARTITION})
    client.committed_at[0] = 300
    assert consumer.begun_at(PARTITION) == 300, "it was somebody else's in between"
