"""Reads the news of all processes, and says how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import structlog

from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import AWAY, Database
from beffroi_api.news import repository
from beffroi_common.runtime.clock import Clock

from .outbox import NewsOutbox

SCOPE = Scope.system("news of everything are filtered by whoever receives them")

log = structlog.get_logger(__name__)

ROUND_S = 0.25
"""Without being woken it reads so often: what another process wrote is heard this much later at most."""

PAGE = 500
"""Rows read at a time."""

TURN_S = 1.0
"""Longest wait for another thread that reads."""

Tell = Callable[[str], None]
"""Hears the id of what changed, and looks at the database itself."""


class NewsFollower:
    """Tells this process what changed in the database, whoever changed it.

    Args:
        tell: who hears of each kind; others are passed over, as those of a later release that is beside this one for
            a while. Telling twice must change nothing.
        start_over: called where news were missed for good: everything may have changed.
        max_lag_s: see `is_current`.
    """

    def __init__(
        self,
        database: Database,
        outbox: NewsOutbox,
        tell: Mapping[str, Tell],
        start_over: Callable[[], None],
        clock: Clock,
        max_lag_s: float,
        beat: Callable[[], None],
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._tell = tell
        self._start_over = start_over
        self._clock = clock
        self._max_lag_s = max_lag_s
        self._beat = beat
        self._turn = threading.Lock()
        self._last = 0
        self._as_of_s = float("-inf")

    def begin(self) -> None:
        """Pass over what is there. Whoever loads everything afterwards misses nothing."""
        with self._database.read(SCOPE) as session:
            self._last = repository.newest(session)

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set."""
        while not stop.is_set():
            self._beat()
            self.catch_up()
            self._outbox.wait(ROUND_S)

    def is_current(self) -> bool:
        """Whether everything is known that was committed up to `max_lag_s` ago."""
        return self._clock.monotonic_s() - self._as_of_s <= self._max_lag_s

    def catch_up(self) -> bool:
        """Read what is new, and return whether everything that was committed before is known now."""
        if not self._turn.acquire(timeout=TURN_S):
            return False
        try:
            while not self._read():
                pass
        except AWAY:
            log.warning("the database does not answer: news come when it does")
            return False
        finally:
            self._turn.release()
        return True

    def _read(self) -> bool:
        """Read a page, and return whether it was the last."""
        asked_s = self._clock.monotonic_s()
        with self._database.read(SCOPE) as session:
            number = repository.newest(session)
            # Numbers that went back: the database was restored, or fails over to a copy that lacks the last ones.
            missed = number < self._last or repository.oldest(session) > self._last + 1
            rows = [] if missed else repository.after(session, self._last, PAGE)
            news = dict.fromkeys((row.kind, row.subject) for row in rows)
        if missed:
            log.warning("news were missed: everything is read again", after=self._last)
            self._start_over()
            self._last = number
            return False
        for kind, subject in news:
            if kind in self._tell:
                self._tell[kind](subject)
        if rows:
            self._last = rows[-1].id
        if len(rows) == PAGE:
            return False
        self._as_of_s = asked_s
        return True
