"""Who reads from the broker in memory: members of groups, followers of whole topics, readers of chosen partitions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from beffroi_common.bus import Listener, Offsets, Partition, Position, Record, RetryLater, Start
from beffroi_common.bus.interfaces import BeginAt
from beffroi_common.topics import Topic

from .broker import MemoryBroker
from .groups import Member


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
