"""Sends to the broker in memory."""

from __future__ import annotations

from beffroi_common.bus import Delivered, RetryLater
from beffroi_common.bus.payloads import payload_of
from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.runtime import tracing
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.foreign_clock import ForeignClock
from beffroi_common.topics import Topic

from .broker import MemoryBroker


class MemoryProducer:
    """See `Producer`."""

    def __init__(self, broker: MemoryBroker, clock: Clock | None = None) -> None:
        self._broker = broker
        self._clock = clock or broker.clock
        self.broker_clock = ForeignClock("broker", self._clock)

    def send(
        self,
        topic: Topic,
        key: str,
        value: Contract | FrameBatch | None,
        *,
        partition: int | None = None,
        on_delivery: Delivered | None = None,
    ) -> None:
        """See `Producer.send`."""
        if self._broker.away:
            raise RetryLater("the broker is away")
        payload = payload_of(topic, value)
        self._broker.append(topic.name, key, payload, partition, tracing.headers())
        self.broker_clock.said(self._broker.clock.now(), self._clock.monotonic_s())
        if on_delivery is not None:
            on_delivery(None)

    def flush(self, timeout_s: float) -> int:  # noqa: ARG002
        """See `Producer.flush`."""
        return 0

    def close(self) -> None:
        """See `Producer.close`."""
