"""What a consumer does with messages that it can never handle: where they go, and how many are too many."""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import structlog

from beffroi_common.contracts import DeadLetter
from beffroi_common.contracts.dead_letter import MAX_PAYLOAD_BYTES
from beffroi_common.errors import Fatal
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import DEAD_LETTERS, RECORDS_HANDLED
from beffroi_common.topics import Topic, dead_letter_topic

from .interfaces import Partition, Producer, Record

log = structlog.get_logger(__name__)

MAX_REASON = 2000
MAX_KEY = 200


class TooManyDeadLettersError(Fatal):
    """So much is refused that this release and its input do not fit."""


@dataclass(frozen=True)
class DeadLetterLimit:
    """How many records of one partition may be refused before it is a bad release and not bad input.

    Attributes:
        in_a_row: refused without an accepted one between. A camera alone in its partition sends two batches a second:
            it has been refused for eight minutes then.
        window: records looked back upon; before there are so many no share is taken.
        share: of the window. A release that misreads one kind of message of two is as bad as one that misreads all,
            and the window is so long that it ends after as many dead letters.
    """

    in_a_row: int = 1000
    window: int = 2000
    share: float = 0.5


@dataclass
class _Tally:
    in_a_row: int = 0
    refused: int = 0
    outcomes: deque[bool] = field(default_factory=deque)
    """True for each refused record of the window, the oldest first."""

    def note(self, window: int, *, refused: bool) -> None:
        self.in_a_row = self.in_a_row + 1 if refused else 0
        self.outcomes.append(refused)
        self.refused += refused
        if len(self.outcomes) > window:
            self.refused -= self.outcomes.popleft()


class DeadLetterCount:
    """Counts what was accepted and refused, for each partition of its own: one that is well excuses no other."""

    def __init__(self, limit: DeadLetterLimit) -> None:
        self._limit = limit
        self._tallies: dict[Partition, _Tally] = defaultdict(_Tally)

    def accepted(self, partition: Partition) -> None:
        """A record of `partition` was handled."""
        self._tallies[partition].note(self._limit.window, refused=False)

    def refused(self, partition: Partition) -> None:
        """A record of `partition` went to the dead letters.

        Raises:
            TooManyDeadLettersError: it was one too many.
        """
        tally, limit = self._tallies[partition], self._limit
        tally.note(limit.window, refused=True)
        whole = len(tally.outcomes) == limit.window
        if tally.in_a_row > limit.in_a_row:
            self._end(partition, f"{tally.in_a_row} messages in a row")
        if whole and tally.refused > limit.share * limit.window:
            self._end(partition, f"{tally.refused} of the last {limit.window} messages")

    def drop(self, partitions: Collection[Partition]) -> None:
        """Count these anew."""
        for partition in partitions:
            self._tallies.pop(partition, None)

    def _end(self, partition: Partition, many: str) -> None:
        topic, number = partition
        raise TooManyDeadLettersError(
            f"{many} of {topic}[{number}] were refused: this release does not understand its input; "
            "go back to the release before, then read the dead letters"
        )


class Refusals:
    """Counts what one service handles of some topics, and refuses what it never can."""

    def __init__(
        self,
        producer: Producer,
        service: str,
        topics: Sequence[Topic],
        clock: Clock,
        limit: DeadLetterLimit | None = None,
    ) -> None:
        """Begin with nothing refused.

        Args:
            producer: takes the dead letters.
            service: that refuses.
            topics: whose records it reads.
            clock: says when.
            limit: of refusals; None: that of a release.
        """
        self._producer = producer
        self._service = service
        self._topics = {topic.name: topic for topic in topics}
        self._clock = clock
        self._count = DeadLetterCount(limit or DeadLetterLimit())

    def accept(self, partition: Partition) -> None:
        """A record of `partition` was handled."""
        RECORDS_HANDLED.labels(topic=partition[0], outcome="ok").inc()
        self._count.accepted(partition)

    def refuse(self, record: Record, reason: str) -> None:
        """Send `record` to its dead letters: where from, why, size and digest, and the message where it may be quoted.

        Raises:
            RetryLater: the producer's queue is full, and nothing was done; try again.
            TooManyDeadLettersError: it is there, and was one too many.
        """
        letter = self._letter(record, reason)
        self._producer.send(dead_letter_topic(self._topics[record.topic]), letter.key, letter)
        DEAD_LETTERS.labels(topic=record.topic).inc()
        log.warning("dead letter", record=repr(record), reason=reason)
        RECORDS_HANDLED.labels(topic=record.topic, outcome="dead_letter").inc()
        self._count.refused(record.source)

    def drop(self, partitions: Collection[Partition]) -> None:
        """Somebody else has these from now on, or they are read anew."""
        self._count.drop(partitions)

    def _letter(self, record: Record, reason: str) -> DeadLetter:
        value = record.value or b""
        is_quoted = self._topics[record.topic].quoted and len(value) <= MAX_PAYLOAD_BYTES
        return DeadLetter(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key[:MAX_KEY],
            service=self._service,
            reason=reason[:MAX_REASON],
            size_bytes=len(value),
            sha256=hashlib.sha256(value).hexdigest(),
            payload=value if is_quoted else None,
            at=self._clock.now(),
        )
