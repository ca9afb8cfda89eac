"""What the loop of the bus runs in masker, vision and recorder: cameras side by side, each in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Self

import structlog

from beffroi_common.bus.crashes import about
from beffroi_common.bus.deliveries import lost
from beffroi_common.bus.errors import DeliveryError, TooLarge
from beffroi_common.bus.idle import IdleTracker
from beffroi_common.bus.interfaces import Deferred, Partition, Processor, Producer, Record, Settled
from beffroi_common.bus.journal import Journal, NoJournal
from beffroi_common.errors import Fatal, InvalidRecord, RetryLater
from beffroi_common.runtime import metrics
from beffroi_common.runtime.camera_series import CameraSeries
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.tracing import span_of

from .executors import Executor
from .schedule import Schedule
from .state import Item, KeyState, Unsent
from .streams import Key, KeyedStream, KeyedWork, Output

log = structlog.get_logger(__name__)


ROUND_S = 0.1
"""Between two looks at all cameras, for what is due and for counters: the loop turns with each record, and a thousand
cameras looked at each time would be all that it does."""


class NoRecordToRefuseError(Fatal):
    """A stream refused something while it was handed no record: a bug."""


class KeyedProcessor(Processor):
    """See `Processor`; the package says how it works. As a context manager it ends its workers."""

    def __init__(
        self,
        work: KeyedWork,
        producer: Producer,
        clock: Clock,
        executor: Executor,
        *,
        idle_s: float,
        queue_bytes: int,
        hang_s: float,
        on_assignment: Callable[[Collection[Partition]], None] = lambda _held: None,
        journal: Journal | None = None,
    ) -> None:
        """Wire it, and let the executor begin.

        Args:
            work: what is done with batches.
            producer: takes the outputs; from several threads at once.
            clock: time.
            executor: who works.
            idle_s: a camera from which nothing came for so long is idle, and rests; see `IdleTracker`.
            queue_bytes: of everything that waits; see `KeyedSettings`.
            hang_s: a batch that is worked on for so long will never end, and the process does.
            on_assignment: called with the partitions held, whenever they change.
            journal: is told on what workers work, for whoever starts after this process.
        """
        self._work = work
        self._producer = producer
        self._clock = clock
        self._round_at_s = -math.inf
        self._idle = IdleTracker(clock, idle_s)
        self._executor = executor
        self._on_assignment = on_assignment
        self._partitions: set[Partition] = set()
        self._holes: dict[Partition, int] = {}
        self._unread: frozenset[Partition] = frozenset()
        self._journal = journal or NoJournal()
        self._schedule = Schedule(clock, queue_bytes, hang_s, self._journal.hung)
        self._series = CameraSeries(clock)
        metrics.QUEUE_LIMIT_BYTES.labels(queue="work").set(queue_bytes)
        executor.start(self._step)

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """End the workers, once each is done with the batch at hand; see `Executor.close`."""
        self._executor.close()

    def handle(self, record: Record) -> Deferred | None:
        """Put a record into the queue of its camera; None: it is of no concern, and done with.

        Raises:
            InvalidRecord: it is no batch that may be worked on.
            BaseException: what ended a worker.
        """
        self._schedule.raise_failure()
        if record.overtaken:
            self._holes[record.source] = record.offset
        batch = self._work.read(record)
        if batch is None:
            return None
        key = Key(batch.camera, batch.stream)
        hole_offset = self._holes.get(record.source, -1)
        self._schedule.offer(key, Item.of(record, batch), self._idle.observe(batch, record.source), hole_offset)
        self._work_waits()
        return Deferred.SETTLED_LATER

    def tick(self) -> None:
        """Try again what is due, and let idle cameras rest.

        Raises:
            BaseException: what ended a worker.
        """
        self._schedule.raise_failure()
        self._idle.tick(
            listening=not (self._schedule.is_full() or self._schedule.any_unsent),
            unread=self._unread | self._schedule.full_partitions(self._partitions),
        )
        now_s = self._clock.monotonic_s()
        if now_s < self._round_at_s:
            return
        self._round_at_s = now_s + ROUND_S
        self._schedule.turn(self._idle, self._work.forget_s)
        self._work_waits()
        counters = self._schedule.counters()
        metrics.QUEUE_BYTES.labels(queue="work").set(counters["queue_bytes"])
        self._series.retain(self._schedule.cameras())
        self._work.report(counters)

    def is_full(self) -> bool:
        """Whether the bytes are used up."""
        return self._schedule.is_full()

    def unread(self, partitions: Collection[Partition]) -> None:
        """Their cameras are not idle because nothing came: there is more to read."""
        self._unread = frozenset(partitions)

    def full_partitions(self) -> Collection[Partition]:
        """Those with a backlog that leaves the rest of the bytes to others."""
        return self._schedule.full_partitions(self._partitions)

    def settled(self) -> Sequence[Settled]:
        """What became of batches since this was asked last."""
        return self._schedule.take_settled()

    def needed(self) -> Mapping[Partition, int]:
        """See the package."""
        return self._schedule.needed()

    def counters(self) -> Mapping[str, float]:
        """How many streams there are, and how much waits."""
        return self._schedule.counters()

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Nothing to prepare: a stream begins with its first batch."""
        self._partitions |= set(partitions)
        log.info("assigned", partitions=sorted(number for _, number in partitions))
        self._on_assignment(frozenset(self._partitions))

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Drop these cameras, once the batches at work are done: their new owner begins where the last commit says."""
        self._partitions -= set(partitions)
        self._holes = {each: offset for each, offset in self._holes.items() if each not in partitions}
        self._schedule.drop(partitions)
        self._on_assignment(frozenset(self._partitions))

    def _work_waits(self) -> None:
        self._executor.work_waits()
        self._schedule.raise_failure()

    # What a worker does. The key it was given is its own until it gives it back.

    def _step(self, wait_s: float) -> bool:
        state = self._schedule.claim(wait_s)
        if state is None:
            return False
        try:
            self._advance(state)
        except RetryLater as reason:
            if self._schedule.defer(state):
                log.warning("retry later", camera=state.key.camera, reason=str(reason))
        except InvalidRecord as bug:
            # Raised again in the loop as it is, it would refuse the record that the loop has at hand.
            self._schedule.fail(state, NoRecordToRefuseError(f"camera {state.key.camera}: {bug}"))
        except BaseException as error:  # noqa: BLE001 - raised again in the loop, which ends the process
            self._schedule.fail(state, error)
        else:
            self._schedule.give_back(state)
        return True

    def _advance(self, state: KeyState) -> None:
        """Send what waits, then work on one batch, or let the camera rest."""
        with about(state.source, state.last_offset):
            self._send(state)
        item = self._schedule.first_item(state)
        if item is not None:
            self._end_elsewhere(state, item.record.source)
            with span_of(item.record), about(item.record.source, item.record.offset):
                with self._at_work(state, item.record.source, item.record.offset):
                    self._take(state, item)
                self._send(state)
        elif state.rest_due and state.stream is not None:
            with about(state.source, state.last_offset):
                with self._at_work(state, state.source, state.last_offset):
                    unsent = _unsent(state, state.stream, state.stream.rest(), state.hold_offset)
                self._schedule.rested(state, unsent, state.stream.needed_offset)
                self._send(state)

    @contextmanager
    def _at_work(self, state: KeyState, source: Partition, offset: int) -> Iterator[None]:
        """Native code runs in here, which may end the process or never end: say what it is about."""
        self._schedule.works_on(state, (source, offset))
        try:
            with self._journal.at_work(source, offset, state.key.camera):
                yield
        finally:
            self._schedule.works_on(state, None)

    def _end_elsewhere(self, state: KeyState, source: Partition) -> None:
        """If the camera was given another slot, what came from the one before ends there."""
        before = state.stream
        if before is None or state.source == source:
            return
        with about(state.source, state.last_offset), self._at_work(state, state.source, state.last_offset):
            self._schedule.moved(state, _unsent(state, before, before.rest(), state.hold_offset))
            before.discard()

    def _take(self, state: KeyState, item: Item) -> None:
        stream = self._stream(state, item.record)
        hold_offset = item.record.offset if state.needed is None else state.needed
        try:
            outputs = tuple(self._outputs(stream, item))
        except InvalidRecord as reason:
            self._schedule.refused(state, item, str(reason))
        else:
            unsent = _unsent(state, stream, outputs, hold_offset)
            self._schedule.handled(state, item, unsent, stream.needed_offset)

    def _stream(self, state: KeyState, record: Record) -> KeyedStream:
        if state.stream is not None:
            return state.stream
        stream = self._work.new_stream(state.key, record.source)
        self._schedule.begun(state, stream, record.source)
        return stream

    def _outputs(self, stream: KeyedStream, item: Item) -> Iterable[Output]:
        batch = item.batch
        stale = stream.sequences.stale(batch.epoch, batch.sequence, item.record.timestamp_ms)
        if stale is None:
            missing = stream.sequences.missing_before(batch.epoch, batch.sequence)
            outputs = stream.handle(batch, item.record)
            if missing:
                reason = "overtaken" if item.overtaken else "not_sent"
                metrics.BATCHES_MISSING.labels(camera=batch.camera, reason=reason).inc(missing)
        else:
            metrics.BATCHES_DROPPED.labels(camera=batch.camera, reason=stale.value).inc()
            metrics.FRAMES_DROPPED.labels(camera=batch.camera, reason=stale.value).inc(len(batch.units))
            stream.left_out(batch)
            outputs = ()
        metrics.BATCHES_IN.labels(camera=batch.camera).inc()
        metrics.FRAMES_IN.labels(camera=batch.camera).inc(len(batch.units))
        return outputs

    def _send(self, state: KeyState) -> None:
        while (unsent := self._schedule.first_unsent(state)) is not None:
            output, stream = unsent.output, unsent.stream
            try:
                self._producer.send(
                    output.topic,
                    output.key,
                    output.value,
                    partition=unsent.source[1],
                    on_delivery=partial(self._told, unsent),
                )
            except TooLarge as reason:
                stream.too_large(output, reason)
            else:
                stream.sent(output)
            self._schedule.sent(state)

    def _told(self, unsent: Unsent, refusal: InvalidRecord | RetryLater | None) -> None:
        """What the broker never takes is one camera's loss; if it takes none, all begins anew where it committed."""
        topic = unsent.output.topic
        if isinstance(refusal, InvalidRecord) or (refusal is not None and unsent.output.expendable):
            lost(topic, unsent.output.key, refusal)
        elif refusal is not None:
            error = DeliveryError(f"the broker did not take a message of {topic.name}: {refusal}")
            self._schedule.end(error, unsent.source, unsent.hold_offset)


def _unsent(state: KeyState, stream: KeyedStream, outputs: Iterable[Output], hold_offset: int) -> list[Unsent]:
    return [Unsent(output, stream, state.source, hold_offset) for output in outputs]
