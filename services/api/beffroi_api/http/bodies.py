"""Bodies of requests, whole before anybody looks at them.

Whoever sends one slowly keeps nobody waiting but themselves. Small ones are taken of everybody. Large ones are said of
cameras alone, and come by turns, so that what is held of them in memory is bounded, whoever sends how many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope

from beffroi_api.errors import TooLarge
from beffroi_api.http.access import COOKIE, address_of
from beffroi_api.http.paths import API_PREFIX
from beffroi_api.modules.session.attempts.throttle import network_of
from beffroi_api.process.services import ProcessServices

SAFE = {"GET", "HEAD", "OPTIONS"}
"""Methods whose body nobody reads."""

SMALL_BYTES = 8 * 1024
"""Two of the longest passwords, with each character escaped. To say what is wrong with it takes milliseconds."""

LARGE = f"{API_PREFIX}/cameras/"
"""Addresses at which as much may be said as the settings allow."""

MAX_DIGITS = 18
"""Of a length."""


@asynccontextmanager
async def whole(scope: Scope, receive: Receive, max_bytes: int) -> AsyncIterator[Receive]:
    """Wait for the body, counted as it comes, and hand it out as often as it is asked for.

    Raises:
        TooLarge: it has more bytes than any honest one.
        Busy: it is large, and so many are on their way that its turn does not come.
    """
    if scope["type"] != "http" or scope["method"] in SAFE:
        yield receive
        return
    connection = HTTPConnection(scope)
    most_bytes = max_bytes if scope["path"].startswith(LARGE) else min(max_bytes, SMALL_BYTES)
    said_bytes = _said_bytes(connection.headers.get("content-length", "0"), most_bytes)
    if said_bytes <= SMALL_BYTES:
        yield await _read(receive, min(most_bytes, SMALL_BYTES))
        return
    services: ProcessServices = scope["app"].state.services
    turn = await services.admission.wait_large(connection.cookies.get(COOKIE), network_of(address_of(connection)))
    try:
        yield await _read(receive, said_bytes)
    finally:
        turn.leave()


def _said_bytes(length: str, most_bytes: int) -> int:
    if not length.isdecimal() or len(length) > MAX_DIGITS or int(length) > most_bytes:
        raise _too_large(most_bytes)
    return int(length)


async def _read(receive: Receive, most_bytes: int) -> Receive:
    messages, seen = deque[Message](), 0
    while True:
        message = await receive()
        messages.append(message)
        seen += len(message.get("body", b""))
        if seen > most_bytes:
            raise _too_large(most_bytes)
        if not message.get("more_body", False):
            break

    async def again() -> Message:
        return messages.popleft() if messages else await receive()

    return again


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"This request may have {most_bytes} bytes at most.")
