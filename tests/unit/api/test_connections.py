"""Nobody makes the one thread that reads all connections work for them alone, nor takes all connections."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect
from tests.application import eventually, in_memory
from tests.unit.api.listening import listening

from beffroi_api.errors import Busy
from beffroi_api.http.connections import PromptViews, prompt_requests, prompt_views
from beffroi_api.http.places import Place, Places
from beffroi_api.http.server import places_of

UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n"
)
VIEW = b"GET /view HTTP/1.1\r\nHost: a\r\n" + UPGRADE + b"\r\n"
MOST = 3


@dataclass
class Door:
    """A port with so many places."""

    port: int
    taken: Places
    received: list[Any]

    def knock(self, stack: ExitStack, begun: bytes = b"") -> socket.socket:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=30))
        with suppress(ConnectionError):  # it may be refused already
            connection.sendall(begun)
        return connection


@pytest.fixture
def per_network() -> int:
    """Places of one network."""
    return MOST


@pytest.fixture
def door(per_network: int) -> Iterator[Door]:
    app, received = FastAPI(), list[Any]()

    @app.websocket("/view")
    async def view(websocket: WebSocket) -> None:
        await websocket.accept()
        with suppress(WebSocketDisconnect):
            while True:
                received.append(await websocket.receive_bytes())

    taken = Places(MOST, per_network)
    with listening(app, http=prompt_requests(20.0, 10.0, taken), ws=prompt_views(10.0)) as port:
        yield Door(port, taken, received)


def all_of(connection: socket.socket) -> bytes:
    """What comes until it is closed, however it is."""
    found = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65536):
            found += piece
    return found


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1000, b"411"),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", b"411"),
        (b"GET /x HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 5000, b"431"),
        (b"GET /" + b"a" * 20000, b"431"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
    ],
    ids=["pieces", "pieces with a length", "many headers", "a long address", "no HTTP"],
)
def test_what_costs_more_to_read_than_to_send_is_not_read(door: Door, request_: bytes, status: bytes) -> None:
    with ExitStack() as stack:
        answer = all_of(door.knock(stack, request_))
    assert answer.startswith(b"HTTP/1.1 " + status)
    eventually(lambda: door.taken.taken == 0)


@pytest.mark.parametrize(
    "frame",
    [b"\x89\x80\0\0\0\0", b"\x8a\x80\0\0\0\0", b"\x82\x80\0\0\0\0", b"\x02\x80\0\0\0\0" + b"\0\x80\0\0\0\0" * 9],
)
def test_a_view_to_which_more_is_said_than_a_browser_says_is_cut_off(door: Door, frame: bytes) -> None:
    with ExitStack() as stack:
        connection = door.knock(stack, VIEW)
        assert connection.recv(4096).startswith(b"HTTP/1.1 101")
        with suppress(ConnectionError):
            connection.sendall(frame * 40_000)
        all_of(connection)
        eventually(lambda: door.taken.taken == 0)
    assert len(door.received) <= PromptViews.most_said_bytes // len(frame)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /view HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n" + UPGRADE + b"\r\nhello", b"400"),
        (b"GET /view HTTP/1.1\r\nHost: a\r\n" + b"a:b\r\n" * 300 + UPGRADE + b"\r\n", b"431"),
        (b"GET /view HTTP/1.1\r\nHost: a\r\na: " + b"b" * 10_000 + b"\r\n" + UPGRADE + b"\r\n", b"431"),
        (b"GET /view HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"400"),
    ],
    ids=["a body", "many headers", "a long header", "no key"],
)
def test_what_is_no_view_is_answered_and_not_kept(door: Door, head: bytes, status: bytes) -> None:
    with ExitStack() as stack:
        assert all_of(door.knock(stack, head)).startswith(b"HTTP/1.1 " + status)
        eventually(lambda: door.taken.taken == 0)


def test_who_views_on_as_many_connections_as_there_are_gets_no_more_until_one_ends(door: Door) -> None:
    with ExitStack() as stack:
        kept = [door.knock(stack, VIEW) for _ in range(MOST)]
        assert all(each.recv(4096).startswith(b"HTTP/1.1 101") for each in kept)
        assert all_of(door.knock(stack, VIEW)) == b""
        kept[0].close()
        eventually(lambda: door.taken.taken == MOST - 1)
        assert all_of(door.knock(stack, b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).startswith(
            b"HTTP/1.1 404"
        )
    eventually(lambda: door.taken.taken == 0)


WHOLE = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("per_network", [MOST, MOST + 9], ids=["of one network", "of all"])
@pytest.mark.parametrize("begun", [b"", b"GET /", WHOLE], ids=["nothing", "half a request", "an answered one"])
def test_who_asks_for_nothing_makes_room_for_who_does(door: Door, begun: bytes) -> None:
    with ExitStack() as stack:
        idle = [door.knock(stack, begun) for _ in range(MOST)]
        eventually(lambda: door.taken.taken == MOST)
        if begun == WHOLE:
            assert all(each.recv(4096).startswith(b"HTTP/1.1 404") for each in idle)
        assert door.knock(stack, WHOLE).recv(4096).startswith(b"HTTP/1.1 404")
        all_of(idle[0])  # ends: it came first
    eventually(lambda: door.taken.taken == 0)


@pytest.mark.parametrize("per_network", [MOST + 9])
def test_a_view_makes_room_for_nobody(door: Door) -> None:
    with ExitStack() as stack:
        for _ in range(MOST):
            assert door.knock(stack, VIEW).recv(4096).startswith(b"HTTP/1.1 101")
        assert all_of(door.knock(stack, WHOLE)) == b""
        assert door.taken.taken == MOST


@dataclass
class Idler:
    """Somebody who asks for nothing."""

    place: Place | None

    __hash__ = object.__hash__

    def make_room(self) -> None:
        assert self.place is not None
        self.place.leave()
        self.place = None


def test_a_network_whose_share_is_full_makes_room_itself() -> None:
    places, idle = Places(6, 2), list[Idler]()
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.2"):
        idle.append(Idler(places.enter(address)))
        places.idle(idle[-1])
    places.enter("192.0.2.2")
    assert [each.place is None for each in idle] == [False, True, False]
    places.asks(idle[2])
    with pytest.raises(Busy):
        places.enter("192.0.2.2")
    assert places.taken == 3


def test_a_network_has_its_share_of_connections_and_a_proxy_all_of_them(tmp_path: Any) -> None:
    around, *_ = in_memory(tmp_path, max_connections=20, max_connections_per_network=8, trusted_proxies="192.0.2.0/30")
    enter = places_of(around.settings).enter
    for number in range(8):
        enter(f"2001:db8::{number}")
    with pytest.raises(Busy):
        enter("2001:db8::ffff")
    for _ in range(12):
        enter("192.0.2.1")
    with pytest.raises(Busy):
        enter("192.0.2.1")


@pytest.mark.parametrize(
    "proxies",
    [
        "0.0.0.0/0",
        "0.0.0.0/1,128.0.0.0/1",
        "10.0.0.0/8",
        "::/0",
        "2000::/3",
        "::ffff:0.0.0.0/96",
        "*",
        "proxy",
        "10.1.2.3/16",
    ],
)
def test_not_everybody_is_a_proxy(tmp_path: Any, proxies: str) -> None:
    around, *_ = in_memory(tmp_path, trusted_proxies=proxies)
    with pytest.raises(ValidationError):
        around.settings  # noqa: B018 - reading them is the test


@pytest.mark.parametrize("proxies", ["", "10.1.2.3", "10.1.0.0/16, fd00:10::/48", "::1"])
def test_proxies_that_are_named_are_believed(tmp_path: Any, proxies: str) -> None:
    around, *_ = in_memory(tmp_path, trusted_proxies=proxies)
    assert around.settings.is_proxy("10.1.2.3") == ("10." in proxies)
    assert not around.settings.is_proxy("no address")
