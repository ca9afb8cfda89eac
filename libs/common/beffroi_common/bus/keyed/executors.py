"""Who does the work that is scheduled: some threads, or the caller himself, for tests that need to know the order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

Step = Callable[[float], bool]
"""Does one piece of work, waiting for it up to so many seconds; False: there was none."""

WAIT_S = 0.5
"""A thread that waits for work looks so often whether it is to end."""


class Executor(Protocol):
    """Calls the step it was started with until nothing is left to do."""

    def start(self, step: Step) -> None:
        """Begin."""

    def work_waits(self) -> None:
        """There may be something to do."""

    def close(self) -> None:
        """End, once the pieces at work are done."""


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

    def __init__(self, workers: int, name: str) -> None:
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
        for thread in self._threads:
            thread.join()

    def _run(self, step: Step) -> None:
        while not self._closed.is_set():
            step(WAIT_S)
