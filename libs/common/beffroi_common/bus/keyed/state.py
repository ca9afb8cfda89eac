"""One camera's place in the schedule: its stream, what waits for it and what of it waits to be sent."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from beffroi_common.bus.interfaces import Partition, Record
from beffroi_common.contracts import FrameBatch
from beffroi_common.runtime.backoff import Backoff

from .streams import Key, KeyedStream, Output

Work = tuple[Partition, int]
"""The record that is worked on, or the one whose remains are: from where, and its offset."""


class Phase(Enum):
    """Where a camera is in the schedule."""

    WAITING = auto()
    """Nothing to do."""
    READY = auto()
    """In the row."""
    AT_WORK = auto()
    """In the hands of a worker, who alone touches its stream."""
    DEFERRED = auto()
    """Its next piece of work could not be done yet."""
    FAILED = auto()
    """Its next piece of work met what ends the process."""


@dataclass(frozen=True, slots=True)
class Item:
    """A batch that waits for its turn."""

    record: Record
    batch: FrameBatch
    size_bytes: int
    overtaken: bool = False
    """Whether records before it went from the broker unread: batches that are missing before it may be among them."""

    @classmethod
    def of(cls, record: Record, batch: FrameBatch) -> Item:
        """The pictures count twice: they lie in the record, which a dead letter would quote, and in the batch."""
        return cls(record, batch, len(record.value or b"") + batch.size_bytes)


@dataclass(frozen=True, slots=True)
class Unsent:
    """An output, whose it is, and from which offset on it would be made again."""

    output: Output
    stream: KeyedStream
    source: Partition
    hold_offset: int


@dataclass
class KeyState:
    """Everything held for one key. All but the stream itself is behind the schedule's lock.

    Attributes:
        at_work_on: what its worker is about; None: nothing that is to blame should it hang.
        deferrals: how often in a row its next piece of work could not be done.
        source: where the stream's batches come from.
        needed: what the stream said when it was worked on last.
        last_offset: of the batch handled last.
        offered_offset: of the last batch that was put into its queue.
        observed_in: the partition that its last batch was read from.
        observed_at_s: when that was, in the time of that partition, see `IdleTracker`.
        rested: it was idle, and its stream was asked to rest; until its next batch the stream holds no offset back.
        frozen: its partition is leaving: nothing more is begun.
        unsent_bytes: of the batches that the unsent outputs were made of.
    """

    key: Key
    backoff: Backoff
    phase: Phase = Phase.WAITING
    at_work_since_s: float = 0.0
    at_work_on: Work | None = None
    deferrals: int = 0
    stream: KeyedStream | None = None
    source: Partition = ("", -1)
    needed: int | None = None
    last_offset: int = -1
    offered_offset: int = -1
    observed_in: Partition = ("", -1)
    observed_at_s: float = 0.0
    rest_due: bool = False
    rested: bool = False
    frozen: bool = False
    items: deque[Item] = field(default_factory=deque)
    unsent: deque[Unsent] = field(default_factory=deque)
    unsent_bytes: Counter[Partition] = field(default_factory=Counter)

    @property
    def has_work(self) -> bool:
        """Whether a worker would find something to do."""
        return bool(self.items or self.unsent or self.rest_due)

    @property
    def hold_offset(self) -> int:
        """From which offset on the stream's present outputs would be made again."""
        return self.last_offset if self.needed is None else self.needed

    def concerns(self, partitions: Collection[Partition]) -> bool:
        """Whether anything of it comes from one of these."""
        sources = {self.source} if self.stream is not None else set[Partition]()
        sources |= {item.record.source for item in self.items} | {each.source for each in self.unsent}
        return not sources.isdisjoint(partitions)

    def held_offsets(self) -> Iterator[tuple[Partition, int]]:
        """Every offset that may not be committed past."""
        if self.stream is not None and self.needed is not None and not self.rested:
            yield self.source, self.needed
        yield from ((item.record.source, item.record.offset) for item in self.items)
        yield from ((each.source, each.hold_offset) for each in self.unsent)

    def drop(self, partitions: Collection[Partition]) -> list[tuple[Partition, int]]:
        """Forget what came from these partitions; return how many bytes of each that were."""
        dropped = [(item.record.source, item.size_bytes) for item in self.items if item.record.source in partitions]
        self.items = deque(item for item in self.items if item.record.source not in partitions)
        dropped += [(each, self.unsent_bytes.pop(each)) for each in partitions if each in self.unsent_bytes]
        self.unsent = deque(each for each in self.unsent if each.source not in partitions)
        if self.stream is not None and self.source in partitions:
            self.stream.discard()
            self.stream, self.needed, self.rest_due = None, None, False
        return dropped
