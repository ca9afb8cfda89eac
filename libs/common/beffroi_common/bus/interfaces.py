"""The seams of the bus. Behind them Kafka, or the double of `beffroi_testing`, held to the same tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.errors import InvalidRecord, RetryLater
from beffroi_common.runtime.foreign_clock import ForeignClock
from beffroi_common.topics import Topic

Partition = tuple[str, int]
"""(topic name, partition number)."""


class Start(Enum):
    """Where a reader without committed offsets begins."""

    BEGINNING = "earliest"
    END = "latest"


@dataclass(frozen=True, slots=True)
class Record:
    """One message as it lies on a topic. `value` is None for a tombstone."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None
    timestamp_ms: int
    headers: Mapping[str, bytes] = field(default_factory=dict)
    overtaken: int = 0
    """How many messages right before it were gone from the broker before they were read. The loop counts them."""

    def __repr__(self) -> str:
        """Everything but the payload."""
        size = "tombstone" if self.value is None else f"{len(self.value)} bytes"
        return f"Record({self.topic}[{self.partition}]@{self.offset} key={self.key!r} {size})"

    @property
    def source(self) -> Partition:
        """Topic and partition it was read from."""
        return (self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Offsets:
    """What the broker has of a partition, as far as its last answers tell.

    Attributes:
        begin: of the oldest record; None: not known yet.
        end: one after the newest record.
    """

    begin: int | None
    end: int


Delivered = Callable[[InvalidRecord | RetryLater | None], None]
"""Is told what became of a message. None: the broker has it; "invalid": it will never take this one; "retry later": it
takes none at present, as where a right was lost."""


class Producer(Protocol):
    """Sends messages in order within a partition, from a queue bounded in bytes. Safe to call from several threads."""

    def send(
        self,
        topic: Topic,
        key: str,
        value: Contract | FrameBatch | None,
        *,
        partition: int | None = None,
        on_delivery: Delivered | None = None,
    ) -> None:
        """Queue a message. A camera's messages go to the partition that is its slot; None: chosen by key.

        With `on_delivery` a refusal concerns this message alone, and its sender is told, on the thread of whoever sends
        or flushes, and decides. Without, the producer is of no use after it. Nobody is told of what is in flight when
        the producer itself breaks.

        Raises:
            RetryLater: the queue is full, because the broker is away or slow, or there is no such partition at present.
            TooLarge: the message is larger than the topic allows.
            DeliveryError: the producer is of no use any more.
        """

    def flush(self, timeout_s: float) -> int:
        """Wait until everything that was sent before is acknowledged, and return how many messages of it are not.

        Raises:
            DeliveryError: a message was refused for good.
        """

    @property
    def broker_clock(self) -> ForeignClock:
        """What is known of the broker's clock, out of the stamps of the messages that it took."""

    def close(self) -> None:
        """Flush for a short while and close."""


class Listener(Protocol):
    """Is called when partitions are assigned or revoked."""

    def assigned(self, partitions: Collection[Partition]) -> None:
        """These are read from now on, beside those held already. Called at each assignment, also an empty one."""

    def revoked(self, partitions: Collection[Partition]) -> None:
        """These will be somebody else's, who waits until this returns: commit, and drop what is held for them."""

    def lost(self, partitions: Collection[Partition]) -> None:
        """The group has not been reached for a session: these may be somebody else's already, or nobody's.

        Nothing may be committed for them. `assigned` tells which come back, once the broker is there again.
        """


class Deferred(Enum):
    """What `Processor.handle` answers when the work is not done yet."""

    SETTLED_LATER = "settled later"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that can never be handled, and why."""

    record: Record
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The record at this offset is done with; with a refusal it goes to the dead letters."""

    source: Partition
    offset: int
    refusal: Refusal | None = None


class Processor(Protocol):
    """What a service does with records. The loop drops lost partitions as it does revoked ones, but commits nothing.

    A processor that works on records one after the other, each while it is handed over, needs no `is_full`,
    `full_partitions`, `unread` nor `settled` of its own. One that works on several at once takes a record, answers
    `Deferred`, and says later what became of it; meanwhile `needed` holds its offset.
    """

    def handle(self, record: Record) -> Deferred | None:
        """Work on one record, or take it to be worked on.

        Raises:
            RetryLater: try again later.
            InvalidRecord: cannot be handled, ever.
        """

    def tick(self) -> None:
        """Called between records and at least at every poll time-out."""

    def is_full(self) -> bool:
        """Whether no record may be handed over at present."""
        return False

    def full_partitions(self) -> Collection[Partition]:
        """Partitions of which no record may be handed over at present, while others' may."""
        return ()

    def unread(self, partitions: Collection[Partition]) -> None:  # noqa: ARG002
        """Told about once a second: the broker has more of these than was handed over; of all others it has not."""
        return

    def settled(self) -> Sequence[Settled]:
        """What became of deferred records since this was asked last, in the order in which they were done.

        Asked again once all of that is accepted or with the dead letters: until then its records are in memory.
        """
        return ()

    def needed(self) -> Mapping[Partition, int]:
        """Lowest offset still needed of each partition; absent: whatever was handled may be committed."""

    def assigned(self, partitions: Collection[Partition]) -> None:
        """These partitions are read from now on."""

    def revoked(self, partitions: Collection[Partition]) -> None:
        """These are somebody else's now: drop what is held for them."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far somebody has read a partition.

    Attributes:
        offset: of the record to read next.
        stamp_ms: when the broker got the last one that was read; UTC, milliseconds since 1970. A log that is another
            one, under the same name, is known by it: there nothing was read that came later.
    """

    offset: int
    stamp_ms: int


class OffsetStore(Protocol):
    """Remembers positions where what was made of the records is: both are lost together, and come back together."""

    def load(self, partitions: Collection[Partition]) -> Mapping[Partition, Position]:
        """Where to begin; a partition without a position is read from the beginning.

        Raises:
            RetryLater: it cannot say at present.
        """

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Store the offsets to begin at after a restart, if it can; see `committed`."""

    def committed(self) -> Mapping[Partition, int]:
        """The offsets that are stored for what is read here. Whoever finds one missing commits it again."""


class Consumer(Protocol):
    """Reads records of the partitions it is given."""

    def poll(self, timeout_s: float) -> Record | None:
        """Return the next record, or None when none came in time."""

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Ask the broker to store the offsets to begin at after a restart. Waits for no answer; see `committed`."""

    def committed(self) -> Mapping[Partition, int]:
        """The offsets that the broker was asked to store for what is assigned, less those that it did not take.

        Whoever finds one missing asks again.
        """

    def pause(self, partitions: Collection[Partition]) -> None:
        """Let `poll` return nothing of these while membership goes on. What was on its way may come once more."""

    def resume(self, partitions: Collection[Partition]) -> None:
        """Undo `pause` for these."""

    def assignment(self) -> Collection[Partition]:
        """Partitions read at present."""

    def caught_up(self) -> bool:
        """Whether every partition was read to its end once since it was assigned."""

    def begun_at(self, partition: Partition) -> int | None:
        """Where a partition was to be read from when it was assigned; None: nobody knows."""

    def ends(self) -> Mapping[Partition, Offsets]:
        """What the broker has of each partition that is read, without those it has said nothing of. Asks nobody."""

    def ask_ends(self) -> Mapping[Partition, int] | None:
        """Ask the broker now where each partition that is read ends: the next offset that it would give.

        None: it does not answer, or does not let this reader read. Waits for it for a few seconds.
        """

    def reached(self) -> Mapping[Partition, int]:
        """The offset up to which each partition was read since it was assigned, where anything of it was heard.

        Never less than it was, even if the broker lost the rest.
        """

    def close(self) -> None:
        """Leave."""


class Follower(Consumer, Protocol):
    """Reads all partitions of its topics, in no group."""


class PartitionReader(Protocol):
    """Reads just the partitions it is told to, in no group; it commits nothing."""

    def follow(self, partition: Partition, since_ms: int) -> None:
        """Read one partition more, from the first record that the broker stamped at or after a moment; or from its end.

        Args:
            partition: one that is not followed yet.
            since_ms: UTC, milliseconds since 1970.

        Raises:
            RetryLater: the broker does not answer, or does not have the partition.
        """

    def leave(self, partition: Partition) -> None:
        """Read it no more. What was fetched of it already is dropped."""

    def poll(self, timeout_s: float) -> Record | None:
        """Return the next record, or None when none came in time."""

    def followed(self) -> Collection[Partition]:
        """Partitions read at present."""

    def caught_up(self) -> Collection[Partition]:
        """Those of them that were read to their end once since they are followed."""

    def close(self) -> None:
        """Leave all."""


BeginAt = Callable[[Collection[Partition]], Mapping[Partition, Position]]
"""Where to begin reading partitions that were assigned; what it does not name is read from the beginning."""


def from_the_beginning(_partitions: Collection[Partition]) -> Mapping[Partition, Position]:
    """`BeginAt` for state that is rebuilt at each assignment."""
    return {}


class Bus(Protocol):
    """Makes producers and consumers for one service."""

    def producer(self) -> Producer:
        """A new producer."""

    def consumer(
        self, group: str, topics: Sequence[Topic], listener: Listener | None = None, *, begin_at: BeginAt | None = None
    ) -> Consumer:
        """A member of a group, from the committed offsets on, or from the very beginning where there are none.

        With `begin_at` it says where each assignment starts: the group only shares out partitions. What it raises,
        `poll` raises.
        """

    def follower(self, topics: Sequence[Topic], start: Start) -> Follower:
        """A reader of all partitions, in no group; it commits nothing."""

    def partition_reader(self) -> PartitionReader:
        """A reader of chosen partitions; of none at first."""
