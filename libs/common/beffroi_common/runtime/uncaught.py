"""What nobody caught, and what Python says by itself, as lines of the log like all others."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType

import structlog

log = structlog.get_logger(__name__)


def log_uncaught() -> None:
    """Bring uncaught exceptions and warnings, of any thread, into the log. (asyncio uses the log by itself.)"""
    sys.excepthook = _of_process
    threading.excepthook = _of_thread
    sys.unraisablehook = _unraisable
    logging.captureWarnings(True)


def _of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("the process ends: uncaught exception", exc_info=(kind, error, trace))


def _of_thread(what: threading.ExceptHookArgs) -> None:
    if what.exc_type is SystemExit or what.exc_value is None:
        return
    name = what.thread.name if what.thread is not None else None
    log.critical("a thread ends: uncaught exception", thread=name, exc_info=what.exc_value)


def _unraisable(what: sys.UnraisableHookArgs) -> None:
    log.error("exception that could not be raised", where=repr(what.object), exc_info=what.exc_value)
