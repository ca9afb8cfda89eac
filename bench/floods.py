"""What others notice of a flood: sixty at once ask for one kind of thing, and one operator asks who is signed in.

The api is a process of its own on SQLite, with doubles for broker and store; the flood is another process, each of its
sixty connections asking again as soon as it was answered. Printed are the times of `GET /session` of somebody else
without a flood and under each, and the ratio of their 95th percentiles.

`python -m bench.floods`
"""

from __future__ import annotations

import base64
import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from beffroi_api.http.access import COOKIE
from beffroi_api.http.paths import API_PREFIX

from .serving import Api, Visitor, p95, serving

AT_ONCE = 60
ASKED = 300
WARM_UP_S = 1.0
CAMERA = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
OPEN = {"mode": "open", "reason": "a wall"}
NEVER = 10**9

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
)

Asks = Callable[[Visitor, int], int]

FLOODS: dict[str, Asks] = {
    "stills": lambda visitor, _: visitor.ask("GET", "/cameras/gate/still"),
    "sign-ins of strangers": lambda visitor, number: visitor.ask(
        "POST", "/session", json.dumps({"username": f"nobody-{number}", "password": "guess"}).encode()
    ),
    "sessions": lambda visitor, _: visitor.ask("GET", "/session"),
    "alerts": lambda visitor, _: visitor.ask("GET", "/alerts"),
    "cameras": lambda visitor, _: visitor.ask("GET", "/cameras"),
    "audit, denied": lambda visitor, _: visitor.ask("GET", "/audit"),
    "nothing there": lambda visitor, _: visitor.ask("GET", "/nothing"),
    "made-up tokens": lambda visitor, number: Visitor.ask(with_token(visitor, number), "GET", "/session"),
    "the console's name": lambda visitor, _: visitor.ask("GET", "/meta"),
}
STRANGERS = {"sign-ins of strangers", "made-up tokens", "the console's name", "nothing there"}


def with_token(visitor: Visitor, number: int) -> Visitor:
    """The same connection, with a token that nobody has."""
    visitor.cookie = f"{COOKIE}={number}"
    return visitor


def flood(api: Api, name: str, cookie: str) -> None:
    """Ask sixty times at once, for ever."""
    numbers = count()

    def ask() -> None:
        while True:
            visitor = Visitor(api, cookie)
            with suppress(OSError):
                while True:
                    FLOODS[name](visitor, next(numbers))

    for _ in range(AT_ONCE):
        threading.Thread(target=ask, daemon=True).start()
    threading.Event().wait()


@contextmanager
def flooding(api: Api, name: str, cookie: str) -> Iterator[None]:
    """While it lasts, sixty ask."""
    process = get_context("spawn").Process(target=flood, args=(api, name, cookie), daemon=True)
    process.start()
    time.sleep(WARM_UP_S)
    try:
        yield
    finally:
        process.kill()
        process.join()


@contextmanager
def unread_views(api: Api, cookie: str) -> Iterator[None]:
    """While it lasts, one person has as many live views open as are allowed, and reads none."""
    opened = []
    for _ in range(64):
        connection = socket.create_connection(("127.0.0.1", api.port))
        head = f"GET {API_PREFIX}/cameras/gate/live HTTP/1.1\r\nHost: here\r\nCookie: {cookie}\r\n{UPGRADE}\r\n"
        connection.sendall(head.encode())
        opened.append(connection)
    time.sleep(WARM_UP_S)
    try:
        yield
    finally:
        for connection in opened:
            connection.close()


def main() -> int:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    patient = {"failures_per_account_and_address": NEVER, "failures_per_address": NEVER, "failures_per_account": NEVER}
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/api.sqlite3"
        with serving(url, Path(folder), session=patient) as api:
            administrator = Visitor(api, api.sign_in("administrator"))
            assert administrator.ask("PUT", "/cameras/gate", json.dumps(CAMERA).encode()) == 200
            assert administrator.ask("PUT", "/cameras/gate/masking", json.dumps(OPEN).encode()) == 200
            operator, calm = api.sign_in("operator"), Visitor(api, administrator.cookie)
            calm.times_s("/session", ASKED)
            quiet = calm.times_s("/session", ASKED)
            print(f"floods: quiet: median {quiet[len(quiet) // 2] * 1000:.1f} ms, p95 {p95(quiet) * 1000:.1f} ms")
            for name in FLOODS:
                with flooding(api, name, "" if name in STRANGERS else operator):
                    report(name, calm.times_s("/session", ASKED), quiet)
            with unread_views(api, operator):
                report("live views that nobody reads", calm.times_s("/session", ASKED), quiet)
            print(f"floods: memory of the api afterwards: {api.resident_mib:.0f} MiB")
    return 0


def report(name: str, under: list[float], quiet: list[float]) -> None:
    """Print one line."""
    print(
        f"floods: {name}: median {under[len(under) // 2] * 1000:.1f} ms, p95 {p95(under) * 1000:.1f} ms, "
        f"ratio {p95(under) / p95(quiet):.1f}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
