"""The life of a process: logs, traces, admin port, a stop that comes from outside, a report of its health."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TypeVar

import structlog

from . import core_dumps, logs, tracing
from .clock import Clock, SystemClock
from .health import Health
from .http import admin_server
from .settings import ServiceSettings, SettingsError

log = structlog.get_logger(__name__)

Found = TypeVar("Found")

RETRY_S = 0.5
"""Between attempts that fail at once."""


@dataclass(frozen=True)
class Runtime:
    """What `__main__` hands to the parts it wires."""

    service: str
    instance: str
    clock: Clock
    health: Health
    stop: threading.Event
    admin_port: int

    def wait_for(
        self, attempt: Callable[[float], Found], period_s: float, waiting: str, **about: object
    ) -> Found | None:
        """Attempt until it gives something true, and return that; None when asked to stop before.

        Args:
            attempt: takes at most the seconds it is given.
            period_s: those seconds.
            waiting: what is logged, with `about`, after each attempt in vain: what is missing and what to look at.
        """
        while not self.stop.is_set():
            self.health.beat()
            found = attempt(period_s)
            if found:
                return found
            log.warning(waiting, **about)
            self.stop.wait(RETRY_S)
        return None


@contextmanager
def running(service: str, settings: ServiceSettings) -> Iterator[Runtime]:
    """Set the process up, and tear it down whatever happens.

    SIGTERM and SIGINT set `stop`; whoever loops looks at it.

    Raises:
        SettingsError: the internal port is taken.
    """
    core_dumps.forbid()
    logs.configure(service, settings.instance, settings.log_level)
    tracing.configure(service, settings.instance, settings.otlp_endpoint, settings.trace_ratio)
    stop = threading.Event()
    _stop_on_signals(stop)
    clock = SystemClock()
    health = Health(clock, settings.heartbeat_timeout_s)
    try:
        server = admin_server(health, settings.admin_host, settings.admin_port)
    except OSError as error:
        raise SettingsError(
            f"admin_port {settings.admin_port} on {settings.admin_host} cannot be had ({error.strerror}): "
            "choose another or stop who has it"
        ) from None
    log.info("started", admin_port=server.server_port)
    try:
        yield Runtime(service, settings.instance, clock, health, stop, server.server_port)
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        log.info("stopped")


def _stop_on_signals(stop: threading.Event) -> None:
    def ask(signum: int, _frame: FrameType | None) -> None:
        log.info("asked to stop", signal=signal.Signals(signum).name)
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
