"""What is sent, and what of it the broker has acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any

import structlog
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message
from confluent_kafka import Producer as KafkaProducerClient

from beffroi_common.bus.errors import DeliveryError
from beffroi_common.bus.interfaces import Delivered
from beffroi_common.bus.membership import Membership
from beffroi_common.bus.payloads import payload_of
from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.errors import InvalidRecord, RetryLater
from beffroi_common.runtime import tracing
from beffroi_common.runtime.clock import Clock, SystemClock
from beffroi_common.runtime.foreign_clock import ForeignClock
from beffroi_common.topics import Topic

from .rdkafka_log import RdkafkaLog

log = structlog.get_logger(__name__)

PARTITION_UA = -1
"""librdkafka: chosen by key."""

EPOCH = datetime.fromtimestamp(0, UTC)

OUTCOME_UNKNOWN = (KafkaError._FATAL, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)
"""The client broke, whatever became of the message."""

OWN_FAULT = (
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
)
"""The broker does not take this very message, whenever it is sent. Any other reason may be over some time."""

CLOSE_FLUSH_S = 5.0

FLUSH_STEP_S = 0.05
"""librdkafka waits until its queue is empty, which it hardly ever is while several threads send: so it is looked after
each step whether the messages that are waited for are acknowledged."""


class KafkaProducer:
    """See `Producer`."""

    def __init__(
        self, config: dict[str, Any], clock: Clock | None = None, membership: Membership | None = None
    ) -> None:
        self._client = KafkaProducerClient(config, logger=RdkafkaLog())
        self._clock = clock or SystemClock()
        self._membership = membership
        self._broker_clock = ForeignClock("broker", self._clock)
        self._refused: str | None = None
        self._lock = threading.Lock()
        self._sent = 0
        self._unacknowledged: dict[int, None] = {}

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
        self._raise_if_refused()
        if self._membership is not None:
            self._membership.require()
        payload = payload_of(topic, value)
        number = self._next_number()
        try:
            self._client.produce(
                topic.name,
                payload,
                key.encode(),
                PARTITION_UA if partition is None else partition,
                headers=list(tracing.headers().items()),
                on_delivery=partial(self._done, number, self._clock.monotonic_s(), on_delivery),
            )
        except BufferError:
            self._acknowledge(number)
            self._serve(lambda: self._client.poll(0))
            raise RetryLater("the queue to the broker is full; it is away or too slow") from None
        except KafkaException as error:
            self._acknowledge(number)
            reason: KafkaError = error.args[0]
            if reason.code() == KafkaError._FATAL:
                self._refuse(reason.str())
                raise self._refusal() from None
            raise RetryLater(f"{topic.name}: {reason.str()}") from None
        self._serve(lambda: self._client.poll(0))

    def flush(self, timeout_s: float) -> int:
        """See `Producer.flush`. Others may send meanwhile; nobody waits for what they send."""
        with self._lock:
            end = self._sent
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            wait_s = min(FLUSH_STEP_S, max(0.0, deadline_s - self._clock.monotonic_s()))
            self._serve(lambda wait_s=wait_s: self._client.flush(wait_s))  # type: ignore[misc]
            self._raise_if_refused()
            left = self._unacknowledged_before(end)
            if not left or self._clock.monotonic_s() >= deadline_s:
                return left

    @property
    def broker_clock(self) -> ForeignClock:
        """See `Producer.broker_clock`."""
        return self._broker_clock

    def close(self) -> None:
        """See `Producer.close`."""
        with suppress(DeliveryError):  # the sender has been called back
            left = self._serve(lambda: self._client.flush(CLOSE_FLUSH_S))
            if left:
                log.warning("messages not delivered at the end", messages=left)

    def _serve(self, ask: Callable[[], int]) -> int:
        """Serve the client's delivery callbacks. One that broke for good raises, at times without saying what."""
        try:
            return ask()
        except (KafkaException, SystemError) as error:
            self._refuse(str(error.__cause__ or error))
            raise self._refusal() from None

    def _next_number(self) -> int:
        with self._lock:
            number = self._sent
            self._sent += 1
            self._unacknowledged[number] = None
            return number

    def _acknowledge(self, number: int) -> None:
        with self._lock:
            self._unacknowledged.pop(number, None)

    def _unacknowledged_before(self, end: int) -> int:
        """How many of the messages numbered below `end` nobody acknowledged. The numbers lie there in their order."""
        with self._lock:
            return sum(1 for _ in takewhile(lambda number: number < end, self._unacknowledged))

    def _done(
        self,
        number: int,
        sent_s: float,
        on_delivery: Delivered | None,
        error: KafkaError | None,
        message: Message,
    ) -> None:
        try:
            self._settle(error, message, on_delivery)
        finally:
            self._acknowledge(number)  # last: whoever waits for it in another thread finds its sender told
        if error is not None:
            return
        kind, stamp_ms = message.timestamp()
        if kind == TIMESTAMP_LOG_APPEND_TIME:
            self._broker_clock.said(EPOCH + timedelta(milliseconds=stamp_ms), sent_s)

    def _settle(self, error: KafkaError | None, message: Message, on_delivery: Delivered | None) -> None:
        if error is not None:
            self._not_delivered(error, message, on_delivery)
        elif on_delivery is not None:
            on_delivery(None)

    def _not_delivered(self, error: KafkaError, message: Message, on_delivery: Delivered | None) -> None:
        if on_delivery is not None and not error.fatal() and error.code() not in OUTCOME_UNKNOWN:
            on_delivery(_refusal_of(error))
            return
        log.error("message refused", topic=message.topic(), reason=error.str())
        self._refuse(error.str())

    def _refuse(self, reason: str) -> None:
        self._refused = self._refused or reason

    def _raise_if_refused(self) -> None:
        if self._refused is not None:
            raise self._refusal()

    def _refusal(self) -> DeliveryError:
        return DeliveryError(f"the broker did not take a message: {self._refused}")


def _refusal_of(error: KafkaError) -> InvalidRecord | RetryLater:
    return InvalidRecord(error.str()) if error.code() in OWN_FAULT else RetryLater(error.str())
