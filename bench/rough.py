"""What no browser does with a connection, again and again: for `bench.floods`."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from beffroi_api.http.paths import API_PREFIX
from beffroi_api.http.security import CSRF_HEADER

from .serving import VIDEO

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
)
FRAMES = {"pings": b"\x89\x80\0\0\0\0", "messages": b"\x82\x80\0\0\0\0"}
HELD_S = 2.0
"""So long a connection is kept on which nothing goes on."""
PIECES = b"1\r\na\r\n" * 80_000
BODY_BYTES = 500_000


@dataclass
class Rough:
    """Somebody who opens connections to a port, from an address of this machine."""

    port: int
    cookie: str
    source: str

    def send(self, method: str, path: str, headers: str = "", body: bytes = b"") -> socket.socket:
        """Open a connection and begin with this."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(self.source, 0))
        head = f"{method} {API_PREFIX}{path} HTTP/1.1\r\nHost: here\r\n{CSRF_HEADER}: 1\r\nCookie: {self.cookie}\r\n"
        connection.sendall(f"{head}{headers}\r\n".encode() + body)
        return connection

    def view(self) -> socket.socket:
        """A live view that was accepted, or refused."""
        connection = self.send("GET", "/cameras/gate/live", UPGRADE)
        connection.recv(4096)
        return connection


def opened_and_closed(rough: Rough) -> None:
    """Nobody looks."""
    rough.view().close()


def unread(rough: Rough) -> None:
    """Nobody reads."""
    with rough.view():
        time.sleep(HELD_S)


def told(frame: bytes) -> Callable[[Rough], None]:
    """Somebody speaks, without end."""

    def tell(rough: Rough) -> None:
        with rough.view() as connection, suppress(TimeoutError):
            while True:
                connection.sendall(frame * 10_000)

    return tell


def in_pieces(rough: Rough) -> None:
    """A body of which each byte comes by itself."""
    with rough.send("POST", "/session", "Transfer-Encoding: chunked\r\n", PIECES) as connection:
        connection.recv(4096)


def half(rough: Rough) -> None:
    """A head without an end."""
    with socket.create_connection(("127.0.0.1", rough.port), source_address=(rough.source, 0)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost:")
        time.sleep(HELD_S)


def half_of_a_large_body(rough: Rough) -> None:
    """And never the other half."""
    length = f"Content-Length: {BODY_BYTES}\r\n"
    with rough.send("PUT", "/cameras/gate/zones", length, bytes(BODY_BYTES // 2)):
        time.sleep(HELD_S)


def many_headers(rough: Rough) -> None:
    """As many as are read."""
    with rough.send("GET", "/session", "a:\r\n" * 3500) as connection:
        connection.recv(4096)


def one_after_the_other(rough: Rough) -> None:
    """A hundred requests, none of which waits for the answer to the one before."""
    head = f"GET {API_PREFIX}/session HTTP/1.1\r\nHost: here\r\nCookie: {rough.cookie}\r\n\r\n"
    with rough.send("GET", "/session", "", head.encode() * 100) as connection, suppress(TimeoutError):
        connection.settimeout(HELD_S)
        while connection.recv(65536):
            pass


def slow_reader(rough: Rough) -> None:
    """Takes a piece of a video now and then."""
    with rough.send("GET", VIDEO) as connection:
        for _ in range(4):
            connection.recv(1000)
            time.sleep(HELD_S / 4)


ROUGH: dict[str, Callable[[Rough], None]] = {
    "live views opened and closed": opened_and_closed,
    "live views that nobody reads": unread,
    **{f"{name} into live views": told(frame) for name, frame in FRAMES.items()},
    "bodies in pieces of a byte": in_pieces,
    "heads without an end": half,
    "halves of large bodies": half_of_a_large_body,
    "many headers": many_headers,
    "requests one after the other": one_after_the_other,
    "slow readers": slow_reader,
}
