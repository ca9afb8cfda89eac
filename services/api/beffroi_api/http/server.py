"""The server of a process that people reach."""

from __future__ import annotations

import resource
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

import uvicorn
from fastapi import FastAPI

from beffroi_api.http.connections import prompt_requests, prompt_views
from beffroi_api.http.places import Places
from beffroi_api.process.services import OnBug, ProcessServices
from beffroi_api.process.settings import ProcessSettings
from beffroi_common.runtime import lifecycle
from beffroi_common.runtime.health import Health

Services = TypeVar("Services", bound=ProcessServices)

MAX_CLIENT_MESSAGE_BYTES = 4096
"""A live view expects nothing from the browser."""

OTHER_FILES = 512
"""Of the process beside connections: database, broker, stores, logs."""

LISTENING = "listening"
"""Condition of readiness: the public port accepts requests."""


class Server(uvicorn.Server):
    """Says while it is ready. Closes open streams first, so that stopping does not wait for people to leave."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, health: Health, stop: threading.Event) -> None:
        super().__init__(config)
        self._app = app
        self._stop = stop
        self._health = health
        self.failed = False
        health.set_ready(LISTENING, False)

    def fail(self, _bug: BaseException) -> None:
        """A part of the process is broken: end it, and say so by its status."""
        self.failed = True
        self.should_exit = True

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """See uvicorn, which ends the process here with a status of its own."""
        try:
            await super().startup(sockets)  # type: ignore[arg-type]
        except SystemExit:
            self.failed = self.should_exit = True
            return
        self._health.set_ready(LISTENING, self.started)

    async def on_tick(self, counter: int) -> bool:
        """See uvicorn, which does not know of a signal that came before it took signals over itself."""
        return await super().on_tick(counter) or self._stop.is_set()

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """See uvicorn."""
        self._health.set_ready(LISTENING, False)
        services: ProcessServices | None = getattr(self._app.state, "services", None)
        if services is not None:
            services.end_streams()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def config(wanted: ProcessSettings, app: FastAPI) -> uvicorn.Config:
    """How uvicorn serves `app`."""
    return uvicorn.Config(
        app,
        host=wanted.host,
        port=wanted.port,
        log_config=None,  # the runtime's logs are set up already
        access_log=False,  # who looked at what is in the audit trail, counts are in the metrics
        proxy_headers=bool(wanted.trusted_proxies),
        forwarded_allow_ips=wanted.trusted_proxies,
        server_header=False,
        http=prompt_requests(wanted.request_timeout_s, wanted.write_timeout_s, places_of(wanted)),
        ws=prompt_views(wanted.write_timeout_s),
        ws_max_size=MAX_CLIENT_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # encoded video does not get smaller
        timeout_graceful_shutdown=wanted.shutdown_timeout_s,
        lifespan="on",
    )


def places_of(wanted: ProcessSettings) -> Places:
    """Places for as many connections as the settings say."""
    return Places(wanted.max_connections, wanted.max_connections_per_network, wanted.is_proxy)


def _allow_files(connections: int) -> None:
    """Each connection is an open file, and by default a process may have fewer of them than connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def serve(
    service: str,
    wanted: ProcessSettings,
    create: Callable[[Callable[[], Services]], FastAPI],
    build: Callable[[lifecycle.Runtime, OnBug], Services],
) -> None:
    """Run until stopped; end with status 1 when a part broke or it did not start.

    Args:
        service: name of the process.
        wanted: its settings.
        create: puts the application together; given what makes its services when it starts.
        build: wires these, given what is to be called with a bug.
    """
    _allow_files(wanted.max_connections)
    with lifecycle.running(service, wanted) as runtime:
        app = create(lambda: build(runtime, server.fail))
        server = Server(config(wanted, app), app, runtime.health, runtime.stop)
        server.run()
    if server.failed:
        sys.exit(1)
