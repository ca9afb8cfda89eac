"""What librdkafka writes by itself, as lines of ours."""

from __future__ import annotations

import logging

import structlog

log = structlog.get_logger(__name__)


class RdkafkaLog:
    """librdkafka's own lines, as ours. It repeats itself at each try; see `runtime.log_throttle`.

    A broker that is away is no error of ours, and whoever waits for it says so: its lines are warnings at most.
    """

    def log(self, level: int, text: str, *args: object) -> None:
        """See `logging.Logger.log`."""
        line = text % args if args else text
        log.log(min(level, logging.WARNING), "librdkafka", kind=line.split("[", 1)[0].strip(), text=line)
