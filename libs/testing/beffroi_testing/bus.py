"""A broker in memory: topics, partitions, groups, committed offsets. One group member at a time, as most tests need."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from beffroi_common.bus import (
    Consumer,
    Listener,
    Partition,
    PartitionReader,
    Producer,
    Record,
    RetryLater,
    Start,
    TooLarge,
)
from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.runtime import tracing
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.foreign_clock import ForeignClock
from beffroi_common.topics import Topic

from .clock import ManualClock


class MemoryBroker:
    """Keeps what was sent. `away` makes producers say "retry later" and readers read nothing.

    Away for longer than `session_timeout_s` by `clock`, it is a loss to the members of groups.
    """

    def __init__(self, slots: int = 2, clock: Clock | None = None, session_timeout_s: float = 10.0) -> None:
        self.slots = slots
        self.clock = clock or ManualClock()
        self._session_timeout_s = session_timeout_s
        self._away_since_s: float | None = None
        self._arrived = threading.Condition()
        self._logs: dict[Partition, list[Record]] = defaultdict(list)
        self._committed: dict[tuple[str, Partition], int] = {}

    @property
    def away(self) -> bool:
        """Whether nobody reaches it."""
        return self._away_since_s is not None

    @away.setter
    def away(self, away: bool) -> None:
        if away != self.away:
            self._away_since_s = self.clock.monotonic_s() if away else None

    @property
    def sessions_ended(self) -> bool:
        """Whether it has been away for so long that whoever is in a group has lost its partitions."""
        since_s = self._away_since_s
        return since_s is not None and self.clock.monotonic_s() - since_s > self._session_timeout_s

    def append(
        self, topic: str, key: str, value: bytes | None, partition: int | None, headers: Mapping[str, bytes]
    ) -> None:
        """Add a record."""
        number = sum(key.encode()) % self.slots if partition is None else partition
        if not 0 <= number < self.slots:
            raise RetryLater(f"{topic}: there is no partition {number}")
        with self._arrived:
            log = self._logs[topic, number]
            stamp_ms = self.clock.now_ns() // 1_000_000
            log.append(Record(topic, number, len(log), key, value, stamp_ms, headers))
            self._arrived.notify_all()

    def wait_for(self, take: Callable[[], Record | None], timeout_s: float) -> Record | None:
        """What `take` finds, now or once something has arrived; a test does not wait long for nothing."""
        record = take()
        if record is None:
            with self._arrived:
                self._arrived.wait(min(timeout_s, 0.01))
            record = take()
        return record

    def records(self, topic: Topic | str) -> list[Record]:
        """All records of a topic, partition by partition."""
        name = topic if isinstance(topic, str) else topic.name
        return [record for number in range(self.slots) for record in self._logs[name, number]]

    def log(self, partition: Partition) -> list[Record]:
        """The records of one partition."""
        return self._logs[partition]

    def committed(self, group: str, partition: Partition) -> int:
        """Offset at which the group begins after a restart."""
        return self._committed.get((group, partition), 0)

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Store offsets of a group."""
        if self.away:
            raise RetryLater("offsets not committed: the broker is away")
        self._committed.update({(group, partition): offset for partition, offset in offsets.items()})


class MemoryBus:
    """See `Bus`. `clock` is that of whoever sends; by default the broker's."""

    def __init__(self, broker: MemoryBroker, clock: Clock | None = None) -> None:
        self._broker = broker
        self._clock = clock

    def producer(self) -> Producer:
        """See `Bus.producer`."""
        return MemoryProducer(self._broker, self._clock)

    def consumer(
        self, group: str, topics: Sequence[Topic], listener: Listener | None = None, *, reread: bool = False
    ) -> Consumer:
        """See `Bus.consumer`."""
        return MemoryConsumer(self._broker, group, topics, listener, reread=reread)

    def follower(self, topics: Sequence[Topic], start: Start) -> Consumer:
        """See `Bus.follower`."""
        return MemoryConsumer(self._broker, None, topics, None, start=start)

    def partition_reader(self) -> PartitionReader:
        """See `Bus.partition_reader`."""
        return MemoryPartitionReader(self._broker)


class MemoryProducer:
    """See `Producer`."""

    def __init__(self, broker: MemoryBroker, clock: Clock | None = None) -> None:
        self._broker = broker
        self._clock = clock or broker.clock
        self.broker_clock = ForeignClock("broker", self._clock)

    def send(
        self, topic: Topic, key: str, value: Contract | FrameBatch | None, *, partition: int | None = None
    ) -> None:
        """See `Producer.send`."""
        if self._broker.away:
            raise RetryLater("the broker is away")
        payload = None if value is None else value.encode()
        if payload is not None and len(payload) > topic.max_record_bytes:
            raise TooLarge(f"{topic.name}: {len(payload)} bytes, more than the {topic.max_record_bytes} allowed")
        self._broker.append(topic.name, key, payload, partition, tracing.headers())
        self.broker_clock.said(self._broker.clock.now(), self._clock.monotonic_s())

    def flush(self, timeout_s: float) -> int:  # noqa: ARG002
        """See `Producer.flush`."""
        return 0

    def close(self) -> None:
        """See `Producer.close`."""


class MemoryConsumer:
    """See `Consumer`."""

    def __init__(
        self,
        broker: MemoryBroker,
        group: str | None,
        topics: Sequence[Topic],
        listener: Listener | None,
        *,
        reread: bool = False,
        start: Start = Start.BEGINNING,
    ) -> None:
        self._broker = broker
        self._group = group
        self._listener = listener
        self._reread = reread
        self._paused = False
        partitions = [(topic.name, number) for topic in topics for number in range(broker.slots)]
        self._next = {each: self._first(each, start) for each in partitions}
        self._joined = False

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        if self._joined and self._group is not None and self._broker.sessions_ended:
            self._lose()
        elif not self._joined and not self._broker.away:
            self._join()
        return self._broker.wait_for(self._take, timeout_s)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `Consumer.commit`."""
        if self._group is None:
            raise NotImplementedError("a follower commits nothing")
        self._broker.commit(self._group, offsets)

    def pause(self) -> None:
        """See `Consumer.pause`."""
        self._paused = True

    def resume(self) -> None:
        """See `Consumer.resume`."""
        self._paused = False

    def assignment(self) -> Collection[Partition]:
        """See `Consumer.assignment`."""
        return frozenset(self._next) if self._joined or self._group is None else frozenset()

    def caught_up(self) -> bool:
        """See `Consumer.caught_up`."""
        return bool(self.assignment()) and all(
            offset >= len(self._broker.log(each)) for each, offset in self._next.items()
        )

    def close(self) -> None:
        """See `Consumer.close`."""
        if self._joined and self._listener is not None:
            self._listener.revoked(self.assignment())
        self._next = {}

    def _join(self) -> None:
        self._joined = True
        if self._listener is not None:
            self._listener.assigned(self.assignment())

    def _lose(self) -> None:
        if self._listener is not None:
            self._listener.lost(self.assignment())
        self._joined = self._paused = False
        self._next = {each: self._first(each, Start.BEGINNING) for each in self._next}

    def _first(self, partition: Partition, start: Start) -> int:
        if self._group is not None:
            return 0 if self._reread else self._broker.committed(self._group, partition)
        return 0 if start is Start.BEGINNING else len(self._broker.log(partition))

    def _take(self) -> Record | None:
        if self._paused or self._broker.away or not self._joined:
            return None
        for partition, offset in self._next.items():
            log = self._broker.log(partition)
            if offset < len(log):
                self._next[partition] = offset + 1
                return log[offset]
        return None


class MemoryPartitionReader:
    """See `PartitionReader`."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._next: dict[Partition, int] = {}
        self._caught_up: set[Partition] = set()

    def follow(self, partition: Partition, since_ms: int) -> None:
        """See `PartitionReader.follow`."""
        if self._broker.away:
            raise RetryLater("the broker is away")
        if not 0 <= partition[1] < self._broker.slots:
            raise RetryLater(f"{partition[0]}: there is no partition {partition[1]}")
        log = self._broker.log(partition)
        later = (record.offset for record in log if record.timestamp_ms >= since_ms)
        self._next[partition] = next(later, len(log))

    def leave(self, partition: Partition) -> None:
        """See `PartitionReader.leave`."""
        del self._next[partition]
        self._caught_up.discard(partition)

    def poll(self, timeout_s: float) -> Record | None:
        """See `PartitionReader.poll`."""
        return self._broker.wait_for(self._take, timeout_s)

    def followed(self) -> Collection[Partition]:
        """See `PartitionReader.followed`."""
        return frozenset(self._next)

    def caught_up(self) -> Collection[Partition]:
        """See `PartitionReader.caught_up`."""
        return frozenset(self._caught_up)

    def close(self) -> None:
        """See `PartitionReader.close`."""
        self._next = {}

    def _take(self) -> Record | None:
        if self._broker.away:
            return None
        for partition, offset in self._next.items():
            log = self._broker.log(partition)
            if offset < len(log):
                self._next[partition] = offset + 1
                return log[offset]
            self._caught_up.add(partition)
        return None
