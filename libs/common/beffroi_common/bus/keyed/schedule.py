"""Which camera is worked on next, what waits, and which offsets are still needed. No batch is worked on in here."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from beffroi_common.bus.idle import LONGEST_TURN_S, IdleTracker
from beffroi_common.bus.interfaces import Partition, Refusal, Settled
from beffroi_common.errors import Fatal
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import MAX_FRAME_RECORD_BYTES

from .room import Room
from .state import Item, KeyState, Phase, Unsent, Work
from .streams import Key, KeyedStream

RETRY_FIRST_S = 0.1
RETRY_MOST_S = 5.0
"""A camera that must wait is tried again after the first, doubled up to the most, as the loop does with a record."""

LARGEST_ITEM_BYTES = 2 * MAX_FRAME_RECORD_BYTES
"""A record of the largest size and the batch that was read from it."""

LOOK_S = 0.1
"""Whoever waits for a worker looks at the clock so often."""


OnHung = Callable[[Partition, int, str], None]
"""Takes a record's partition, its offset and its camera."""


class WorkerHungError(Fatal):
    """A batch has been worked on for so long that it will never end."""


class Schedule:
    """Shared by the loop's thread and the workers; everything in it is behind one lock."""

    def __init__(
        self, clock: Clock, limit_bytes: int, hang_s: float, on_hung: OnHung = lambda _source, _offset, _key: None
    ) -> None:
        """Begin empty.

        Args:
            clock: for waits.
            limit_bytes: of everything that waits; never exceeded.
            hang_s: a worker that is not done with a batch after so long hangs. Time in which nobody looked does not
                count: this process may have been frozen, and its worker with it.
            on_hung: is told what it was about, before the process ends for it.
        """
        self._clock = clock
        self._room = Room(limit_bytes - LARGEST_ITEM_BYTES)
        self._hang_s = hang_s
        self._looked_at_s = clock.monotonic_s()
        self._awake_s = 0.0
        self._on_hung = on_hung
        self._changed = threading.Condition()
        self._states: dict[Key, KeyState] = {}
        self._ready: deque[KeyState] = deque()
        self._at_work: dict[Key, KeyState] = {}
        self._unsent = 0
        self._settled: deque[tuple[Settled, int]] = deque()
        self._taken: list[tuple[Partition, int]] = []
        self._failures: dict[Key, BaseException] = {}
        self._end: BaseException | None = None
        self._refused: dict[Partition, int] = {}

    # What the loop's thread asks.

    def offer(self, key: Key, item: Item, observed_at_s: float, hole_offset: int = -1) -> None:
        """Put a batch at the end of its camera's queue.

        Args:
            key: whose it is.
            item: the batch.
            observed_at_s: now, in the time of its partition, see `IdleTracker`.
            hole_offset: of the last record of its partition before which others had gone from the broker unread.
        """
        with self._changed:
            state = self._states.get(key)
            if state is None:
                state = self._states[key] = KeyState(key, Backoff(self._clock, RETRY_FIRST_S, RETRY_MOST_S))
            overtaken = hole_offset > state.offered_offset
            state.items.append(replace(item, overtaken=True) if overtaken else item)
            state.offered_offset = item.record.offset
            # It is not idle any more: to rest between two batches would cost a decoder its place in the group.
            state.observed_in, state.observed_at_s, state.rest_due = item.record.source, observed_at_s, False
            self._room.take(item.record.source, item.size_bytes)
            self._wake(state)

    def is_full(self) -> bool:
        """Whether one more record could be too much, whose it may be; see `Room`."""
        with self._changed:
            return self._room.is_full()

    def full_partitions(self, assigned: Collection[Partition]) -> frozenset[Partition]:
        """Those of the assigned that leave room for the others; see `Room`."""
        with self._changed:
            return self._room.full_partitions(assigned)

    def take_settled(self) -> list[Settled]:
        """What became of batches since it was asked last, in the order in which they were done.

        Whoever asks is done with what was taken before: until then it counts, since a dead letter may wait.
        """
        with self._changed:
            taken, self._settled = self._settled, deque()
            self._give_back(self._taken)
            self._taken = [(settled.source, size_bytes) for settled, size_bytes in taken if size_bytes]
            return [settled for settled, _ in taken]

    def needed(self) -> dict[Partition, int]:
        """The lowest offset still needed of each partition that has one."""
        lowest: dict[Partition, int] = {}
        with self._changed:
            held = [each for state in self._states.values() for each in state.held_offsets()]
            held += [(each.source, each.refusal.record.offset) for each, _ in self._settled if each.refusal is not None]
            held += self._refused.items()
        for source, offset in held:
            lowest[source] = min(offset, lowest.get(source, offset))
        return lowest

    def turn(self, idle: IdleTracker, forget_s: float) -> None:
        """Try again what is due, let idle cameras rest, and forget those that are idle for `forget_s`."""
        with self._changed:
            for state in list(self._states.values()):
                if state.phase is Phase.DEFERRED and state.backoff.is_due():
                    self._wake(state)
                elif state.phase is Phase.WAITING and not state.has_work:
                    observed = state.observed_in, state.observed_at_s
                    if idle.is_idle(*observed):
                        self._let_rest(state, forgotten=idle.idle_for_s(*observed) >= forget_s)

    def drop(self, partitions: Collection[Partition]) -> None:
        """Forget what came from these partitions, once whoever works on it is done with the batch at hand.

        Raises:
            WorkerHungError: one is not done with it.
        """
        with self._changed:
            concerned = [state for state in self._states.values() if state.concerns(partitions)]
            for state in concerned:
                self._freeze(state)
            while any(state.phase is Phase.AT_WORK for state in concerned):
                self._raise_if_hung()
                self._changed.wait(LOOK_S)
            for state in concerned:
                self._unsent -= len(state.unsent)
                self._give_back(state.drop(partitions))
                self._unsent += len(state.unsent)
                if state.phase is Phase.FAILED:  # what it met is gone with what was held for it
                    state.phase = Phase.WAITING
                    del self._failures[state.key]
                self._thaw(state)
            self._forget_settled(partitions)
            self._refused = {each: offset for each, offset in self._refused.items() if each not in partitions}

    def raise_failure(self) -> None:
        """Raise what ended a worker.

        Raises:
            BaseException: whatever it was.
            WorkerHungError: a worker is not done with a batch for too long.
        """
        with self._changed:
            if self._end is not None:
                raise self._end
            for failure in self._failures.values():
                raise failure
            self._raise_if_hung()

    @property
    def any_unsent(self) -> bool:
        """Whether outputs wait for the broker."""
        with self._changed:
            return self._unsent > 0

    def cameras(self) -> set[str]:
        """Those of which anything is held."""
        with self._changed:
            return {key.camera for key in self._states}

    def counters(self) -> dict[str, float]:
        """How much there is of everything."""
        with self._changed:
            states = list(self._states.values())
            return {
                "streams": len(states),
                "waiting_batches": sum(len(state.items) for state in states),
                "unsent": self._unsent,
                "queue_bytes": self._room.bytes,
                "peak_queue_bytes": self._room.peak_bytes,
            }

    # What a worker asks.

    def claim(self, wait_s: float) -> KeyState | None:
        """Take the first of the row, waiting for one if need be. Nobody else works on it until it is given back."""
        with self._changed:
            if not self._may_begin and wait_s > 0:
                self._changed.wait(wait_s)
            if not self._may_begin:
                return None
            state = self._ready.popleft()
            state.phase, state.at_work_since_s = Phase.AT_WORK, self._awake_s
            self._at_work[state.key] = state
            return state

    def works_on(self, state: KeyState, work: Work | None) -> None:
        """Whoever claimed it is about this now."""
        with self._changed:
            state.at_work_on = work

    def begun(self, state: KeyState, stream: KeyedStream, source: Partition) -> None:
        """A new stream goes on for this key."""
        with self._changed:
            state.stream, state.source, state.needed = stream, source, None

    def handled(self, state: KeyState, item: Item, unsent: Iterable[Unsent], needed: int | None) -> None:
        """Its first batch is done with, and this came out of it."""
        with self._changed:
            self._done(state, item)
            state.needed, state.last_offset, state.rested = needed, item.record.offset, False
            self._settled.append((Settled(item.record.source, item.record.offset), 0))
            self._keep(state, unsent, item)

    def refused(self, state: KeyState, item: Item, reason: str) -> None:
        """Its first batch can never be handled."""
        with self._changed:
            self._done(state, item)
            refusal = Refusal(item.record, reason)
            self._settled.append((Settled(item.record.source, item.record.offset, refusal), item.size_bytes))

    def rested(self, state: KeyState, unsent: Iterable[Unsent], needed: int | None) -> None:
        """It rested since it is idle, and this came out of it."""
        with self._changed:
            state.rest_due, state.rested, state.needed = False, True, needed
            self._keep(state, unsent)

    def moved(self, state: KeyState, unsent: Iterable[Unsent]) -> None:
        """Its stream of before ended with this: its camera is in another partition now."""
        with self._changed:
            state.stream, state.needed, state.rest_due = None, None, False
            self._keep(state, unsent)

    def first_item(self, state: KeyState) -> Item | None:
        """The batch to be worked on."""
        with self._changed:
            return state.items[0] if state.items else None

    def first_unsent(self, state: KeyState) -> Unsent | None:
        """The output to be sent."""
        with self._changed:
            return state.unsent[0] if state.unsent else None

    def sent(self, state: KeyState) -> None:
        """Its first output is with the broker, or was given up."""
        with self._changed:
            state.unsent.popleft()
            self._unsent -= 1
            if not state.unsent:
                self._release_bytes(state)

    def give_back(self, state: KeyState) -> None:
        """A piece of its work is done: it goes to the end of the row if there is more."""
        with self._changed:
            del self._at_work[state.key]
            self._undefer(state)
            self._wake(state)
            self._changed.notify_all()

    def defer(self, state: KeyState) -> bool:
        """Its work cannot be done now: try again after a while. Returns whether that is new."""
        with self._changed:
            del self._at_work[state.key]
            state.phase = Phase.DEFERRED
            state.backoff.failed()
            state.deferrals += 1
            self._changed.notify_all()
            return state.deferrals == 1

    def fail(self, state: KeyState, error: BaseException) -> None:
        """A worker met what must end the process: no work is begun any more."""
        with self._changed:
            del self._at_work[state.key]
            state.phase = Phase.FAILED
            self._failures[state.key] = error
            self._changed.notify_all()

    def end(self, error: BaseException, source: Partition, offset: int) -> None:
        """No work is begun any more, and the process ends. What comes from `offset` on is to be made again."""
        with self._changed:
            self._end = self._end or error
            self._refused[source] = min(offset, self._refused.get(source, offset))
            self._changed.notify_all()

    # With the lock held.

    @property
    def _may_begin(self) -> bool:
        return bool(self._ready) and not self._failures and self._end is None

    def _wake(self, state: KeyState) -> None:
        if state.phase is Phase.DEFERRED and not state.backoff.is_due():
            return
        if state.phase in (Phase.WAITING, Phase.DEFERRED) and state.has_work and not state.frozen:
            state.phase = Phase.READY
            self._ready.append(state)
            self._changed.notify()

    def _let_rest(self, state: KeyState, *, forgotten: bool) -> None:
        if not state.rested and state.stream is not None:
            state.rest_due = True
            self._wake(state)
        elif forgotten or state.stream is None:
            if state.stream is not None:
                state.stream.discard()
            del self._states[state.key]

    def _freeze(self, state: KeyState) -> None:
        state.frozen = True
        if state.phase is Phase.READY:
            self._ready.remove(state)
            state.phase = Phase.WAITING

    def _thaw(self, state: KeyState) -> None:
        state.frozen = False
        if state.stream is None and not state.has_work:
            del self._states[state.key]
            return
        if state.phase is Phase.DEFERRED and not state.has_work:
            self._undefer(state)
        self._wake(state)

    def _undefer(self, state: KeyState) -> None:
        state.phase, state.deferrals = Phase.WAITING, 0
        state.backoff.reset()

    def _forget_settled(self, partitions: Collection[Partition]) -> None:
        """Their new owner reads these records again."""
        gone = [each for each in self._settled if each[0].source in partitions]
        self._give_back((settled.source, size_bytes) for settled, size_bytes in gone)
        self._settled = deque(each for each in self._settled if each[0].source not in partitions)

    def _done(self, state: KeyState, item: Item) -> None:
        if state.items.popleft() is not item:
            raise RuntimeError("only the first batch of a key is worked on")

    def _keep(self, state: KeyState, unsent: Iterable[Unsent], item: Item | None = None) -> None:
        """The bytes of a batch count until everything that was made of it is sent."""
        before = len(state.unsent)
        state.unsent.extend(unsent)
        self._unsent += len(state.unsent) - before
        if item is not None:
            state.unsent_bytes[item.record.source] += item.size_bytes
        if not state.unsent:
            self._release_bytes(state)

    def _release_bytes(self, state: KeyState) -> None:
        self._give_back(state.unsent_bytes.items())
        state.unsent_bytes.clear()

    def _give_back(self, held: Iterable[tuple[Partition, int]]) -> None:
        for source, size_bytes in held:
            self._room.give_back(source, size_bytes)

    def _raise_if_hung(self) -> None:
        now_s = self._clock.monotonic_s()
        self._awake_s += min(now_s - self._looked_at_s, LONGEST_TURN_S)
        self._looked_at_s = now_s
        for state in self._at_work.values():
            if self._awake_s - state.at_work_since_s > self._hang_s:
                if state.at_work_on is not None:
                    self._on_hung(*state.at_work_on, state.key.camera)
                raise WorkerHungError(
                    f"a batch of camera {state.key.camera} has been worked on for {self._hang_s:g} s and does not end"
                )
