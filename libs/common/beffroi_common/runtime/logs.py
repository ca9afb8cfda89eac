"""Structured logs: one JSON object a line on standard output."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from typing import Any, TextIO

import structlog
from opentelemetry import trace

from .log_throttle import LogThrottle
from .uncaught import log_uncaught


class _LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines. One that cannot be written as asked is not followed by a traceback that nobody can parse."""

    def handle(self, record: logging.LogRecord) -> bool:
        """See `logging.Handler.handle`. What goes wrong in a filter is no affair of whoever writes a line, either."""
        try:
            return bool(super().handle(record))
        except Exception:  # noqa: BLE001 - it is said, and the line is lost alone
            self.handleError(record)
            return False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """See `logging.Handler.handleError`."""
        reason = sys.exc_info()[0]
        lost = {
            "event": "a line of the log could not be written",
            "logger": record.name,
            "level": "error",
            "of": record.pathname,
            "line": record.lineno,
            "reason": reason.__name__ if reason else None,
        }
        with suppress(OSError, ValueError):
            self.stream.write(json.dumps(lost) + self.terminator)


def configure(service: str, instance: str, level: str) -> None:
    """Set up structlog and the standard library's logging alike."""

    def add_process(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        # Not by context variables: a new thread begins with none, and workers are threads.
        return {"service": service, "instance": instance, **event}

    shared: list[Any] = [
        add_process,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _LineHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    handler.addFilter(LogThrottle())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    log_uncaught()


def _add_trace(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid and context.trace_flags.sampled:
        event["trace_id"] = format(context.trace_id, "032x")
    return event
