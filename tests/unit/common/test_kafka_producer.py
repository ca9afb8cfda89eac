"""A producer that broke for good says so, whatever its client raises."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from confluent_kafka import KafkaError, KafkaException

from beffroi_common.bus import DeliveryError
from beffroi_common.bus.kafka import KafkaProducer
from beffroi_common.contracts import Viewers
from beffroi_common.topics import VIEWERS

ADDRESS = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}
MESSAGE = Viewers(camera="gate", annotated_until=datetime(2026, 11, 1, tzinfo=UTC))


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
