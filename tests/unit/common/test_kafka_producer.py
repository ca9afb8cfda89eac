"""What a producer waits for; and one that broke for good says so, whatever its client raises."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import (
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    KafkaError,
    KafkaException,
)

from beffroi_common.bus import DeliveryError, InvalidRecord, RetryLater
from beffroi_common.bus.kafka.producer import KafkaProducer
from beffroi_common.bus.membership import Membership
from beffroi_common.contracts import Viewers
from beffroi_common.topics import VIEWERS
from beffroi_testing import ManualClock

ADDRESS = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
MESSAGE = Viewers(camera="gate", annotated_until=datetime(2026, 11, 1, tzinfo=UTC))


class Delivered:
    """A message that the broker stamped at a moment of its own."""

    def __init__(self, at: datetime, kind: int = TIMESTAMP_LOG_APPEND_TIME) -> None:
        self.stamp = kind, int(at.timestamp() * 1000)

    def timestamp(self) -> tuple[int, int]:
        return self.stamp


class Topicless:
    """A message that was not delivered."""

    def topic(self) -> str:
        return VIEWERS.name


class Busy:
    """A client whose queue is never empty: whenever it is waited for, it delivers one message and gets another."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.waiting: deque[Callable[[None, object], None]] = deque()
        self.others: Callable[[], None] = lambda: None
        self.delivers = True

    def produce(self, *_: object, on_delivery: Callable[[None, object], None], **__: object) -> None:
        self.waiting.append(on_delivery)

    def poll(self, _timeout_s: float) -> int:
        return 0

    def flush(self, timeout_s: float) -> int:
        if self.delivers:
            self.waiting.popleft()(None, Delivered(self.clock.now()))
        self.others()
        self.clock.advance(timeout_s)
        return len(self.waiting)


def busy_producer(monkeypatch: pytest.MonkeyPatch) -> tuple[KafkaProducer, Busy]:
    clock = ManualClock()
    producer, client = KafkaProducer(ADDRESS, clock), Busy(clock)
    monkeypatch.setattr(producer, "_client", client)
    for _ in range(3):
        producer.send(VIEWERS, "gate", MESSAGE, partition=0)
    client.others = lambda: producer.send(VIEWERS, "yard", MESSAGE, partition=0)
    return producer, client


def test_a_flush_waits_for_what_was_sent_before_it_and_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    producer, client = busy_producer(monkeypatch)
    assert producer.flush(60) == 0
    assert len(client.waiting) == 3, "as many as others sent meanwhile"


def test_a_flush_gives_up_in_time_and_says_how_many_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    producer, client = busy_producer(monkeypatch)
    client.delivers = False
    assert producer.flush(1) == 3
    assert client.clock.monotonic_s() == pytest.approx(ManualClock().monotonic_s() + 1)


@pytest.mark.parametrize(
    ("at_s", "kind", "ahead_s"),
    [
        (601, TIMESTAMP_LOG_APPEND_TIME, 600),
        (-600, TIMESTAMP_LOG_APPEND_TIME, -600),
        (0.5, TIMESTAMP_LOG_APPEND_TIME, 0),
        (601, TIMESTAMP_CREATE_TIME, None),
    ],
    ids=["ahead", "behind", "between sending and acknowledgement", "our own stamp says nothing"],
)
def test_the_stamp_of_a_message_tells_how_far_the_broker_s_clock_is_from_ours(
    monkeypatch: pytest.MonkeyPatch, at_s: float, kind: int, ahead_s: float | None
) -> None:
    producer, client = busy_producer(monkeypatch)
    sent = client.clock.now()
    client.clock.advance(1)
    client.waiting.popleft()(None, Delivered(sent + timedelta(seconds=at_s), kind))
    ahead = producer.broker_clock.ahead
    assert (
        ahead is None
        if ahead_s is None
        else ahead == pytest.approx(timedelta(seconds=ahead_s), abs=timedelta(seconds=0.01))
    )


class Broken:
    """What confluent-kafka does once its producer has met a fatal error, as `rd_kafka_test_fatal_error` shows."""

    def produce(self, *_: object, **__: object) -> None:
        raise KafkaException(KafkaError(KafkaError._FATAL, "Unable to produce message"))

    def poll(self, _timeout_s: float) -> int:
        return 0

    def flush(self, _timeout_s: float) -> int:
        reason = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "out of order", fatal=True)
        raise SystemError("flush returned NULL without setting an exception") from KafkaException(reason)


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> KafkaProducer:
    producer = KafkaProducer(ADDRESS)
    monkeypatch.setattr(producer, "_client", Broken())
    return producer


def test_to_whoever_sends(producer: KafkaProducer) -> None:
    with pytest.raises(DeliveryError, match="Unable to produce message"):
        producer.send(VIEWERS, "gate", MESSAGE, partition=0)


def test_to_whoever_waits_for_what_was_sent_and_from_then_on(producer: KafkaProducer) -> None:
    with pytest.raises(DeliveryError, match="out of order"):
        producer.flush(1)
    with pytest.raises(DeliveryError, match="out of order"):
        producer.send(VIEWERS, "gate", MESSAGE, partition=0)


def test_and_is_closed_without_a_word(producer: KafkaProducer) -> None:
    producer.close()


def test_a_refusal_is_told_to_whoever_asked_and_spoils_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    producer, client = busy_producer(monkeypatch)
    client.waiting.clear()
    told: list[InvalidRecord | RetryLater | None] = []
    for code in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.INVALID_RECORD):
        producer.send(VIEWERS, "gate", MESSAGE, partition=0, on_delivery=told.append)
        client.waiting.popleft()(KafkaError(code), Topicless())  # type: ignore[arg-type]
    assert [type(each) for each in told] == [RetryLater, InvalidRecord]
    producer.send(VIEWERS, "gate", MESSAGE, partition=0)


def test_a_message_counts_as_acknowledged_once_its_sender_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    producer, client = busy_producer(monkeypatch)
    client.waiting.clear()
    left: list[int] = []
    producer.send(
        VIEWERS, "gate", MESSAGE, partition=0, on_delivery=lambda _refusal: left.append(len(producer._unacknowledged))
    )
    client.waiting.popleft()(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), Topicless())  # type: ignore[arg-type]
    assert (left, len(producer._unacknowledged)) == ([4], 3)


def test_of_a_client_that_broke_nobody_is_told_that_a_message_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    producer, client = busy_producer(monkeypatch)
    client.waiting.clear()
    told: list[InvalidRecord | RetryLater | None] = []
    producer.send(VIEWERS, "gate", MESSAGE, partition=0, on_delivery=told.append)
    client.waiting.popleft()(KafkaError(KafkaError._PURGE_INFLIGHT), Topicless())  # type: ignore[arg-type]
    assert told == []
    with pytest.raises(DeliveryError):
        producer.send(VIEWERS, "gate", MESSAGE, partition=0)


def test_who_was_frozen_for_a_session_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    membership = Membership(10.0, clock)
    producer, client = KafkaProducer(ADDRESS, clock, membership), Busy(clock)
    monkeypatch.setattr(producer, "_client", client)
    membership.turned()
    producer.send(VIEWERS, "gate", MESSAGE, partition=0)
    clock.advance(60)
    with pytest.raises(RetryLater, match="frozen"):
        producer.send(VIEWERS, "gate", MESSAGE, partition=0)
    assert len(client.waiting) == 1
    membership.confirmed()
    producer.send(VIEWERS, "gate", MESSAGE, partition=0)
    assert len(client.waiting) == 2
