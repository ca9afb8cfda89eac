"""Who reads topics as a whole: members of a group, and followers of all partitions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from confluent_kafka import Consumer as KafkaConsumerClient
from confluent_kafka import KafkaException, TopicPartition

from beffroi_common.bus.interfaces import Listener, Offsets, Partition, Record, Start
from beffroi_common.bus.membership import Membership
from beffroi_common.errors import RetryLater
from beffroi_common.topics import Topic

from .rdkafka_log import RdkafkaLog
from .reading import METADATA_TIMEOUT_S, partitions_of, poll

log = structlog.get_logger(__name__)

COMMITTED_TIMEOUT_S = 2.0
"""Asked once for each partition that is assigned, right after its first record came."""


class _KafkaReader:
    """What a member of a group and a follower share: reading, pausing, knowing the end."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._client = KafkaConsumerClient(config, logger=RdkafkaLog())
        self._assigned: set[Partition] = set()
        self._at_end: set[Partition] = set()

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        found = poll(self._client, timeout_s)
        if found is None or isinstance(found, Record):
            return found
        self._at_end.add(found)
        return None

    def pause(self, partitions: Collection[Partition]) -> None:
        """See `Consumer.pause`."""
        self._client.pause([TopicPartition(*each) for each in partitions])

    def resume(self, partitions: Collection[Partition]) -> None:
        """See `Consumer.resume`."""
        self._client.resume([TopicPartition(*each) for each in partitions])

    def assignment(self) -> Collection[Partition]:
        """See `Consumer.assignment`."""
        return frozenset(self._assigned)

    def caught_up(self) -> bool:
        """See `Consumer.caught_up`."""
        return bool(self._assigned) and self._at_end >= self._assigned

    def begun_at(self, partition: Partition) -> int | None:  # noqa: ARG002
        """See `Consumer.begun_at`."""
        return None

    def ends(self) -> Mapping[Partition, Offsets]:
        """See `Consumer.ends`."""
        found = {
            each: self._client.get_watermark_offsets(TopicPartition(*each), cached=True) for each in self._assigned
        }
        return {
            each: Offsets(low if low >= 0 else None, high)
            for each, (low, high) in found.items()
            if high >= 0  # librdkafka: not fetched yet
        }

    def close(self) -> None:
        """See `Consumer.close`."""
        self._client.close()


class GroupConsumer(_KafkaReader):
    """A member of a consumer group."""

    def __init__(
        self,
        config: dict[str, Any],
        topics: Sequence[Topic],
        listener: Listener | None,
        membership: Membership,
        *,
        reread: bool,
    ) -> None:
        super().__init__(config)
        self._membership = membership
        self._listener = listener
        self._reread = reread
        self._client.subscribe([topic.name for topic in topics], self._on_assign, self._on_revoke, self._on_lost)

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        self._membership.turned()
        return super().poll(timeout_s)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `Consumer.commit`."""
        wanted = [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
        try:
            self._client.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            raise RetryLater(f"offsets not committed: {error.args[0].str()}") from None

    def begun_at(self, partition: Partition) -> int | None:
        """See `Consumer.begun_at`. Asks the broker, and waits a little for its answer."""
        if self._reread:
            return None
        try:
            (found,) = self._client.committed([TopicPartition(*partition)], timeout=COMMITTED_TIMEOUT_S)
        except KafkaException:
            return None
        return int(found.offset) if found.error is None and found.offset >= 0 else None

    def _on_assign(self, client: KafkaConsumerClient, partitions: list[TopicPartition]) -> None:
        if self._reread:
            for each in partitions:
                each.offset = 0
            client.incremental_assign(partitions)
        names = partitions_of(partitions)
        self._assigned |= names
        self._at_end -= names
        if self._listener is not None:
            self._listener.assigned(names)
        self._membership.confirmed()

    def _on_revoke(self, _client: KafkaConsumerClient, partitions: list[TopicPartition]) -> None:
        names = partitions_of(partitions)
        if self._listener is not None:
            self._listener.revoked(names)
        self._drop(names)

    def _on_lost(self, _client: KafkaConsumerClient, partitions: list[TopicPartition]) -> None:
        # Also while the broker is away: librdkafka minds the session's end by its own clock.
        names = partitions_of(partitions)
        if self._listener is not None:
            self._listener.lost(names)
        self._drop(names)
        self._membership.confirmed()  # what was made of them is dropped by now

    def _drop(self, names: set[Partition]) -> None:
        self._assigned -= names
        self._at_end -= names


class Follower(_KafkaReader):
    """A reader of all partitions. While the broker or a topic is not there, `poll` returns nothing and tries again."""

    def __init__(self, config: dict[str, Any], topics: Sequence[Topic], start: Start) -> None:
        super().__init__(config | {"auto.offset.reset": start.value})
        self._topics = [topic.name for topic in topics]
        self._start = start

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        if not self._assigned and not self._assign():
            return None
        return super().poll(timeout_s)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """A follower has nothing to commit."""
        raise NotImplementedError("a follower commits nothing")

    def _assign(self) -> bool:
        try:
            found = {topic: self._partitions(topic) for topic in self._topics}
        except KafkaException as error:
            log.warning("waiting for the broker", topics=self._topics, reason=error.args[0].str())
            return False
        if missing := [topic for topic, partitions in found.items() if not partitions]:
            log.warning("waiting for topics to be made", topics=missing)
            return False
        partitions = [each for of_topic in found.values() for each in of_topic]
        self._client.assign(partitions)
        self._assigned = partitions_of(partitions)
        return True

    def _partitions(self, topic: str) -> list[TopicPartition]:
        metadata = self._client.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic]
        numbers = () if metadata.error else metadata.partitions
        return [TopicPartition(topic, number, self._first_offset(topic, number)) for number in numbers]

    def _first_offset(self, topic: str, number: int) -> int:
        # Asked for now, not at the first fetch: what is sent after the follower was made must reach it.
        low, high = self._client.get_watermark_offsets(TopicPartition(topic, number), timeout=METADATA_TIMEOUT_S)
        return low if self._start is Start.BEGINNING else high
