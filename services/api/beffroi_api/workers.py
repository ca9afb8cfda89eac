"""Threads that live as long as the process: what is transient is tried again, anything else ends the process.

A message that the broker refused for good is no reason to end here: the body starts over with a producer of its own,
and people go on watching meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from beffroi_common.bus import DeliveryError, RetryLater

log = structlog.get_logger(__name__)

RETRY_S = 2.0
"""Wait before a body starts over that failed for a transient reason, or whose producer is of no use any more."""


class Worker:
    """Runs `body(stop)` in a thread, again and again, until it is stopped; `nudge` wakes a body that waits."""

    def __init__(
        self,
        name: str,
        body: Callable[[threading.Event], None],
        on_bug: Callable[[BaseException], None],
        nudge: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._body = body
        self._on_bug = on_bug
        self._nudge = nudge
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Let the body end."""
        self._stop.set()
        self._nudge()

    def join(self) -> None:
        """Wait until it ended."""
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._body(self._stop)
            except (RetryLater, DeliveryError) as reason:
                log.warning("starting over", worker=self._name, reason=str(reason))
                self._stop.wait(RETRY_S)
            except Exception as bug:
                log.exception("a bug: the process ends", worker=self._name)
                self._on_bug(bug)
                return
