"""Where unreadable messages go, with the reason."""

from __future__ import annotations

import hashlib

from beffroi_common.contracts import DeadLetter
from beffroi_common.contracts.dead_letter import MAX_PAYLOAD_BYTES
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import DEAD_LETTERS
from beffroi_common.topics import Topic, dead_letter_topic

from .interfaces import Producer, Record

MAX_REASON = 2000
MAX_KEY = 200


class DeadLetters:
    """Writes dead letters for one service: where from, why, size and digest, and the message where it may be quoted."""

    def __init__(self, producer: Producer, service: str, topics: dict[str, Topic], clock: Clock) -> None:
        self._producer = producer
        self._service = service
        self._topics = topics
        self._clock = clock

    def publish(self, record: Record, reason: str) -> None:
        """Send `record` to its dead letters.

        Raises:
            RetryLater: the producer's queue is full; try again.
        """
        topic = self._topics[record.topic]
        value = record.value or b""
        letter = DeadLetter(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key[:MAX_KEY],
            service=self._service,
            reason=reason[:MAX_REASON],
            size_bytes=len(value),
            sha256=hashlib.sha256(value).hexdigest(),
            payload=value if topic.quoted and len(value) <= MAX_PAYLOAD_BYTES else None,
            at=self._clock.now(),
        )
        self._producer.send(dead_letter_topic(topic), letter.key, letter)
        DEAD_LETTERS.labels(topic=record.topic).inc()
