"""What goes wrong between one process and the others: its bus and its store, as they are seen through `Faults`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from beffroi_common.bus import (
    Bus,
    Consumer,
    Delivered,
    Follower,
    Listener,
    Offsets,
    Partition,
    PartitionReader,
    Producer,
    Record,
    RetryLater,
    Start,
)
from beffroi_common.bus.membership import Membership
from beffroi_common.bus.payloads import payload_of
from beffroi_common.contracts import Contract, FrameBatch, StoreName
from beffroi_common.runtime.foreign_clock import ForeignClock
from beffroi_common.store import ObjectStore, StoredObject, StoreUnavailable
from beffroi_common.topics import Topic

Done = TypeVar("Done")

QUEUE = 50
"""Messages that a producer holds; beyond it says "retry later"."""


def _nothing(_operation: str) -> None: ...


def _no_wait(_timeout_s: float, _topics: Collection[str]) -> None: ...


@dataclass
class Faults:
    """What is wrong at present, for one process.

    Attributes:
        step: called with each operation, before it has an effect and after; it may raise, or let others run.
        wait: waits for so many seconds, or until something arrived on these topics.
        reads: records are read; without it membership of groups goes on as far as others see, which is not for long.
        takes: messages are taken; without it "retry later".
        delivers: what was taken reaches the broker.
        acknowledges: the process is told of it.
        commits: offsets are taken.
        repeats: so many of the next messages reach the broker twice.
        store_answers: the store does what it is told; without it, it is away.
        store_acknowledges: the process is told of what it did.
    """

    step: Callable[[str], None] = _nothing
    wait: Callable[[float, Collection[str]], None] = _no_wait
    reads: bool = True
    takes: bool = True
    delivers: bool = True
    acknowledges: bool = True
    commits: bool = True
    repeats: int = 0
    store_answers: bool = True
    store_acknowledges: bool = True


@dataclass
class _Message:
    topic: Topic
    key: str
    value: Contract | FrameBatch | None
    partition: int | None
    on_delivery: Delivered | None


class FaultyProducer:
    """See `Producer`. Holds messages until they are flushed or delivered; who is killed before loses them."""

    def __init__(self, real: Producer, faults: Faults, membership: Membership) -> None:
        self._real = real
        self._faults = faults
        self._membership = membership
        self._queue: deque[_Message] = deque()
        self._unacknowledged: list[Delivered | None] = []

    @property
    def broker_clock(self) -> ForeignClock:
        """See `Producer.broker_clock`."""
        return self._real.broker_clock

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
        self._faults.step("send")
        self._membership.require()
        if not self._faults.takes or len(self._queue) >= QUEUE:
            raise RetryLater("the queue to the broker is full")
        payload_of(topic, value)  # too large, it is refused here and now
        self._queue.append(_Message(topic, key, value, partition, on_delivery))
        self._faults.step(f"sent {topic.name}")

    def deliver(self) -> None:
        """Bring what waits to the broker, as a producer does by itself all the time."""
        while self._queue and self._faults.delivers:
            each = self._queue[0]
            try:
                self._real.send(each.topic, each.key, each.value, partition=each.partition)
                if self._faults.repeats > 0:
                    self._faults.repeats -= 1
                    self._real.send(each.topic, each.key, each.value, partition=each.partition)
            except RetryLater:
                return
            self._queue.popleft()
            self._unacknowledged.append(each.on_delivery)
        self._acknowledge()

    def flush(self, timeout_s: float) -> int:
        """See `Producer.flush`."""
        self._faults.step("flush")
        self.deliver()
        if self._left():
            self._faults.wait(timeout_s, ())
            self.deliver()
        left = self._left()
        self._faults.step("flushed")
        return left

    def close(self) -> None:
        """See `Producer.close`."""
        self._faults.step("close")
        self.deliver()

    def _acknowledge(self) -> None:
        if not self._faults.acknowledges:
            return
        acknowledged, self._unacknowledged = self._unacknowledged, []
        for on_delivery in acknowledged:
            if on_delivery is not None:
                on_delivery(None)

    def _left(self) -> int:
        self._acknowledge()
        return len(self._queue) + len(self._unacknowledged)


class _FaultyReader:
    """What a member of a group and a follower share."""

    def __init__(self, real: Consumer, faults: Faults, topics: Sequence[Topic]) -> None:
        self._real = real
        self._faults = faults
        self._topics = [topic.name for topic in topics]

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        self._faults.step("poll")
        record = self._take()
        if record is None:
            self._faults.wait(timeout_s, self._topics if self._faults.reads else ())
            record = self._take()
        self._faults.step("polled")
        return record

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `Consumer.commit`."""
        self._faults.step("commit")
        if self._faults.commits:
            self._real.commit(offsets)
        self._faults.step("committed")

    def committed(self) -> Mapping[Partition, int]:
        """See `Consumer.committed`."""
        return self._real.committed()

    def pause(self, partitions: Collection[Partition]) -> None:
        """See `Consumer.pause`."""
        self._real.pause(partitions)

    def resume(self, partitions: Collection[Partition]) -> None:
        """See `Consumer.resume`."""
        self._real.resume(partitions)

    def begun_at(self, partition: Partition) -> int | None:
        """See `Consumer.begun_at`."""
        return self._real.begun_at(partition)

    def ends(self) -> Mapping[Partition, Offsets]:
        """See `Consumer.ends`."""
        return self._real.ends()

    def assignment(self) -> Collection[Partition]:
        """See `Consumer.assignment`."""
        return self._real.assignment()

    def caught_up(self) -> bool:
        """See `Consumer.caught_up`."""
        return self._real.caught_up()

    def ask_ends(self) -> Mapping[Partition, int] | None:
        """See `Consumer.ask_ends`."""
        return self._real.ask_ends() if self._faults.reads else None

    def reached(self) -> Mapping[Partition, int]:
        """See `Consumer.reached`."""
        return self._real.reached()

    def close(self) -> None:
        """See `Consumer.close`."""
        self._faults.step("close")
        self._real.close()

    def _take(self) -> Record | None:
        return self._real.poll(0.0) if self._faults.reads else None


class FaultyMember(_FaultyReader):
    """See `Consumer`."""

    def __init__(self, real: Consumer, faults: Faults, topics: Sequence[Topic], membership: Membership) -> None:
        super().__init__(real, faults, topics)
        self._membership = membership

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        self._membership.turned()
        return super().poll(timeout_s)


class FaultyFollower(_FaultyReader):
    """See `Follower`."""

    def __init__(self, real: Follower, faults: Faults, topics: Sequence[Topic]) -> None:
        super().__init__(real, faults, topics)


class FaultyPartitionReader:
    """See `PartitionReader`."""

    def __init__(self, real: PartitionReader, faults: Faults) -> None:
        self._real = real
        self._faults = faults

    def follow(self, partition: Partition, since_ms: int) -> None:
        """See `PartitionReader.follow`."""
        self._faults.step("follow")
        if not self._faults.reads:
            raise RetryLater("the broker does not answer")
        self._real.follow(partition, since_ms)

    def leave(self, partition: Partition) -> None:
        """See `PartitionReader.leave`."""
        self._real.leave(partition)

    def poll(self, timeout_s: float) -> Record | None:
        """See `PartitionReader.poll`."""
        self._faults.step("poll")
        record = self._take()
        if record is None:
            topics = {topic for topic, _ in self._real.followed()}
            self._faults.wait(timeout_s, topics if self._faults.reads else ())
            record = self._take()
        self._faults.step("polled")
        return record

    def followed(self) -> Collection[Partition]:
        """See `PartitionReader.followed`."""
        return self._real.followed()

    def caught_up(self) -> Collection[Partition]:
        """See `PartitionReader.caught_up`."""
        return self._real.caught_up()

    def close(self) -> None:
        """See `PartitionReader.close`."""
        self._real.close()

    def _take(self) -> Record | None:
        return self._real.poll(0.0) if self._faults.reads else None


@dataclass
class _Confirming:
    """See `Listener`: the group has spoken."""

    listener: Listener | None
    membership: Membership

    def assigned(self, partitions: Collection[Partition]) -> None:
        """See `Listener.assigned`."""
        if self.listener is not None:
            self.listener.assigned(partitions)
        self.membership.confirmed()

    def revoked(self, partitions: Collection[Partition]) -> None:
        """See `Listener.revoked`."""
        if self.listener is not None:
            self.listener.revoked(partitions)

    def lost(self, partitions: Collection[Partition]) -> None:
        """See `Listener.lost`."""
        if self.listener is not None:
            self.listener.lost(partitions)
        self.membership.confirmed()


@dataclass
class FaultyBus:
    """See `Bus`. The producers that it made are known, so that they can be let deliver."""

    real: Bus
    faults: Faults
    membership: Membership
    producers: list[FaultyProducer] = field(default_factory=list)

    def producer(self) -> Producer:
        """See `Bus.producer`."""
        self.producers.append(FaultyProducer(self.real.producer(), self.faults, self.membership))
        return self.producers[-1]

    def consumer(self, group: str, topics: Sequence[Topic], listener: Listener | None = None, **more: Any) -> Consumer:
        """See `Bus.consumer`."""
        confirming = _Confirming(listener, self.membership)
        return FaultyMember(self.real.consumer(group, topics, confirming, **more), self.faults, topics, self.membership)

    def follower(self, topics: Sequence[Topic], start: Start) -> Follower:
        """See `Bus.follower`."""
        return FaultyFollower(self.real.follower(topics, start), self.faults, topics)

    def partition_reader(self) -> PartitionReader:
        """See `Bus.partition_reader`."""
        return FaultyPartitionReader(self.real.partition_reader(), self.faults)


class FaultyStore:
    """See `ObjectStore`."""

    def __init__(self, real: ObjectStore, faults: Faults) -> None:
        self._real = real
        self._faults = faults

    @property
    def name(self) -> StoreName:
        """See `ObjectStore.name`."""
        return self._real.name

    def now(self) -> datetime:
        """See `ObjectStore.now`."""
        return self._do("now", self._real.now)

    def make_bucket(self, retention_days: int) -> None:
        """See `ObjectStore.make_bucket`."""
        self._do("make_bucket", lambda: self._real.make_bucket(retention_days))

    def check_retention(self, retention_days: int) -> None:
        """See `ObjectStore.check_retention`."""
        self._do("check_retention", lambda: self._real.check_retention(retention_days))

    def put(
        self, name: str, file: Path, content_type: str, metadata: Mapping[str, str], *, replaces: str | None = None
    ) -> None:
        """See `ObjectStore.put`."""
        self._do("put", lambda: self._real.put(name, file, content_type, metadata, replaces=replaces))

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `ObjectStore.read`."""
        return self._do("read", lambda: self._real.read(name, offset, length))

    def stream(self, name: str, offset: int, length: int, chunk_bytes: int) -> Iterator[bytes]:
        """See `ObjectStore.stream`."""
        return self._do("stream", lambda: self._real.stream(name, offset, length, chunk_bytes))

    def stat(self, name: str) -> StoredObject | None:
        """See `ObjectStore.stat`."""
        return self._do("stat", lambda: self._real.stat(name))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ObjectStore.list`."""
        return self._do("list", lambda: self._real.list(prefix))

    def remove(self, name: str) -> None:
        """See `ObjectStore.remove`."""
        self._do("remove", lambda: self._real.remove(name))

    def _do(self, operation: str, act: Callable[[], Done]) -> Done:
        self._faults.step(operation)
        if not self._faults.store_answers:
            raise StoreUnavailable("the object store does not answer")
        done = act()
        self._faults.step(f"{operation} done")
        if not self._faults.store_acknowledges:
            raise StoreUnavailable("the object store's answer was lost")
        return done
