"""The process is ready while it listens, and no longer."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from tests.application import eventually

from beffroi_api.http.server import Server
from beffroi_common.runtime.health import Health
from beffroi_testing import ManualClock


def test_it_is_ready_while_it_listens() -> None:
    health = Health(ManualClock(), 60.0)
    around: list[dict[str, bool]] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        around.append(health.ready())
        yield
        around.append(health.ready())

    app = FastAPI(lifespan=lifespan)
    server = Server(uvicorn.Config(app, port=0, log_config=None, ws="none"), app, health)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: health.ready() == {"listening": True})
    finally:
        server.should_exit = True
        thread.join()
    assert around == [{"listening": False}, {"listening": False}]


def test_it_does_not_start_and_says_so_where_its_parts_do_not() -> None:
    health = Health(ManualClock(), 60.0)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        raise OSError("the database is away")
        yield

    app = FastAPI(lifespan=lifespan)
    server = Server(uvicorn.Config(app, port=0, log_config=None, ws="none", lifespan="on"), app, health)
    server.run()
    assert server.failed
    assert health.ready() == {"listening": False}


def test_it_does_not_start_and_says_so_where_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        app = FastAPI()
        config = uvicorn.Config(app, port=taken.getsockname()[1], log_config=None, ws="none")
        server = Server(config, app, Health(ManualClock(), 60.0))
        server.run()
    assert server.failed
