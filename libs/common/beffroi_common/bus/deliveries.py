"""What becomes of messages that somebody waits for. A refusal concerns the message, and never its producer."""

from __future__ import annotations

from functools import partial

import structlog

from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.errors import InvalidRecord, RetryLater
from beffroi_common.runtime.metrics import OUTPUTS_REFUSED
from beffroi_common.topics import Topic

from .errors import TooLarge
from .interfaces import Producer

log = structlog.get_logger(__name__)


def lost(topic: Topic, camera: str, reason: InvalidRecord | RetryLater) -> None:
    """Count and say that the broker will never take a message; `camera` is empty where it is about none."""
    OUTPUTS_REFUSED.labels(camera=camera, topic=topic.name).inc()
    log.error("a message that the broker does not take is lost", camera=camera, topic=topic.name, reason=str(reason))


class Deliveries:
    """Sends for one thread, which flushes and then asks whether everything was taken.

    What the broker never takes is lost alone, counted and said. What it takes from nobody at present, as where a right
    was lost, is to be sent again.
    """

    def __init__(self, producer: Producer) -> None:
        """Begin with nothing sent."""
        self._producer = producer
        self._put_off: RetryLater | None = None

    def send(self, topic: Topic, key: str, value: Contract | FrameBatch | None, *, partition: int) -> None:
        """Hand a message of a camera to the producer.

        Raises:
            RetryLater: its queue is full.
        """
        told = partial(self._told, topic, key)
        try:
            self._producer.send(topic, key, value, partition=partition, on_delivery=told)
        except TooLarge as reason:
            lost(topic, key, reason)

    def flush(self, timeout_s: float) -> int:
        """Wait until what was sent is taken or refused; return how many messages are neither.

        Raises:
            RetryLater: some of it is not taken at present. Send all of it again: whoever reads drops repeats.
        """
        left = self._producer.flush(timeout_s)
        refusal, self._put_off = self._put_off, None
        if refusal is not None:
            raise refusal
        return left

    def _told(self, topic: Topic, key: str, refusal: InvalidRecord | RetryLater | None) -> None:
        if isinstance(refusal, InvalidRecord):
            lost(topic, key, refusal)
        elif refusal is not None:
            self._put_off = RetryLater(f"the broker takes no message of {topic.name} at present: {refusal}")
