"""One open live view: a queue bounded in bytes that forgets the oldest, never the newest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from beffroi_common.contracts import FrameBatch
from beffroi_common.runtime.metrics import BATCHES_DROPPED


@dataclass(frozen=True, slots=True)
class Held:
    """A batch in memory, with how a browser names its encoding ("" until a parameter set was seen)."""

    batch: FrameBatch
    codec: str
    size_bytes: int
    received_s: float
    """Monotonic clock."""
    by_lane: bool = False
    """Whether it came ahead of what is caught up."""


class Viewer:
    """Lives on the event loop; `offer` may be called from any thread."""

    def __init__(self, max_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._max_bytes = max_bytes
        self._queue: deque[Held] = deque()
        self._size_bytes = 0
        self._waits_for_key = True
        self._arrived = asyncio.Event()
        self.ended = False

    def offer(self, held: Held) -> None:
        """Hand over a batch from any thread."""
        self._loop.call_soon_threadsafe(self._put, held)

    def begin(self, backlog: Iterable[Held]) -> None:
        """Start with these; on the event loop, before anything that was offered later."""
        for held in backlog:
            self._put(held)

    def end(self) -> None:
        """The process stops; from any thread."""
        self._loop.call_soon_threadsafe(self._finish)

    async def next(self, timeout_s: float) -> Held | None:
        """Wait for a batch; None when none came in time, or when it ended (see `ended`)."""
        if not self._queue and not self.ended:
            self._arrived.clear()
            try:
                # Not `wait_for`: in Python 3.11 it loses a cancel that comes just after the batch.
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        if not self._queue:
            return None
        held = self._queue.popleft()
        self._size_bytes -= held.size_bytes
        return held

    def _finish(self) -> None:
        self.ended = True
        self._arrived.set()

    def _put(self, held: Held) -> None:
        if self._waits_for_key and not held.batch.starts_with_key:
            return
        self._waits_for_key = False
        self._queue.append(held)
        self._size_bytes += held.size_bytes
        if self._size_bytes > self._max_bytes:
            self._skip()
        self._arrived.set()

    def _skip(self) -> None:
        """Drop from the front until what is left fits and a decoder can start with it."""
        while self._queue and (self._size_bytes > self._max_bytes or not self._queue[0].batch.starts_with_key):
            gone = self._queue.popleft()
            self._size_bytes -= gone.size_bytes
            BATCHES_DROPPED.labels(camera=gone.batch.camera, reason="slow_viewer").inc()
        self._waits_for_key = not self._queue
