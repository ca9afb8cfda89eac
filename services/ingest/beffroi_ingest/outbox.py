"""Batches on their way to the broker, in memory and bounded in bytes: while it is away the oldest are dropped, counted.

A spool on local disk will take over what does not fit; it is not there yet.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import count

import structlog

from beffroi_common.bus import DeliveryError, Producer, RetryLater, TooLarge
from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.runtime import metrics
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.foreign_clock import ForeignClock
from beffroi_common.topics import FRAMES_RAW, Topic

from .tally import Tally

log = structlog.get_logger(__name__)

RENEW_S = 30.0
"""Between two new producers of a `SideProducer`: one that is refused everything is not made each time."""


@dataclass(frozen=True)
class OutboxLimits:
    """How much may wait.

    Attributes:
        waiting_bytes: pictures that wait; more throws the oldest out.
        in_flight_bytes: pictures handed to the producer and not acknowledged. Small, since they cannot be taken back.
        timeout_s: one wait for acknowledgements or for a broker that is away.
    """

    waiting_bytes: int
    in_flight_bytes: int
    timeout_s: float


@dataclass(frozen=True, eq=False)
class _Item:
    batch: FrameBatch
    slot: int
    tally: Tally
    turn: int


class Outbox:
    """A bounded queue and the thread that empties it.

    Args:
        new_producer: makes a producer; asked again when one can no longer be used.
        limits: see `OutboxLimits`.
        on_bug: called with what ended the thread, if it ever ends.
        beat: called whenever the thread turns.
    """

    def __init__(
        self,
        new_producer: Callable[[], Producer],
        limits: OutboxLimits,
        on_bug: Callable[[BaseException], None],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_bug = on_bug
        self._new_producer = new_producer
        self._limits = limits
        self._beat = beat
        self._producer = new_producer()
        self._waiting: deque[_Item] = deque()
        self._held: deque[_Item] = deque()
        self._held_slots: frozenset[int] = frozenset()
        self._in_flight: list[_Item] = []
        self._turns = count()
        self._waiting_bytes = 0
        self._overflowing = False
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, batch: FrameBatch, slot: int, tally: Tally) -> None:
        """Queue a batch; never waits. What no longer fits, oldest first, is dropped and counted."""
        with self._changed:
            queue = self._held if slot in self._held_slots else self._waiting
            queue.append(_Item(batch, slot, tally, next(self._turns)))
            self._waiting_bytes += batch.size_bytes
            self._keep_bound()
            metrics.QUEUE_BYTES.labels(queue="outbox").set(self._waiting_bytes)
            self._changed.notify_all()

    def hold(self, slots: Collection[int]) -> None:
        """Keep what is put for these slots from now on, until `release` or `discard`; what waits already is sent."""
        with self._changed:
            self._held_slots |= frozenset(slots)

    def release(self, slots: Collection[int]) -> None:
        """Send what is held for these slots, each batch at its turn, and hold no more."""
        with self._changed:
            released = self._unhold(slots)
            self._waiting = deque(sorted([*self._waiting, *released], key=lambda item: item.turn))
            self._changed.notify_all()

    def discard(self, slots: Collection[int]) -> int:
        """Throw away what is held for these slots, hold no more, and return how many batches it was."""
        with self._changed:
            thrown = self._unhold(slots)
            self._waiting_bytes -= sum(item.batch.size_bytes for item in thrown)
            metrics.QUEUE_BYTES.labels(queue="outbox").set(self._waiting_bytes)
        for item in thrown:
            item.tally.lost(item.batch, "another_instance")
        return len(thrown)

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything that is not held is acknowledged; False when it was not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._in_flight, timeout_s)

    def close(self, timeout_s: float) -> None:
        """Drain for a while, what is held included, then stop."""
        # Who has the held slots is not known yet. Two interleaved epochs do less harm than pictures nobody has.
        self.release(self._held_slots)
        if not self.drain(timeout_s):
            log.warning("batches not delivered at the end", batches=len(self._waiting) + len(self._in_flight))
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._producer.close()

    def _unhold(self, slots: Collection[int]) -> list[_Item]:
        self._held_slots -= frozenset(slots)
        let_go = [item for item in self._held if item.slot in slots]
        self._held = deque(item for item in self._held if item.slot not in slots)
        return let_go

    def _keep_bound(self) -> None:
        while self._waiting_bytes > self._limits.waiting_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = min((queue for queue in (self._waiting, self._held) if queue), key=lambda queue: queue[0].turn)
        item = oldest.popleft()
        self._waiting_bytes -= item.batch.size_bytes
        item.tally.lost(item.batch, "broker_away")
        if not self._overflowing:
            self._overflowing = True
            log.error("the broker is away or too slow, and the queue is full: the oldest pictures are dropped")

    def _run(self) -> None:
        try:
            while not self._closing:
                self._beat()
                self._turn()
        except BaseException as error:  # noqa: BLE001 - a bug must end the process, and not one thread alone
            self._on_bug(error)

    def _turn(self) -> None:
        try:
            self._send()
            self._confirm()
        except DeliveryError as error:
            self._start_over(error)

    def _send(self) -> None:
        """Hand over as much as may be in flight."""
        size_bytes = sum(item.batch.size_bytes for item in self._in_flight)
        while size_bytes < self._limits.in_flight_bytes:
            with self._changed:
                if not self._waiting:
                    if not self._in_flight:
                        self._changed.wait(self._limits.timeout_s)
                    return
                item = self._waiting.popleft()
                self._waiting_bytes -= item.batch.size_bytes
                self._in_flight.append(item)
            try:
                self._producer.send(FRAMES_RAW, item.batch.camera, item.batch, partition=item.slot)
            except TooLarge as error:
                self._settle([item], lambda each: each.tally.lost(each.batch, "too_large"))
                log.error("batch too large", camera=item.batch.camera, reason=str(error))
            except RetryLater:
                self._put_back(item)
                return
            size_bytes += item.batch.size_bytes

    def _confirm(self) -> None:
        if self._in_flight and self._producer.flush(self._limits.timeout_s) == 0:
            self._settle(list(self._in_flight), lambda each: each.tally.delivered(each.batch))
            self._overflowing = False

    def _put_back(self, item: _Item) -> None:
        with self._changed:
            self._in_flight.remove(item)
            self._waiting.appendleft(item)
            self._waiting_bytes += item.batch.size_bytes
            self._keep_bound()
            if not self._in_flight:
                self._changed.wait(self._limits.timeout_s)

    def _settle(self, items: list[_Item], tell: Callable[[_Item], None]) -> None:
        for item in items:
            tell(item)
        with self._changed:
            self._in_flight = [each for each in self._in_flight if each not in items]
            self._changed.notify_all()

    def _start_over(self, error: DeliveryError) -> None:
        log.error("the broker refused pictures for good: a new connection is made", reason=str(error))
        self._settle(list(self._in_flight), lambda each: each.tally.lost(each.batch, "refused"))
        self._producer.close()
        self._producer = self._new_producer()


class SideProducer:
    """See `Producer`: for what is said beside the pictures, and would end the process with all that waits in `Outbox`.

    A refusal for good is "retry later" here, and a new producer takes the next message. What the one before still had
    is not waited for: who says how a camera is says it again within seconds.
    """

    def __init__(self, new_producer: Callable[[], Producer], clock: Clock) -> None:
        self._new_producer = new_producer
        self._clock = clock
        self._producer = new_producer()
        self._renew_at_s = clock.monotonic_s()
        self._lock = threading.Lock()

    def send(
        self, topic: Topic, key: str, value: Contract | FrameBatch | None, *, partition: int | None = None
    ) -> None:
        """See `Producer.send`; never raises DeliveryError."""
        try:
            self._producer.send(topic, key, value, partition=partition)
        except DeliveryError as error:
            self._renew(error)
            raise RetryLater(str(error)) from None

    def flush(self, timeout_s: float) -> int:
        """See `Producer.flush`; never raises DeliveryError."""
        try:
            return self._producer.flush(timeout_s)
        except DeliveryError as error:
            self._renew(error)
            return 0

    @property
    def broker_clock(self) -> ForeignClock:
        """See `Producer.broker_clock`."""
        return self._producer.broker_clock

    def close(self) -> None:
        """See `Producer.close`."""
        self._producer.close()

    def _renew(self, error: DeliveryError) -> None:
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s < self._renew_at_s:
                return
            self._renew_at_s = now_s + RENEW_S
            self._producer = self._new_producer()
        log.warning("the broker refused a status for good: a new connection is made", reason=str(error))
