"""Warnings and errors that repeat themselves are written once, then at most once a minute with how many there were.

While a broker, a store or a database is away, each try of each camera fails alike: thousands of lines that say nothing
new bury the one that does. It is done in one place, whoever writes them, libraries too.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Hashable
from typing import Any

from .clock import Clock, SystemClock

PERIOD_S = 60.0
"""Between two lines that say the same of the same thing."""

MOST_OF_AN_EVENT = 20
"""Lines of one event in a period, whatever it is about: a thousand cameras may all meet the same outage."""

MOST_THINGS = 10_000
"""Things of which it is remembered how often they were not written."""

NAMES = ("camera", "object", "record", "topic", "partition", "secret", "work", "worker", "kind")
"""Fields that tell which thing a line is about. All others tell what is the matter with it this time."""

EVIDENCE = "evidence"
"""A field that lets each line through: what it says is nowhere else. It is not written itself."""


class LogThrottle(logging.Filter):
    """Sits on the handler, whose lock it is called under."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        self._written_s: dict[Hashable, float] = {}
        self._suppressed: Counter[Hashable] = Counter()
        self._of_event: Counter[Hashable] = Counter()
        self._period_ends_s = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; if so, it says how many like it were not."""
        fields: dict[str, Any] = record.msg if isinstance(record.msg, dict) else {"event": record.msg}
        if fields.pop(EVIDENCE, False) or not logging.WARNING <= record.levelno < logging.CRITICAL:
            return True
        self._turn()
        event = record.name, str(fields.get("event"))
        thing = event, *(str(fields.get(name)) for name in NAMES)
        if self._is_due(event, thing):
            _say_repeated(record, self._suppressed.pop(thing, 0))
            return True
        self._suppressed[thing] += 1
        return False

    def _is_due(self, event: Hashable, thing: Hashable) -> bool:
        if thing in self._written_s or self._of_event[event] >= MOST_OF_AN_EVENT:
            return False
        self._written_s[thing] = self._clock.monotonic_s()
        self._of_event[event] += 1
        return True

    def _turn(self) -> None:
        """Forget what is older than a period."""
        now_s = self._clock.monotonic_s()
        self._written_s = {thing: at_s for thing, at_s in self._written_s.items() if now_s - at_s < PERIOD_S}
        if now_s >= self._period_ends_s:
            self._period_ends_s = now_s + PERIOD_S
            self._of_event.clear()
            if len(self._suppressed) > MOST_THINGS:
                self._suppressed.clear()


def _say_repeated(record: logging.LogRecord, times: int) -> None:
    if not times:
        return
    if isinstance(record.msg, dict):
        record.msg["repeated"] = times
    else:
        record.msg, record.args = f"{record.getMessage()} (repeated {times} times)", ()
