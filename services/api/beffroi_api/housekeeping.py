"""What has to be looked at now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from beffroi_api.db.database import AWAY
from beffroi_common.runtime.clock import Clock

log = structlog.get_logger(__name__)

ROUND_S = 1.0


@dataclass
class Chore:
    """Something done every `every_s` seconds.

    Attributes:
        needs_clock: what it ends or changes because of the time by our clock cannot be undone.
    """

    do: Callable[[], None]
    every_s: float
    needs_clock: bool = False
    due_s: float = 0.0


class Housekeeping:
    """Does chores one after the other. What needs a right clock waits while `is_clock_right` does not say so."""

    def __init__(
        self, chores: Sequence[Chore], clock: Clock, beat: Callable[[], None], is_clock_right: Callable[[], bool]
    ) -> None:
        self._chores = chores
        self._clock = clock
        self._beat = beat
        self._is_clock_right = is_clock_right

    def run(self, stop: threading.Event) -> None:
        """Go on until `stop` is set."""
        while not stop.is_set():
            self._beat()
            self.round()
            stop.wait(ROUND_S)

    def round(self) -> None:
        """Do what is due."""
        for chore in self._chores:
            if self._clock.monotonic_s() < chore.due_s or (chore.needs_clock and not self._is_clock_right()):
                continue
            chore.due_s = self._clock.monotonic_s() + chore.every_s
            try:
                chore.do()
            except AWAY:
                log.warning("the database does not answer: tried again later")
