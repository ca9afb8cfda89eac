"""Turns at one kind of work, shared out fairly: so many at a time, so many of them to one key; the rest waits, bounded.

A key is whose work it is: a person, or the network of somebody who is not known. Whoever asks for sixty things at once
waits for their own turns, and not the others for theirs.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from beffroi_api.errors import Busy

RETRY_AFTER_S = 2


@dataclass(frozen=True)
class Limits:
    """Of one kind of work.

    Attributes:
        at_once: turns that are taken at a time, by all together.
        per_key: of these, by one key.
        waiting: those that wait, of all together.
        waiting_per_key: of these, of one key.
        wait_s: longest wait; None: as long as it takes.
    """

    at_once: int
    per_key: int
    waiting: int = 256
    waiting_per_key: int = 64
    wait_s: float | None = 5.0


class Turn:
    """One turn, until it is given back."""

    def __init__(self, turns: Turns, key: str) -> None:
        self._turns = turns
        self._key = key
        self._is_taken = True

    def leave(self) -> None:
        """Give it back; from any thread, and a second time changes nothing."""
        if self._is_taken:
            self._is_taken = False
            self._turns._give_back(self._key)


class _Waiter:
    """Somebody whose turn has not come. Tests have an event loop for each request, so it knows its own."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._come = self._loop.create_future()
        self.is_granted = False

    def grant(self) -> None:
        """Its turn has come; under the lock."""
        self.is_granted = True
        self._loop.call_soon_threadsafe(self._tell)

    async def wait(self) -> None:
        await self._come

    def _tell(self) -> None:
        if not self._come.done():
            self._come.set_result(None)


class Turns:
    """Hands out turns at one kind of work."""

    def __init__(self, what: str, limits: Limits) -> None:
        self._what = what
        self._limits = limits
        self._taken: Counter[str] = Counter()
        self._queues: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        """By key, whoever had a turn last at the end."""
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """Turns that are taken at present."""
        with self._lock:
            return self._taken.total()

    @property
    def waiting(self) -> int:
        """How many wait at present."""
        with self._lock:
            return self._waiting()

    def refuse_when_full(self, key: str) -> None:
        """See that `key` could have one more turn at once.

        Raises:
            Busy: it could not.
        """
        with self._lock:
            self._refuse_when_full(key)

    def enter(self, key: str) -> Turn:
        """Take a turn at once, or none.

        Raises:
            Busy: all are taken, or `key` has as many as one may have.
        """
        with self._lock:
            self._refuse_when_full(key)
            self._taken[key] += 1
        return Turn(self, key)

    async def wait(self, key: str) -> Turn:
        """Take a turn as soon as there is one.

        Raises:
            Busy: too many wait already, or it took too long.
        """
        with self._lock:
            if self._is_free_for(key) and key not in self._queues:
                self._taken[key] += 1
                return Turn(self, key)
            waiter = self._line_up(key)
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await waiter.wait()
        except (TimeoutError, asyncio.CancelledError) as reason:
            if self._leave_line(key, waiter):
                if isinstance(reason, TimeoutError):
                    raise self._busy() from None
                raise
            if not isinstance(reason, TimeoutError):  # it came in the same moment, to nobody
                Turn(self, key).leave()
                raise
        return Turn(self, key)

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[Turn]:
        """See `wait`; given back at the end, if not before."""
        turn = await self.wait(key)
        try:
            yield turn
        finally:
            turn.leave()

    def _is_free_for(self, key: str) -> bool:
        return self._taken.total() < self._limits.at_once and self._taken[key] < self._limits.per_key

    def _refuse_when_full(self, key: str) -> None:
        if self._taken[key] >= self._limits.per_key:
            raise Busy(f"You have {self._limits.per_key} {self._what} already: close one first.")
        if self._taken.total() >= self._limits.at_once:
            raise Busy(f"There are {self._limits.at_once} {self._what} already: somebody must close one first.")

    def _line_up(self, key: str) -> _Waiter:
        queue = self._queues.get(key, ())
        if len(queue) >= self._limits.waiting_per_key or self._waiting() >= self._limits.waiting:
            raise self._busy()
        waiter = _Waiter()
        self._queues.setdefault(key, deque()).append(waiter)
        return waiter

    def _leave_line(self, key: str, waiter: _Waiter) -> bool:
        """Whether the turn of `waiter` had not come, and does not any more."""
        with self._lock:
            if waiter.is_granted:
                return False
            self._remove(key, waiter)
            return True

    def _give_back(self, key: str) -> None:
        with self._lock:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]  # keys come and go: strangers have as many as they like
            while (following := next(filter(self._is_free_for, self._queues), None)) is not None:
                waiter = self._queues[following][0]
                self._remove(following, waiter)
                if following in self._queues:
                    self._queues.move_to_end(following)
                self._taken[following] += 1
                waiter.grant()

    def _remove(self, key: str, waiter: _Waiter) -> None:
        self._queues[key].remove(waiter)
        if not self._queues[key]:
            del self._queues[key]

    def _waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    def _busy(self) -> Busy:
        return Busy(
            f"As many {self._what} as can be borne are under way: try again in a moment.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
