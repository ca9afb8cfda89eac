"""Who does the work that is scheduled: some threads, or the caller himself, for tests that need to know the order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

Step = Callable[[float], bool]
"""Does one piece of work, waiting for it up to so many seconds; False: there was none."""

WAIT_S = 0.5
"""A thread that waits for work looks so often whether it is to end."""

CLOSE_S = 5.0
"""Longest wait for all threads together at the end. One that hangs would keep the process from ending, and nothing of
what it still works on is committed."""


class Executor(Protocol):
    """Calls the step it was started with until nothing is left to do."""

    def start(self, step: Step) -> None:
        """Begin."""

    def work_waits(self) -> None:
        """There may be something to do."""

    def close(self) -> None:
        """End, once the pieces at work are done. A piece that hangs is not waited for."""


class InlineExecutor:
    """Works at once, in the thread that brings the work."""

    def __init__(self) -> None:
        self._step: Step | None = None

    def start(self, step: Step) -> None:
        """See `Executor.start`."""
        self._step = step

    def work_waits(self) -> None:
        """See `Executor.work_waits`."""
        while self._step is not None and self._step(0.0):
            pass

    def close(self) -> None:
        """See `Executor.close`."""
        self._step = None


class ThreadExecutor:
    """Works in threads of its own. The libraries that decode, encode and infer leave Python to the others meanwhile."""

    def __init__(self, workers: int, name: str, close_s: float = CLOSE_S) -> None:
        """Make it.

        Args:
            workers: how many threads.
            name: of the threads, before their number.
            close_s: see `CLOSE_S`.
        """
        self._close_s = close_s
        self._names = [f"{name}-{number}" for number in range(workers)]
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()

    def start(self, step: Step) -> None:
        """See `Executor.start`."""
        self._threads = [
            threading.Thread(target=self._run, args=(step,), name=name, daemon=True) for name in self._names
        ]
        for thread in self._threads:
            thread.start()

    def work_waits(self) -> None:
        """The threads wait by themselves."""

    def close(self) -> None:
        """See `Executor.close`."""
        self._closed.set()
        deadline_s = time.monotonic() + self._close_s
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        left = [thread.name for thread in self._threads if thread.is_alive()]
        if left:
            log.error("workers left behind that do not end", threads=left)

    def _run(self, step: Step) -> None:
        while not self._closed.is_set():
            step(WAIT_S)
