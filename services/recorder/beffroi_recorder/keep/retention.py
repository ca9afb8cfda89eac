"""The loop that keeps the promise on retention, in a thread of its own beside the loop that records.

A store that hangs while something is destroyed costs the recording nothing, and the other way round: each has its own
heartbeat and its own backoff. They share the producer on purpose, which is safe for several threads: its unsent
messages tell whether the broker takes any, and nothing is destroyed unsaid.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from beffroi_common.bus import RetryLater
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.health import Health
from beffroi_recorder.trouble import Troubles

from .destroyer import Destroyer

log = structlog.get_logger(__name__)

LOOP = "retention"
"""Name of its thread and of its heartbeat."""

POLL_S = 0.1
"""How soon it sees that it is asked to stop, or that a round is due."""


class Retention:
    """Has the destroyer do its rounds, and leaves a store or broker that is away alone for a while."""

    def __init__(self, destroyer: Destroyer, backoff: Backoff, troubles: Troubles) -> None:
        self._destroyer = destroyer
        self._backoff = backoff
        self._troubles = troubles

    def turn(self) -> None:
        """Do a round if one is due.

        Raises:
            Fatal: see `Destroyer.tick`.
        """
        if not self._backoff.is_due():
            return
        try:
            self._destroyer.tick()
        except RetryLater as reason:
            self._troubles.deferred("destruction", reason)
            self._backoff.failed()
        else:
            self._troubles.over("destruction")
            self._backoff.reset()


class RetentionThread:
    """Turns the loop as long as the context lasts. What ends the loop ends the process: it sets `stop`, and is raised
    when the context is left."""

    def __init__(self, turn: Callable[[], None], health: Health, stop: threading.Event) -> None:
        self._turn = turn
        self._health = health
        self._stop = stop
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=LOOP, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let it end, and raise what ended it before, unless something else is raised already.

        Raises:
            BaseException: what ended the loop.
        """
        self._stop.set()
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._health.beat(LOOP)
                self._turn()
                self._stop.wait(POLL_S)
        except BaseException as error:  # noqa: BLE001 - raised again by whoever leaves the context
            log.error("retention ends, and the process with it", reason=str(error))
            self._failure = error
            self._stop.set()
        else:
            self._health.forget(LOOP)
