"""`python -m beffroi_api`: the application on the public port, metrics and health on the admin port."""

from __future__ import annotations

import sys

import structlog
import uvicorn
from fastapi import FastAPI

from beffroi_api.http.app import create_app
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.services import Services, build
from beffroi_api.settings import ApiSettings
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.runtime import lifecycle, settings
from beffroi_common.runtime.health import Health
from beffroi_common.store.minio import MinioStore

log = structlog.get_logger(__name__)

MAX_CLIENT_MESSAGE_BYTES = 4096
"""A live view expects nothing from the browser."""

LISTENING = "listening"
"""Condition of readiness: the public port accepts requests."""


class Server(uvicorn.Server):
    """Says while it is ready. Closes open streams first, so that stopping does not wait for people to leave."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, health: Health) -> None:
        super().__init__(config)
        self._app = app
        self._health = health
        self.failed = False
        health.set_ready(LISTENING, False)

    def fail(self, _bug: BaseException) -> None:
        """A part of the process is broken: end it, and say so by its status."""
        self.failed = True
        self.should_exit = True

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """See uvicorn."""
        await super().startup(sockets)  # type: ignore[arg-type]
        self._health.set_ready(LISTENING, self.started)

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """See uvicorn."""
        self._health.set_ready(LISTENING, False)
        services: Services | None = getattr(self._app.state, "services", None)
        if services is not None:
            services.end_streams()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def main() -> None:
    """Run until stopped; end with status 1 when a part broke."""
    wanted = settings.load(ApiSettings)
    with lifecycle.running("api", wanted) as runtime:
        servers: list[Server] = []

        def services() -> Services:
            bus = KafkaBus(wanted.kafka, "api", wanted.instance)
            stores = Stores(MinioStore(name, each) for name, each in wanted.stores.items())
            return build(wanted, bus, stores, runtime.clock, runtime.health, servers[0].fail)

        app = create_app(wanted, services)
        server = Server(_config(wanted, app), app, runtime.health)
        servers.append(server)
        server.run()
        failed = server.failed or not server.started
    if failed:
        sys.exit(1)


def _config(wanted: ApiSettings, app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=wanted.host,
        port=wanted.port,
        log_config=None,  # the runtime's logs are set up already
        access_log=False,  # who looked at what is in the audit trail, counts are in the metrics
        proxy_headers=True,
        forwarded_allow_ips=wanted.trusted_proxies,
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=MAX_CLIENT_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # encoded video does not get smaller
        timeout_graceful_shutdown=wanted.shutdown_timeout_s,
        lifespan="on",
    )


if __name__ == "__main__":
    main()
