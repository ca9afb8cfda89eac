"""What a service writes to be run by `KeyedProcessor`: its work, the stream of one camera, and what comes out of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from beffroi_common.bus.errors import TooLarge
from beffroi_common.bus.interfaces import Partition, Record
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_common.contracts import Contract, FrameBatch, Stream
from beffroi_common.topics import Topic


class Key(NamedTuple):
    """Whose batches are worked on in order."""

    camera: str
    stream: Stream


@dataclass(frozen=True, slots=True)
class Output:
    """A message to be sent, to the partition of the same number as the one its batch came from.

    Attributes:
        topic: where to.
        key: of the message: the camera.
        value: the message.
        expendable: nobody needs it later: where the broker takes none of its topic at present, it is lost alone.
    """

    topic: Topic
    key: str
    value: Contract | FrameBatch
    expendable: bool = False


class KeyedStream(Protocol):
    """One stream of one camera. It is worked on by one thread at a time, in the order of its batches."""

    @property
    def sequences(self) -> SequenceTracker:
        """What was taken. The stream takes each batch that it used; what is stale does not reach `handle`."""

    @property
    def needed_offset(self) -> int | None:
        """Where to begin again after a restart; None: at the next batch."""

    def handle(self, batch: FrameBatch, record: Record) -> Iterable[Output]:
        """Work on the next batch.

        Raises:
            RetryLater: nothing was done; the same batch is handed again, and this camera waits meanwhile.
            InvalidRecord: it cannot be handled, ever.
        """

    def left_out(self, batch: FrameBatch) -> None:
        """Count a batch that was taken before, or whose connection is over."""

    def rest(self) -> Iterable[Output]:
        """No batch came for a while: return what is held back. It holds no offset back until the next batch."""

    def sent(self, output: Output) -> None:
        """Count what was handed to the broker."""

    def too_large(self, output: Output, reason: TooLarge) -> None:
        """Count and say what the topic does not take."""

    def discard(self) -> None:
        """Somebody else has this camera now, or nobody: release what is held."""


@dataclass(frozen=True)
class KeyedWork:
    """What a service does with batches.

    Attributes:
        read: reads a batch; None: it is of no concern here. Raises InvalidRecord.
        new_stream: makes the stream of a camera whose batches come from that partition; may raise RetryLater.
        report: says how this instance is, given the counters of the processor; called ten times a second.
        forget_s: a camera that is idle for so long is forgotten, with its stream.
    """

    read: Callable[[Record], FrameBatch | None]
    new_stream: Callable[[Key, Partition], KeyedStream]
    report: Callable[[Mapping[str, float]], None]
    forget_s: float = math.inf
