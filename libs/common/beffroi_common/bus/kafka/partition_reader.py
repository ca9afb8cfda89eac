"""Who reads chosen partitions from a chosen moment on, and leaves them again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from confluent_kafka import Consumer as KafkaConsumerClient
from confluent_kafka import TopicPartition

from beffroi_common.bus.interfaces import Partition, Record

from .rdkafka_log import RdkafkaLog
from .reading import end_of, first_since, poll


class KafkaPartitionReader:
    """See `PartitionReader`."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._client = KafkaConsumerClient(config, logger=RdkafkaLog())
        self._followed: set[Partition] = set()
        self._caught_up: set[Partition] = set()

    def follow(self, partition: Partition, since_ms: int) -> None:
        """See `PartitionReader.follow`."""
        offset = first_since(self._client, partition, since_ms)
        if offset is None:
            # The end is asked for now, not at the first fetch: what is sent from here on must be read.
            offset = end_of(self._client, partition)
        self._client.incremental_assign([TopicPartition(*partition, offset)])
        self._followed.add(partition)

    def leave(self, partition: Partition) -> None:
        """See `PartitionReader.leave`."""
        self._client.incremental_unassign([TopicPartition(*partition)])
        self._followed.discard(partition)
        self._caught_up.discard(partition)

    def poll(self, timeout_s: float) -> Record | None:
        """See `PartitionReader.poll`."""
        found = poll(self._client, timeout_s)
        if found is None or isinstance(found, Record):
            return found if found is not None and found.source in self._followed else None
        self._caught_up |= {found.partition} & self._followed
        return None

    def followed(self) -> Collection[Partition]:
        """See `PartitionReader.followed`."""
        return frozenset(self._followed)

    def caught_up(self) -> Collection[Partition]:
        """See `PartitionReader.caught_up`."""
        return frozenset(self._caught_up)

    def close(self) -> None:
        """See `PartitionReader.close`."""
        self._client.close()
