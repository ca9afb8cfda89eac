"""What a consumer does with messages that it can never handle: where they go, and how many are too many."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog

from beffroi_common.contracts import DeadLetter
from beffroi_common.contracts.dead_letter import MAX_PAYLOAD_BYTES
from beffroi_common.errors import Fatal, InvalidRecord, RetryLater
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import DEAD_LETTERS, RECORDS_HANDLED
from beffroi_common.topics import Topic, dead_letter_topic

from .deliveries import lost
from .errors import TooLarge
from .interfaces import Partition, Producer, Record

log = structlog.get_logger(__name__)

MAX_REASON = 2000
MAX_KEY = 200

MAX_UNSENT = 100
"""Dead letters that the broker does not take at present: some ten megabytes. Beyond, whoever refuses one more waits."""

RETRY_FIRST_S = 0.5
RETRY_MOST_S = 30.0
"""They are sent again after the first, doubled up to the most."""


_Place = tuple[Partition, int]
"""Of a record: partition and offset."""


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
    """Counts what one service handles of some topics, and refuses what it never can.

    The broker may refuse a dead letter, too. One that it never takes is lost alone, counted and said. What it takes
    from nobody at present, as where a right was lost, is kept and sent again: its record may not be committed before.
    """

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
        self._backoff = Backoff(clock, RETRY_FIRST_S, RETRY_MOST_S)
        self._lock = threading.Lock()
        self._sent: dict[_Place, DeadLetter] = {}
        """On their way: nobody has said yet what became of them."""
        self._unsent: dict[_Place, DeadLetter] = {}
        """Those that the broker did not take, until it takes them: also while they are on their way again."""

    def accept(self, partition: Partition) -> None:
        """A record of `partition` was handled."""
        RECORDS_HANDLED.labels(topic=partition[0], outcome="ok").inc()
        self._count.accepted(partition)

    def refuse(self, record: Record, reason: str, *, of_release: bool = True) -> None:
        """Send `record` to its dead letters: where from, why, size and digest, and the message where it may be quoted.

        What is refused for its camera alone, and not since this release cannot read it, says nothing of the release.

        Raises:
            RetryLater: the producer's queue is full, or too many dead letters wait for the broker. Nothing was done;
                try again.
            TooManyDeadLettersError: it is on its way, and was one too many.
        """
        with self._lock:
            if len(self._unsent) >= MAX_UNSENT:
                raise RetryLater(f"the broker takes no dead letters of {record.topic} at present")
        letter = self._letter(record, reason)
        self._send((record.source, record.offset), letter)
        DEAD_LETTERS.labels(topic=record.topic).inc()
        log.warning("dead letter", record=repr(record), reason=reason)
        RECORDS_HANDLED.labels(topic=record.topic, outcome="dead_letter").inc()
        if of_release:
            self._count.refused(record.source)

    def drop(self, partitions: Collection[Partition]) -> None:
        """Somebody else has these from now on, or they are read anew."""
        self._count.drop(partitions)
        with self._lock:
            self._sent = {place: letter for place, letter in self._sent.items() if place[0] not in partitions}
            self._unsent = {place: letter for place, letter in self._unsent.items() if place[0] not in partitions}

    def turn(self) -> None:
        """Send again what the broker did not take, once it is time to."""
        with self._lock:
            are_on_their_way = bool(self._sent)
        if are_on_their_way:
            self._producer.flush(0.0)  # waits for nobody, and tells what became of them
        with self._lock:
            letters = {place: letter for place, letter in self._unsent.items() if place not in self._sent}
            if not letters or not self._backoff.is_due():
                return
            self._backoff.failed()  # until one is taken
        for place, letter in letters.items():
            with suppress(RetryLater):  # the queue is full: it stays, and is sent in another turn
                self._send(place, letter)

    def is_pending(self, record: Record) -> bool:
        """Whether the broker has not said yet that it has, or never will have, the dead letter of a record."""
        place = (record.source, record.offset)
        with self._lock:
            return place in self._sent or place in self._unsent

    def needed(self) -> Mapping[Partition, int]:
        """The lowest offset of each partition of which the broker did not take the dead letter yet.

        Whether it has what was sent for the first time the producer's `flush` says.
        """
        lowest: dict[Partition, int] = {}
        with self._lock:
            for source, offset in self._unsent:
                lowest[source] = min(offset, lowest.get(source, offset))
        return lowest

    def _send(self, place: _Place, letter: DeadLetter) -> None:
        topic = dead_letter_topic(self._topics[letter.topic])
        with self._lock:
            self._sent[place] = letter
        try:
            self._producer.send(topic, letter.key, letter, on_delivery=partial(self._told, place, letter))
        except TooLarge as reason:
            self._told(place, letter, reason)
        except RetryLater:
            with self._lock:
                self._sent.pop(place, None)
            raise

    def _told(self, place: _Place, letter: DeadLetter, refusal: InvalidRecord | RetryLater | None) -> None:
        """The broker has said what became of a dead letter, on any thread."""
        with self._lock:
            is_ours = self._sent.pop(place, None) is not None
            if isinstance(refusal, RetryLater):
                begins = not self._unsent and self._backoff.is_due()
                if begins:
                    self._backoff.failed()
                if is_ours:
                    self._unsent[place] = letter
            else:
                self._unsent.pop(place, None)
                self._backoff.reset()
        if isinstance(refusal, InvalidRecord):
            lost(dead_letter_topic(self._topics[letter.topic]), "", refusal)
        elif refusal is not None and begins:
            log.error("the broker takes no dead letters at present", topic=letter.topic, reason=str(refusal))

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
