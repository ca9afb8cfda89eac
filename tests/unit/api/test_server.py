"""The process is ready while it listens, and no longer."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from tests.application import eventually
from tests.unit.api.listening import listening

from beffroi_api.http.connections import prompt_requests
from beffroi_api.http.places import Places
from beffroi_api.http.server import Server
from beffroi_common.runtime.health import Health
from beffroi_testing import ManualClock

WHOLE = b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"


def test_it_is_ready_while_it_listens() -> None:
    health = Health(ManualClock(), 60.0)
    around: list[dict[str, bool]] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        around.append(health.ready())
        yield
        around.append(health.ready())

    app = FastAPI(lifespan=lifespan)
    server = Server(uvicorn.Config(app, port=0, log_config=None, ws="none"), app, health, threading.Event())
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: health.ready() == {"listening": True})
    finally:
        server.should_exit = True
        thread.join()
    assert around == [{"listening": False}, {"listening": False}]


def test_a_stop_that_was_asked_for_before_the_server_ran_is_heard() -> None:
    """Whoever asks while the process starts speaks to the runtime: the server takes signals over later."""
    stop = threading.Event()
    stop.set()
    app = FastAPI()
    server = Server(uvicorn.Config(app, port=0, log_config=None, ws="none"), app, Health(ManualClock(), 60.0), stop)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert not server.failed


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /meta HTTP/1.1\r\nHost: a\r\n",
        b"POST /meta HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
        WHOLE + b"G",
    ],
    ids=["nothing", "half a head", "half a body", "half a second one"],
)
def test_a_request_that_does_not_come_is_not_waited_for(begun: bytes) -> None:
    with slow_app(0.2) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as visitor:
        visitor.sendall(begun)
        answer = visitor.makefile("rb").read()  # until it is closed
    assert answer.startswith(b"HTTP/1.1 404" if b"\r\n\r\n" in begun else b"")


def test_a_request_that_is_whole_has_all_the_time_to_be_answered() -> None:
    with slow_app(0.2) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as visitor:
        visitor.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert visitor.makefile("rb").read().endswith(b"at last")


@contextmanager
def slow_app(request_timeout_s: float) -> Iterator[int]:
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> PlainTextResponse:
        await asyncio.sleep(3 * request_timeout_s)
        return PlainTextResponse("at last")

    with listening(app, http=prompt_requests(request_timeout_s, 10.0, Places(9, 9))) as port:
        yield port


def test_it_does_not_start_and_says_so_where_its_parts_do_not() -> None:
    health = Health(ManualClock(), 60.0)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        raise OSError("the database is away")
        yield

    app = FastAPI(lifespan=lifespan)
    server = Server(
        uvicorn.Config(app, port=0, log_config=None, ws="none", lifespan="on"), app, health, threading.Event()
    )
    server.run()
    assert server.failed
    assert health.ready() == {"listening": False}


def test_it_does_not_start_and_says_so_where_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        app = FastAPI()
        config = uvicorn.Config(app, port=taken.getsockname()[1], log_config=None, ws="none")
        server = Server(config, app, Health(ManualClock(), 60.0), threading.Event())
        server.run()
    assert server.failed
