"""A broker in memory: topics, partitions, groups of several members, committed offsets."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from beffroi_common.bus import (
    Consumer,
    Delivered,
    Follower,
    Listener,
    Offsets,
    Partition,
    PartitionReader,
    Position,
    Producer,
    Record,
    RetryLater,
    Start,
)
from beffroi_common.bus.interfaces import BeginAt
from beffroi_common.bus.payloads import payload_of
from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.runtime import tracing
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.foreign_clock import ForeignClock
from beffroi_common.topics import Topic

from .clock import ManualClock
from .groups import Group, Member


class MemoryBroker:
    """Keeps what was sent. `away` makes producers say "retry later" and readers read nothing.

    Away for longer than `session_timeout_s` by `clock`, it is a loss to the members of groups. A member that does not
    poll for `max_poll_interval_s` is expelled, as one that was frozen or killed is; by default none ever is.
    """

    def __init__(
        self,
        slots: int = 2,
        clock: Clock | None = None,
        session_timeout_s: float = 10.0,
        max_poll_interval_s: float = math.inf,
    ) -> None:
        self.slots = slots
        self.clock = clock or ManualClock()
        self.denied: set[str] = set()
        """Topics of which nobody has the right to read any more."""
        self.tells_ends = False
        """Whether it tells all the same where those end."""
        self._session_timeout_s = session_timeout_s
        self._max_poll_interval_s = max_poll_interval_s
        self._groups: dict[str, Group] = {}
        self._away_since_s: float | None = None
        self._arrived = threading.Condition()
        self._logs: dict[Partition, list[Record]] = defaultdict(list)
        self._committed: dict[tuple[str, Partition], int] = {}
        self._begins: dict[Partition, int] = {}

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
    ) -> Record:
        """Add a record, and return it."""
        number = sum(key.encode()) % self.slots if partition is None else partition
        if not 0 <= number < self.slots:
            raise RetryLater(f"{topic}: there is no partition {number}")
        with self._arrived:
            log = self._logs[topic, number]
            stamp_ms = self.clock.now_ns() // 1_000_000
            log.append(Record(topic, number, len(log), key, value, stamp_ms, headers))
            self._arrived.notify_all()
            return log[-1]

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

    def group(self, name: str) -> Group:
        """The group of that name, with or without members."""
        with self._arrived:
            if name not in self._groups:
                self._groups[name] = Group(self.clock, self._session_timeout_s, self._max_poll_interval_s)
            return self._groups[name]

    def begin(self, partition: Partition) -> int:
        """Offset of the oldest record that is not deleted."""
        return self._begins.get(partition, 0)

    def delete_before(self, partition: Partition, offset: int) -> None:
        """Let the oldest records go, as retention does."""
        self._begins[partition] = offset

    def committed(self, group: str, partition: Partition) -> int:
        """Offset at which the group begins after a restart."""
        return self._committed.get((group, partition), 0)

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Store offsets of a group."""
        self._committed.update({(group, partition): offset for partition, offset in offsets.items()})


class MemoryBus:
    """See `Bus`, of one instance of a service.

    Args:
        broker: to reach.
        clock: that of whoever sends; by default the broker's.
        instance: its name, and that of its members of groups.
    """

    def __init__(self, broker: MemoryBroker, clock: Clock | None = None, instance: str = "only") -> None:
        self._broker = broker
        self._instance = instance
        self._clock = clock

    def producer(self) -> Producer:
        """See `Bus.producer`."""
        return MemoryProducer(self._broker, self._clock)

    def consumer(
        self, group: str, topics: Sequence[Topic], listener: Listener | None = None, *, begin_at: BeginAt | None = None
    ) -> Consumer:
        """See `Bus.consumer`."""
        return MemoryMember(self._broker, group, self._instance, topics, listener, begin_at=begin_at)

    def follower(self, topics: Sequence[Topic], start: Start) -> Follower:
        """See `Bus.follower`."""
        return MemoryFollower(self._broker, topics, start)

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


class _MemoryReader:
    """What a member of a group and a follower share: reading, pausing, knowing the end."""

    def __init__(self, broker: MemoryBroker, topics: Sequence[Topic]) -> None:
        self._broker = broker
        self._partitions = [(topic.name, number) for topic in topics for number in range(broker.slots)]
        self._next: dict[Partition, int] = {}
        self._paused: set[Partition] = set()

    def pause(self, partitions: Collection[Partition]) -> None:
        """See `Consumer.pause`."""
        self._paused |= set(partitions)

    def resume(self, partitions: Collection[Partition]) -> None:
        """See `Consumer.resume`."""
        self._paused -= set(partitions)

    def assignment(self) -> Collection[Partition]:
        """See `Consumer.assignment`."""
        return frozenset(self._next)

    def caught_up(self) -> bool:
        """See `Consumer.caught_up`."""
        return bool(self._next) and all(offset >= len(self._broker.log(each)) for each, offset in self._next.items())

    def begun_at(self, partition: Partition) -> int | None:  # noqa: ARG002
        """See `Consumer.begun_at`."""
        return None

    def ends(self) -> Mapping[Partition, Offsets]:
        """See `Consumer.ends`."""
        return {each: Offsets(self._broker.begin(each), len(self._broker.log(each))) for each in self.assignment()}

    def ask_ends(self) -> Mapping[Partition, int] | None:
        """See `Consumer.ask_ends`."""
        denied = any(topic in self._broker.denied for topic, _ in self._next)
        if self._broker.away or (denied and not self._broker.tells_ends):
            return None
        return {partition: len(self._broker.log(partition)) for partition in self._next}

    def reached(self) -> Mapping[Partition, int]:
        """See `Consumer.reached`."""
        return self._next

    def _take(self) -> Record | None:
        if self._broker.away:
            return None
        for partition, offset in self._next.items():
            if partition in self._paused or partition[0] in self._broker.denied:
                continue
            log, found = self._broker.log(partition), max(offset, self._broker.begin(partition))
            if found < len(log):
                del self._next[partition]
                self._next[partition] = found + 1  # at the end of the row: no partition waits for another
                return log[found]
        return None


class MemoryFollower(_MemoryReader):
    """See `Follower`."""

    def __init__(self, broker: MemoryBroker, topics: Sequence[Topic], start: Start) -> None:
        super().__init__(broker, topics)
        self._next = {each: 0 if start is Start.BEGINNING else len(broker.log(each)) for each in self._partitions}

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        return self._broker.wait_for(self._take, timeout_s)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """A follower has nothing to commit."""
        raise NotImplementedError("a follower commits nothing")

    def committed(self) -> Mapping[Partition, int]:
        """Nothing."""
        return {}

    def close(self) -> None:
        """See `Consumer.close`."""
        self._next = {}


class MemoryMember(_MemoryReader):
    """See `Consumer`: a member of a group."""

    def __init__(
        self,
        broker: MemoryBroker,
        group: str,
        instance: str,
        topics: Sequence[Topic],
        listener: Listener | None,
        *,
        begin_at: BeginAt | None = None,
    ) -> None:
        super().__init__(broker, topics)
        self._name = group
        self._group = broker.group(group)
        self._instance = instance
        self._listener = listener
        self._begin_at = begin_at
        self._begun: dict[Partition, int | None] = {}
        self._member: Member | None = None
        self._committed: dict[Partition, int] = {}

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        if self._member is not None:
            self._attend(self._member)
        elif not self._broker.away:
            self._member = self._group.join(self._instance, self._partitions)
            self._take_over(self._member)
        return self._broker.wait_for(self._take, timeout_s)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `Consumer.commit`. A broker that is away, or a group that expelled this member, does not take them."""
        if self._member is None or not self._group.has(self._member) or self._broker.away:
            return
        self._broker.commit(self._name, offsets)
        self._committed |= offsets

    def committed(self) -> Mapping[Partition, int]:
        """See `Consumer.committed`."""
        return self._committed

    def begun_at(self, partition: Partition) -> int | None:
        """See `Consumer.begun_at`."""
        return self._begun.get(partition)

    def close(self) -> None:
        """See `Consumer.close`. As Kafka's static members do, it tells the group nothing: it may come back soon."""
        if self._member is None:
            return
        if self._listener is not None:
            self._listener.revoked(self.assignment())
        self._member.gone = True
        self._member, self._paused, self._next = None, set(), {}

    def _attend(self, member: Member) -> None:
        """Learn what the group decided meanwhile."""
        if self._broker.sessions_ended:
            self._group.leave(member)
        elif not self._broker.away:
            self._group.hear(member)
        if not self._group.has(member):
            self._lose()
            return
        self._give_up(member)
        self._take_over(member)

    def _give_up(self, member: Member) -> None:
        moved = self._group.to_give_up(member)
        if not moved:
            return
        if self._listener is not None:
            self._listener.revoked(moved)
        self._next = {each: offset for each, offset in self._next.items() if each not in moved}
        self._paused -= set(moved)
        self._committed = {each: offset for each, offset in self._committed.items() if each not in moved}
        self._group.give_up(member, moved)

    def _take_over(self, member: Member) -> None:
        given = self._group.take_over(member)
        if given is None:
            return
        self._next |= self._first_offsets(sorted(given))
        if self._listener is not None:
            self._listener.assigned(given)

    def _first_offsets(self, given: Collection[Partition]) -> dict[Partition, int]:
        if self._begin_at is None:
            committed = {each: self._broker.committed(self._name, each) for each in given}
            self._begun |= committed
            return committed
        positions = self._begin_at(given)
        self._begun |= {each: positions[each].offset if each in positions else None for each in given}
        return {each: self._beginning(each, positions.get(each)) for each in given}

    def _beginning(self, partition: Partition, position: Position | None) -> int:
        if position is None:
            return 0
        log = self._broker.log(partition)
        later = next((record.offset for record in log if record.timestamp_ms > position.stamp_ms), position.offset)
        return 0 if position.offset > len(log) else min(position.offset, later)

    def _lose(self) -> None:
        if self._listener is not None:
            self._listener.lost(self.assignment())
        self._member, self._paused, self._next, self._committed = None, set(), {}, {}


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
