"""An application that listens on a port of loopback, as the api does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from tests.application import eventually

from beffroi_api.http.server import Server
from beffroi_common.runtime.health import Health
from beffroi_testing import ManualClock


@contextmanager
def listening(app: FastAPI, *, http: Any, ws: Any = "none") -> Iterator[int]:
    """While it lasts, `app` is served by these protocols. Gives the port."""
    config = uvicorn.Config(app, port=0, log_config=None, http=http, ws=ws)
    server = Server(config, app, health := Health(ManualClock(), 60.0), threading.Event())
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: health.ready() == {"listening": True})
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
