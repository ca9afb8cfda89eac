"""The loop every consuming service runs: poll, handle, flush, commit what nobody needs any more."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from beffroi_common.errors import InvalidRecord, RetryLater
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import RECORDS_HANDLED
from beffroi_common.runtime.tracing import span_of
from beffroi_common.topics import Topic

from .backlog import Backlog
from .crashes import Crashes, GivenUpError, RecordCrashError, about
from .dead_letters import DeadLetterLimit, Refusals
from .interfaces import Bus, Consumer, OffsetStore, Partition, Processor, Producer, Record, Settled
from .journal import Journal
from .payloads import refuse_too_large

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LoopOptions:
    """Times and limits of the loop."""

    poll_timeout_s: float = 0.1
    """Upper bound between two ticks."""
    commit_interval_s: float = 1.0
    """A crash handles again at most about this much."""
    retry_first_s: float = 0.1
    retry_most_s: float = 5.0
    """Wait after "retry later": doubled from the first to the most."""
    flush_timeout_s: float = 5.0
    dead_letters: DeadLetterLimit = field(default_factory=DeadLetterLimit)


def run(
    bus: Bus,
    processor: Processor,
    *,
    service: str,
    group: str | None = None,
    topics: Sequence[Topic],
    producer: Producer,
    stop: threading.Event,
    clock: Clock,
    beat: Callable[[], None] = lambda: None,
    backlog: Backlog | None = None,
    options: LoopOptions | None = None,
    offsets: OffsetStore | None = None,
    journal: Journal | None = None,
) -> None:
    """Hand every record of `topics` to `processor` until `stop` is set; commits, then leaves the group.

    The group bears the name of the service, unless another is given. Offsets are kept by the broker, unless there is
    another store of them. After an unexpected error about one record the loop begins anew, from what is committed; a
    camera that ended the process before is left out, if there is a journal of it: see `crashes`.

    Raises:
        RecordCrashError: so many records in a row are not to blame.
        DeliveryError: what was sent was refused for good.
        TooManyDeadLettersError: see `DeadLetterLimit`.
    """
    options, backlog = options or LoopOptions(), backlog or Backlog(clock)
    refusals, crashes = Refusals(producer, service, topics, clock, options.dead_letters), Crashes(clock)
    crashes.recall(() if journal is None else journal.deaths())
    while not stop.is_set():
        loop = _Loop(
            bus,
            processor,
            group or service,
            topics,
            producer,
            refusals,
            crashes,
            backlog,
            stop,
            clock,
            beat,
            options,
            offsets,
        )
        try:
            loop.run()
        except RecordCrashError as crash:
            crashes.note(crash)


class _Loop:
    def __init__(
        self,
        bus: Bus,
        processor: Processor,
        group: str,
        topics: Sequence[Topic],
        producer: Producer,
        refusals: Refusals,
        crashes: Crashes,
        backlog: Backlog,
        stop: threading.Event,
        clock: Clock,
        beat: Callable[[], None],
        options: LoopOptions,
        offsets: OffsetStore | None,
    ) -> None:
        self._by_name = {topic.name: topic for topic in topics}
        self._processor = processor
        self._producer = producer
        self._stop = stop
        self._clock = clock
        self._beat = beat
        self._options = options
        self._refusals = refusals
        self._crashes = crashes
        self._backlog = backlog
        self._position: dict[Partition, int] = {}
        self._due: dict[Partition, int] = {}
        self._pending: Record | None = None
        self._held: deque[Record] = deque()
        self._paused: set[Partition] = set()
        self._settled: deque[Settled] = deque()
        self._backoff = Backoff(clock, options.retry_first_s, options.retry_most_s)
        begin_at = None if offsets is None else offsets.load
        self._consumer: Consumer = bus.consumer(group, topics, self, begin_at=begin_at)
        self._offsets: Consumer | OffsetStore = self._consumer if offsets is None else offsets

    def assigned(self, partitions: Collection[Partition]) -> None:
        self._processor.assigned(partitions)

    def revoked(self, partitions: Collection[Partition]) -> None:
        self._settle()
        self._commit(partitions)
        self._drop(partitions)

    def lost(self, partitions: Collection[Partition]) -> None:
        # Their new owner may have committed further already: what is not committed by now is handled again.
        log.warning("partitions lost: the broker was not reached for a session", partitions=sorted(partitions))
        self._drop(partitions)

    def _drop(self, partitions: Collection[Partition]) -> None:
        self._processor.revoked(partitions)
        self._refusals.drop(partitions)
        self._backlog.drop(partitions)
        for partition in partitions:
            self._position.pop(partition, None)
            self._due.pop(partition, None)
        self._held = deque(record for record in self._held if record.source not in partitions)
        self._settled = deque(each for each in self._settled if each.source not in partitions)
        self._paused -= set(partitions)
        if self._pending is not None and self._pending.source in partitions:
            self._forget_pending()

    def run(self) -> None:
        commit_at_s = self._clock.monotonic_s() + self._options.commit_interval_s
        try:
            while not self._stop.is_set():
                self._beat()
                self._step()
                self._processor.tick()
                self._settle()
                if self._clock.monotonic_s() >= commit_at_s:
                    self._commit(self._consumer.assignment())
                    self._measure()
                    commit_at_s = self._clock.monotonic_s() + self._options.commit_interval_s
            self._commit(self._consumer.assignment())
        finally:
            self._consumer.close()

    def _step(self) -> None:
        self._regulate()
        record = self._consumer.poll(self._options.poll_timeout_s)
        if record is not None:
            record = self._observed(record)
        if record is not None and self._must_hold(record.source):
            # It was on its way, or its partition came while reading is paused and is not paused yet. It waits its turn.
            self._held.append(record)
        elif record is not None:
            self._attempt(record)
        elif self._pending is not None and self._backoff.is_due():
            self._attempt(self._pending)

    def _observed(self, record: Record) -> Record:
        """Note what was read, and whether what was to be read before it is gone."""
        due = self._due.get(record.source)
        if due is None:
            due = self._consumer.begun_at(record.source)
        self._due[record.source] = record.offset + 1
        self._backlog.observe(record)
        if due is None or record.offset <= due or self._by_name[record.topic].retention is None:
            return record
        self._backlog.overtaken(record.source, record.offset - due)
        return replace(record, overtaken=record.offset - due)

    def _measure(self) -> None:
        """Take stock of what is not read yet, and of what is not done with."""
        ends, reached = self._consumer.ends(), self._consumer.reached()
        gone_on = {  # what was deleted before it was read is not to be read any more
            each: max(self._due.get(each, 0), reached.get(each, 0), offsets.begin or 0)
            for each, offsets in ends.items()
        }
        self._processor.unread([each for each, offsets in ends.items() if gone_on[each] < offsets.end])
        needed = {each: gone_on.get(each, offset) for each, offset in reached.items() if each not in self._due}
        for each, offset in self._safe(self._consumer.assignment()).items():
            needed[each] = offset if offset < self._due[each] else gone_on.get(each, offset)
        self._backlog.measure(needed, ends)

    def _regulate(self) -> None:
        """Read what may be handed over; what came while its partition was paused goes first."""
        self._hand_over_held()
        paused = self._to_be_paused()
        if begun := paused - self._paused:
            self._consumer.pause(begun)
        if over := self._paused - paused:
            self._consumer.resume(over)
        self._paused = paused

    def _hand_over_held(self) -> None:
        held, self._held = self._held, deque()
        stay = set[Partition]()  # in each partition the order stays as it is
        for record in held:
            if not self._may_hand_over() or record.source in self._processor.full_partitions():
                stay.add(record.source)
            if record.source in stay:
                self._held.append(record)
            else:
                self._attempt(record)

    def _to_be_paused(self) -> set[Partition]:
        assigned = set(self._consumer.assignment())
        held = {record.source for record in self._held}
        return assigned & (held | set(self._processor.full_partitions())) if self._may_hand_over() else assigned

    def _must_hold(self, source: Partition) -> bool:
        return source in self._paused or not self._may_hand_over()

    def _may_hand_over(self) -> bool:
        return self._pending is None and not self._processor.is_full()

    def _attempt(self, record: Record) -> None:
        try:
            with span_of(record):
                self._handle(record)
        except RetryLater as reason:
            self._wait(record, reason)
            return
        self._position[record.source] = record.offset + 1
        self._forget_pending()

    def _forget_pending(self) -> None:
        """The record that waited is done with, or somebody else's."""
        self._pending = None
        self._backoff.reset()

    def _handle(self, record: Record) -> None:
        try:
            refuse_too_large(self._by_name[record.topic], record)
            self._crashes.refuse_if_tried(record)
            with about(record.source, record.offset):
                deferred = self._processor.handle(record)
        except InvalidRecord as reason:
            self._refusals.refuse(record, str(reason), of_release=not isinstance(reason, GivenUpError))
        else:
            if deferred is None:
                self._accept(record.source, record.offset)

    def _accept(self, partition: Partition, offset: int) -> None:
        self._refusals.accept(partition)
        self._crashes.handled(partition, offset)

    def _settle(self) -> None:
        """Count what the processor is done with by now, and send what it refused to the dead letters."""
        self._refusals.turn()
        if not self._settled:  # else the processor goes on counting what it refused, and is full in time
            self._settled.extend(self._processor.settled())
        while self._settled:
            settled = self._settled.popleft()
            try:
                self._count(settled)
            except RetryLater:  # the queue to the broker is full: in the next turn
                self._settled.appendleft(settled)
                return

    def _count(self, settled: Settled) -> None:
        if settled.refusal is None:
            self._accept(settled.source, settled.offset)
        else:
            self._refusals.refuse(settled.refusal.record, settled.refusal.reason)

    def _wait(self, record: Record, reason: RetryLater) -> None:
        if self._pending is None:
            log.warning("retry later", record=repr(record), reason=str(reason))
            RECORDS_HANDLED.labels(topic=record.topic, outcome="retry_later").inc()
            self._pending = record
        self._backoff.failed()

    def _safe(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Up to which offset nothing of a partition is needed any more."""
        needed = self._needed()
        return {
            partition: min(self._position[partition], needed.get(partition, self._position[partition]))
            for partition in partitions
            if partition in self._position
        }

    def _commit(self, partitions: Collection[Partition]) -> None:
        offsets = self._safe(partitions)
        committed = self._offsets.committed()
        changed = {each: offset for each, offset in offsets.items() if committed.get(each) != offset}
        if not changed or self._producer.flush(self._options.flush_timeout_s):
            return  # what was made of these records is not safe yet
        needed = self._needed()  # once more: what the broker has just refused is to be made again
        self._offsets.commit({each: min(offset, needed.get(each, offset)) for each, offset in changed.items()})

    def _needed(self) -> Mapping[Partition, int]:
        """What the processor needs, and what it refused that is not with the dead letters yet."""
        lowest = dict(self._processor.needed())
        refused = [each.refusal.record for each in self._settled if each.refusal is not None]
        for source, offset in [*((each.source, each.offset) for each in refused), *self._refusals.needed().items()]:
            lowest[source] = min(offset, lowest.get(source, offset))
        return lowest
