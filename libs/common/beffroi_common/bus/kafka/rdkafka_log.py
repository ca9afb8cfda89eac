"""What librdkafka writes by itself, as lines of ours."""

from __future__ import annotations

import logging

import structlog

from beffroi_common.runtime.clock import Clock, SystemClock

log = structlog.get_logger(__name__)

QUIET_S = 30.0
"""Between two lines of one kind from librdkafka, which would write some sixty a second while a broker is away."""


class RdkafkaLog:
    """librdkafka's own lines, as ours: those of one kind at most once in a while, since it repeats itself at each try.

    A broker that is away is no error of ours, and whoever waits for it says so: its lines are warnings at most.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._quiet_until_s: dict[str, float] = {}

    def log(self, level: int, text: str, *args: object) -> None:
        """See `logging.Logger.log`."""
        line = text % args if args else text
        kind = line.split("[", 1)[0]
        now_s = self._clock.monotonic_s()
        if now_s < self._quiet_until_s.get(kind, 0.0):
            return
        self._quiet_until_s[kind] = now_s + QUIET_S
        log.log(min(level, logging.WARNING), "librdkafka", text=line)
