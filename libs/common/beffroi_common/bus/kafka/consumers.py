"""Who reads topics as a whole: members of a group, and followers of all partitions."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Consumer as KafkaConsumerClient

from beffroi_common.bus.interfaces import BeginAt, Listener, Offsets, Partition, Position, Record, Start
from beffroi_common.bus.membership import Membership
from beffroi_common.runtime.clock import Clock, SystemClock
from beffroi_common.topics import Topic

from .rdkafka_log import RdkafkaLog
from .reading import METADATA_TIMEOUT_S, first_since, partitions_of, poll

log = structlog.get_logger(__name__)

COMMITTED_TIMEOUT_S = 2.0
"""Asked once for all partitions that were assigned, right after the first record of one came: a broker that is slow to
answer would else be waited for with every one."""

ASK_AGAIN_S = 30.0
"""Whoever did not answer is not asked for the next partition at once: the loop waits for each, and has a heartbeat."""

ANEW_S = 60.0
"""A member that is refused twice within this time has a namesake, which goes on in its place."""


class _KafkaReader:
    """What a member of a group and a follower share: reading, pausing, knowing the end."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._client = KafkaConsumerClient(config, logger=RdkafkaLog())
        self._assigned: set[Partition] = set()
        self._at_end: set[Partition] = set()
        self._reached: dict[Partition, int] = {}

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        found = poll(self._client, timeout_s)
        if isinstance(found, Record):
            self._note_reached(found.source, found.offset + 1)
            return found
        if found is not None:
            self._at_end.add(found.partition)
            self._note_reached(found.partition, found.offset)  # what lay before it may be compacted away
        return None

    def ask_ends(self) -> Mapping[Partition, int] | None:
        """See `Consumer.ask_ends`."""
        try:
            return {each: self._watermarks(*each)[1] for each in self._assigned}
        except KafkaException as error:
            topics = sorted({topic for topic, _ in self._assigned})
            log.warning("waiting for the broker", topics=topics, reason=error.args[0].str())
            return None

    def reached(self) -> Mapping[Partition, int]:
        """See `Consumer.reached`."""
        return self._reached

    def _watermarks(self, topic: str, number: int) -> tuple[int, int]:
        low, high = self._client.get_watermark_offsets(TopicPartition(topic, number), timeout=METADATA_TIMEOUT_S)
        return int(low), int(high)

    def _note_reached(self, partition: Partition, offset: int) -> None:
        """Never less: librdkafka itself begins anew where a topic lost its end, and whoever asks is to notice that."""
        if partition in self._assigned:
            self._reached[partition] = max(offset, self._reached.get(partition, 0))

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
        begin_at: BeginAt | None,
        clock: Clock | None = None,
    ) -> None:
        self._config = config | {"on_commit": self._on_commit}
        super().__init__(self._config)
        self._topics = [topic.name for topic in topics]
        self._membership = membership
        self._listener = listener
        self._begin_at = begin_at
        self._begun: dict[Partition, int | None] = {}
        self._clock = clock or SystemClock()
        self._committed: dict[Partition, int] = {}
        self._began_anew_s = -math.inf
        self._ask_again_s = -math.inf
        self._subscribe()

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        self._membership.turned()
        try:
            return super().poll(timeout_s)
        except KafkaException as error:
            self._begin_anew(error)
            return None

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `Consumer.commit`. A hand-over and `close` wait for the answer in librdkafka, which goes on meanwhile."""
        wanted = [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
        try:
            self._client.commit(offsets=wanted, asynchronous=True)
        except KafkaException as error:
            log.warning("offsets not committed", partitions=sorted(offsets), reason=error.args[0].str())
        else:
            self._committed |= offsets

    def committed(self) -> Mapping[Partition, int]:
        """See `Consumer.committed`."""
        return self._committed

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        refused = {(each.topic, each.partition): each for each in partitions if error or each.error}
        for name, each in refused.items():
            if self._committed.get(name) == each.offset:
                del self._committed[name]
        if refused:
            reason = error or next(iter(refused.values())).error
            log.warning("offsets not committed", partitions=sorted(refused), reason=reason.str() if reason else "")

    def begun_at(self, partition: Partition) -> int | None:
        """See `Consumer.begun_at`. Asks the broker, of all that was assigned at once, and waits a little for it."""
        if partition not in self._begun and self._begin_at is None:
            self._ask_where_begun(partition)
        return self._begun.get(partition)

    def _ask_where_begun(self, partition: Partition) -> None:
        if self._clock.monotonic_s() < self._ask_again_s:
            return
        unknown = sorted({partition, *self._assigned} - self._begun.keys())
        try:
            found = self._client.committed([TopicPartition(*each) for each in unknown], timeout=COMMITTED_TIMEOUT_S)
        except KafkaException:
            self._ask_again_s = self._clock.monotonic_s() + ASK_AGAIN_S
            return
        for each in found:
            known = each.error is None and each.offset >= 0
            self._begun[each.topic, each.partition] = int(each.offset) if known else None

    def _on_assign(self, client: KafkaConsumerClient, partitions: list[TopicPartition]) -> None:
        names = partitions_of(partitions)
        if self._begin_at is not None:
            positions = self._begin_at(names)
            self._begun |= {each: positions[each].offset if each in positions else None for each in names}
            client.incremental_assign([_beginning(client, each, positions.get(each)) for each in sorted(names)])
        self._assigned |= names
        self._forget_read(names)
        if self._listener is not None:
            self._listener.assigned(names)
        self._membership.confirmed()

    def _on_revoke(self, client: KafkaConsumerClient, partitions: list[TopicPartition]) -> None:
        if client is not self._client:
            return  # it was given up, and what it had counts as lost
        names = partitions_of(partitions)
        if self._listener is not None:
            self._listener.revoked(names)
        self._drop(names)

    def _on_lost(self, client: KafkaConsumerClient, partitions: list[TopicPartition]) -> None:
        # Also while the broker is away: librdkafka minds the session's end by its own clock.
        if client is self._client:
            self._lose(partitions_of(partitions))

    def _lose(self, names: set[Partition]) -> None:
        if self._listener is not None:
            self._listener.lost(names)
        self._drop(names)
        self._membership.confirmed()  # what was made of them is dropped by now

    def _subscribe(self) -> None:
        self._client.subscribe(self._topics, self._on_assign, self._on_revoke, self._on_lost)

    def _begin_anew(self, error: KafkaException) -> None:
        """Take a new client: the broker took this one for another of the same name, and it reads nothing any more.

        So it happens to a commit that was asked for before a session ended with the broker away, and that reaches it
        once it is back: librdkafka sends it under no name of a member, for it has none before it joined again.

        Raises:
            KafkaException: there really is another.
        """
        now_s = self._clock.monotonic_s()
        if now_s - self._began_anew_s < ANEW_S:
            raise error
        self._began_anew_s = now_s
        log.warning("the group is joined anew, as a commit of before was refused", reason=error.args[0].str())
        gone, self._client = self._client, KafkaConsumerClient(self._config, logger=RdkafkaLog())
        if self._assigned:
            self._lose(set(self._assigned))
        self._subscribe()
        gone.close()

    def _drop(self, names: set[Partition]) -> None:
        self._assigned -= names
        self._forget_read(names)
        for name in names:
            self._committed.pop(name, None)
            self._begun.pop(name, None)

    def _forget_read(self, names: set[Partition]) -> None:
        self._at_end -= names
        for name in names:
            self._reached.pop(name, None)


def _beginning(client: KafkaConsumerClient, partition: Partition, position: Position | None) -> TopicPartition:
    """Where to read on: not beyond what the broker got after the record that was read last.

    In the log that was read that is the very next record. In another one of that name, because the broker lost its
    disk or was restored from a backup, the number means nothing.
    """
    if position is None:
        return TopicPartition(*partition, OFFSET_BEGINNING)
    later = first_since(client, partition, position.stamp_ms + 1)
    return TopicPartition(*partition, position.offset if later is None else min(position.offset, later))


class KafkaFollower(_KafkaReader):
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

    def committed(self) -> Mapping[Partition, int]:
        """Nothing."""
        return {}

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
        self._reached = {(each.topic, each.partition): each.offset for each in partitions}
        self._client.assign(partitions)
        self._assigned = partitions_of(partitions)
        return True

    def _partitions(self, topic: str) -> list[TopicPartition]:
        metadata = self._client.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic]
        numbers = () if metadata.error else metadata.partitions
        return [TopicPartition(topic, number, self._first_offset(topic, number)) for number in numbers]

    def _first_offset(self, topic: str, number: int) -> int:
        # Asked for now, not at the first fetch: what is sent after the follower was made must reach it.
        low, high = self._watermarks(topic, number)
        return low if self._start is Start.BEGINNING else high
