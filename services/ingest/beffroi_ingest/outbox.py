"""Batches on their way to the broker, in memory and bounded in bytes: while it is away the oldest are dropped, counted.

Cameras wait for themselves alone: a batch that is refused, a partition that takes nothing and the hand-over of a camera
to another instance leave the others as they are.

A spool on local disk will take over what does not fit; it is not there yet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial

import structlog

from beffroi_common.bus import Delivered, DeliveryError, InvalidRecord, Producer, RetryLater, TooLarge
from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.runtime import metrics
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.clock import Clock, SystemClock
from beffroi_common.runtime.foreign_clock import ForeignClock
from beffroi_common.topics import FRAMES_RAW, Topic

from .lines import RETRY_FIRST_S, Item, Lines
from .tally import Tally

log = structlog.get_logger(__name__)

RENEW_S = 30.0
"""Between two new producers: one that is refused everything is not made each time."""

BEAT_S = 1.0
"""Between two beats while a new producer is waited for."""

ACKNOWLEDGED_S = 0.05
"""One wait for acknowledgements: a batch that comes meanwhile waits no longer."""


@dataclass(frozen=True)
class OutboxLimits:
    """How much may wait.

    Attributes:
        waiting_bytes: pictures that wait; more throws out the oldest of whoever has most.
        in_flight_bytes: pictures handed to the producer and not acknowledged, shared out among the slots. Small, since
            they cannot be taken back.
        timeout_s: one wait for something to send, and the first before a connection that broke is made again.
    """

    waiting_bytes: int
    in_flight_bytes: int
    timeout_s: float


class Outbox:
    """A bounded line for each camera, and the thread that empties them.

    Args:
        new_producer: makes a producer; asked again when one can no longer be used.
        limits: see `OutboxLimits`.
        on_bug: called with what ended the thread, if it ever ends.
        beat: called whenever the thread turns.
        clock: for waits.
    """

    def __init__(
        self,
        new_producer: Callable[[], Producer],
        limits: OutboxLimits,
        on_bug: Callable[[BaseException], None],
        beat: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        self._on_bug = on_bug
        self._new_producer = new_producer
        self._limits = limits
        self._beat = beat
        self._producer = new_producer()
        self._clock = clock or SystemClock()
        self._lines = Lines(self._clock, limits.waiting_bytes, limits.in_flight_bytes)
        self._renewal = Backoff(self._clock, limits.timeout_s, RENEW_S)
        metrics.QUEUE_LIMIT_BYTES.labels(queue="outbox").set(limits.waiting_bytes)
        self._overflowing = False
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, batch: FrameBatch, slot: int, tally: Tally) -> None:
        """Queue a batch; never waits. What no longer fits is dropped and counted: the oldest of whoever has most."""
        with self._changed:
            self._drop(self._lines.add(Item(batch, slot, tally)))
            self._note_change()

    def hold(self, slots: Collection[int]) -> None:
        """Keep what is put for these slots from now on, until `release` or `discard`; what waits already is sent."""
        with self._changed:
            self._lines.hold(slots)

    def release(self, slots: Collection[int]) -> None:
        """Send what is held for these slots, behind what waited before, and hold no more."""
        with self._changed:
            self._lines.release(slots)
            self._note_change()

    def discard(self, slots: Collection[int]) -> int:
        """Throw away what is held for these slots, hold no more, and return how many batches it was."""
        with self._changed:
            thrown = self._lines.discard(slots)
            self._note_change()
        for item in thrown:
            item.tally.lost(item.batch, "another_instance")
        return len(thrown)

    def clear(self, slots: Collection[int]) -> int:
        """Throw away whatever there is for these slots, hold no more, and return how many batches it was."""
        with self._changed:
            thrown = self._lines.clear(slots)
            self._note_change()
        for item in thrown:
            item.tally.lost(item.batch, "another_instance")
        return len(thrown)

    def drain(self, timeout_s: float, slots: Collection[int] | None = None) -> bool:
        """Wait until everything of these slots, or of all, that is not held is settled; False: it was not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines.left(slots), timeout_s)

    def close(self, timeout_s: float) -> None:
        """Drain for a while, what is held included, then stop."""
        with self._changed:
            # Who has the held slots is not known yet. Two interleaved epochs do less harm than pictures nobody has.
            self._lines.release()
            self._note_change()
        if not self.drain(timeout_s):
            log.warning("batches not delivered at the end", batches=self._lines.left())
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._producer.close()

    def counters(self) -> dict[str, float]:
        """How much waits, and how long the oldest of it does."""
        with self._changed:
            oldest = self._lines.oldest
            behind_s = 0.0 if oldest is None else max(0.0, oldest.units[0].age_s(self._clock.now_ns()))
            return {"waiting_bytes": self._lines.waiting_bytes, "behind_s": round(behind_s, 1)}

    @property
    def complaint(self) -> str | None:
        """What a person must know and do, from half of the room on."""
        with self._changed:
            waiting_bytes = self._lines.waiting_bytes
        if waiting_bytes <= self._limits.waiting_bytes / 2:
            return None
        return (
            f"{waiting_bytes / self._limits.waiting_bytes:.0%} of the memory for pictures that wait for the broker is "
            "full; beyond it the oldest are lost: is the broker away or too slow?"
        )

    def _note_change(self) -> None:
        metrics.QUEUE_BYTES.labels(queue="outbox").set(self._lines.waiting_bytes)
        self._changed.notify_all()

    def _drop(self, items: Iterable[Item]) -> None:
        for item in items:
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
            self._wait()
        except DeliveryError as error:
            self._start_over(error)

    def _send(self) -> None:
        """Hand over what may be in flight."""
        while (item := self._next()) is not None:
            camera, told = item.batch.camera, partial(self._told, item)
            try:
                self._producer.send(FRAMES_RAW, camera, item.batch, partition=item.slot, on_delivery=told)
            except TooLarge as error:
                self._lose(item, "too_large", str(error))
            except RetryLater as reason:
                self._put_back(item, reason)

    def _next(self) -> Item | None:
        with self._changed:
            return self._lines.next()

    def _wait(self) -> None:
        """Wait for acknowledgements, for a batch, or until a camera may be tried again."""
        with self._changed:
            in_flight = self._lines.any_in_flight
            if not in_flight and not self._closing:
                timeout_s = RETRY_FIRST_S if self._lines.any_waiting else self._limits.timeout_s
                self._changed.wait_for(lambda: self._closing or self._lines.any_ready, timeout_s)
        if in_flight:
            self._producer.flush(ACKNOWLEDGED_S)

    def _told(self, item: Item, refusal: InvalidRecord | RetryLater | None) -> None:
        """The broker has said what became of a batch."""
        if isinstance(refusal, RetryLater):
            self._put_back(item, refusal)
        elif refusal is not None:
            self._lose(item, "refused", str(refusal))
        elif self._settled(item, delivered=True):
            item.tally.delivered(item.batch)
            self._lose_what_is_too_late(item)
            self._renewal.reset()
            self._overflowing = False

    def _put_back(self, item: Item, reason: RetryLater) -> None:
        log.warning("pictures wait", slot=item.slot, reason=str(reason))
        with self._changed:
            self._drop(self._lines.put_back(item))
            self._note_change()

    def _lose(self, item: Item, reason: str, explained: str) -> None:
        if self._settled(item, delivered=False):
            item.tally.lost(item.batch, reason)
            log.error("batch lost", camera=item.batch.camera, kind=reason, reason=explained)

    def _lose_what_is_too_late(self, delivered: Item) -> None:
        with self._changed:
            late = self._lines.too_late(delivered)
            self._note_change()
        for item in late:
            item.tally.lost(item.batch, "out_of_order")
            log.error("batch lost: a later one was taken before it", camera=item.batch.camera)

    def _settled(self, item: Item, *, delivered: bool) -> bool:
        with self._changed:
            settled = self._lines.settle(item, delivered=delivered)
            self._changed.notify_all()
            return settled

    def _start_over(self, error: DeliveryError) -> None:
        """Send again, by a new producer, what is in flight: readers drop what they had already."""
        log.error("the connection to the broker is of no use any more: a new one is made", reason=str(error))
        self._producer.close()
        with self._changed:
            self._drop(self._lines.put_all_back())
            self._note_change()
        self._rest(self._renewal.failed())
        self._producer = self._new_producer()

    def _rest(self, wait_s: float) -> None:
        """Wait, and go on beating: a heartbeat may have to come sooner."""
        until_s = self._clock.monotonic_s() + wait_s
        while not self._closing and (left_s := until_s - self._clock.monotonic_s()) > 0:
            self._beat()
            with self._changed:
                self._changed.wait_for(lambda: self._closing, min(left_s, BEAT_S))


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
        self,
        topic: Topic,
        key: str,
        value: Contract | FrameBatch | None,
        *,
        partition: int | None = None,
        on_delivery: Delivered | None = None,
    ) -> None:
        """See `Producer.send`; never raises DeliveryError."""
        try:
            self._producer.send(topic, key, value, partition=partition, on_delivery=on_delivery)
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
