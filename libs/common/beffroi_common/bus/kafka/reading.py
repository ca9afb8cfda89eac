"""One record after the other, as every reader gets them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import structlog
from confluent_kafka import Consumer as KafkaConsumerClient
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from beffroi_common.bus.interfaces import Partition, Record
from beffroi_common.errors import RetryLater

log = structlog.get_logger(__name__)

METADATA_TIMEOUT_S = 5.0
"""How long a broker may be away before that is reported and tried again."""


@dataclass(frozen=True, slots=True)
class PartitionEnd:
    """A partition was read to its end, which was at this offset then."""

    partition: Partition
    offset: int


def poll(client: KafkaConsumerClient, timeout_s: float) -> Record | PartitionEnd | None:
    """The next record, or the end of a partition that is read to it; None: neither came in time.

    Raises:
        KafkaException: the client is broken for good.
    """
    message = client.poll(timeout_s)
    if message is None:
        return None
    error = message.error()
    if error is None:
        return _record(message)
    if error.code() == KafkaError._PARTITION_EOF:
        return PartitionEnd(_source(message), int(message.offset() or 0))
    if error.fatal() or error.code() == KafkaError._FATAL:  # said once: from then on the client reads nothing
        raise KafkaException(error)
    log.warning("broker", reason=error.str())
    return None


def partitions_of(partitions: Sequence[TopicPartition]) -> set[Partition]:
    """The client's partitions in our terms."""
    return {(each.topic, each.partition) for each in partitions}


def first_since(client: KafkaConsumerClient, partition: Partition, stamp_ms: int) -> int | None:
    """Offset of the first record that the broker stamped at or after a moment; None: there is none.

    Raises:
        RetryLater: the broker does not answer, or does not have the partition.
    """
    with _translated_errors(partition):
        (found,) = client.offsets_for_times([TopicPartition(*partition, stamp_ms)], timeout=METADATA_TIMEOUT_S)
        if found.error is not None:
            raise KafkaException(found.error)
    return int(found.offset) if found.offset >= 0 else None


def end_of(client: KafkaConsumerClient, partition: Partition) -> int:
    """Offset that the next record will have.

    Raises:
        RetryLater: the broker does not answer, or does not have the partition.
    """
    with _translated_errors(partition):
        _, high = client.get_watermark_offsets(TopicPartition(*partition), timeout=METADATA_TIMEOUT_S)
    return int(high)


@contextmanager
def _translated_errors(partition: Partition) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise RetryLater(f"{partition[0]}: {error.args[0].str()}") from None


def _source(message: Message) -> Partition:
    return str(message.topic()), int(message.partition() or 0)


def _record(message: Message) -> Record:
    topic, partition = _source(message)
    return Record(
        topic=topic,
        partition=partition,
        offset=int(message.offset() or 0),
        key=(message.key() or b"").decode("utf-8", "replace"),
        value=message.value(),
        timestamp_ms=message.timestamp()[1],
        headers=_headers(message),
    )


def _headers(message: Message) -> dict[str, bytes]:
    pairs = cast("list[tuple[str, str | bytes | None]]", message.headers() or [])
    return {name: value for name, value in pairs if isinstance(value, bytes)}
