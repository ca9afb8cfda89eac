"""Connections of people: whoever does not say what they want, or does not take it, is not waited for; nor is anybody
listened to who says more than there is to say, or has more connections than there is use for.

All connections are read by one thread. So what costs it much more than it costs whoever sends it is refused unread:
bodies in pieces of a byte, thousands of frames where a browser sends none.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from beffroi_api.errors import Busy

from .places import Place, Places

UNFINISHED = (h11.IDLE, h11.SEND_BODY)

MAX_HEAD_BYTES = 16 * 1024
"""Of a request: address, cookie and what browsers add are two."""

NO_UPGRADE = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

LEAST_TAKEN_BYTES = 64 * 1024
"""In `write_timeout_s`, or all that is left: 50 kbit/s are a line on which nothing of ours is of use."""


class PromptReaders(asyncio.Protocol):
    """Cuts a connection off where what was sent is not taken: less than `LEAST_TAKEN_BYTES` of it in `write_timeout_s`.

    A slow line that takes what it can is waited for, as long as an answer may be. Closing would not do: a connection is
    closed after what waits on it was sent, which is never.
    """

    write_timeout_s = 10.0

    _left_bytes = 0

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _stalled: asyncio.TimerHandle | None = None
    place: Place | None = None
    """Among all connections; None: it has none of its own."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=0)  # whatever the system does not take at once is waited for

    def pause_writing(self) -> None:
        """See asyncio."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """See asyncio."""
        self._moves()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._moves()
        if self.place is not None:
            self.place.leave()
        super().connection_lost(exc)

    def _watch(self) -> None:
        self._left_bytes = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(self.write_timeout_s, self._look)

    def _look(self) -> None:
        if self._left_bytes - self.transport.get_write_buffer_size() < LEAST_TAKEN_BYTES:
            self.transport.abort()
        else:
            self._watch()

    def _moves(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


class PromptViews(PromptReaders, WebSocketsSansIOProtocol):
    """A WebSocket that is gone soon after the application is done with it, whatever the other side does."""

    close_s = 1.0
    """What is left to be sent is a close code."""

    most_said_bytes = 4096
    said_within_s = 10.0
    """A browser answers a ping in half a minute, and says nothing else: who says more is no browser."""

    _said_bytes = 0
    _said_since_s = 0.0

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self.handshake_initiated and self._says_too_much(len(data)):
            self.transport.abort()
            return
        super().data_received(data)
        if not self.handshake_initiated:  # the head comes whole, so this is none
            self.transport.write(b"".join(self.conn.data_to_send()) or NO_UPGRADE)
            self.transport.close()

    def _says_too_much(self, size_bytes: int) -> bool:
        now_s = self.loop.time()
        if now_s - self._said_since_s > self.said_within_s:
            self._said_bytes, self._said_since_s = 0, now_s
        self._said_bytes += size_bytes
        return self._said_bytes > self.most_said_bytes

    async def send(self, message: Any) -> None:
        """See uvicorn, which takes an answer that refuses a view for one that failed, and logs an error for each."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    def keepalive_timeout(self) -> None:
        """See uvicorn, which would wait for what is left to be sent to somebody who does not answer."""
        self.transport.abort()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """See uvicorn."""
        super().on_task_complete(task)
        self.loop.call_later(self.close_s, self.transport.abort)


class WholeRequests(h11.Connection):
    """Reads requests whose length is said first. A browser says it, and so does every script that has what it sends."""

    status = HTTPStatus.BAD_REQUEST
    """Why a request is refused."""

    def next_event(self) -> Any:
        """See h11.

        Raises:
            RemoteProtocolError: it is no request, or one that comes in pieces (RFC 9112, 6.1).
        """
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.status = HTTPStatus(error.error_status_hint)
            raise
        if isinstance(event, h11.Request) and any(name == b"transfer-encoding" for name, _ in event.headers):
            self.status = HTTPStatus.LENGTH_REQUIRED
            raise h11.RemoteProtocolError("the length must be said first", error_status_hint=self.status)
        return event


class PromptRequests(PromptReaders, H11Protocol):
    """Closes a connection whose request, head and body, is not whole in time. Between two requests uvicorn does."""

    request_timeout_s = 20.0

    places: Places
    conn: WholeRequests

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self.conn = WholeRequests(h11.SERVER, MAX_HEAD_BYTES)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        try:
            self.place = self.places.enter(self.client[0] if self.client else "")
        except Busy:
            transport.abort()
        else:
            self._begin()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        super().data_received(data)
        if self.conn.their_state in UNFINISHED and self.transport.get_protocol() is self:
            self._begin()
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._end()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """See uvicorn. The connection keeps its place."""
        super().handle_websocket_upgrade(event)
        view = self.transport.get_protocol()
        if isinstance(view, PromptReaders) and view is not self:
            view.place, self.place = self.place, None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - it says the same of all
        """See uvicorn, which knows of one thing that can be wrong."""
        status = self.conn.status
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        for event in (h11.Response(status_code=status, headers=headers, reason=status.phrase), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.places.idle(self)

    def make_room(self) -> None:
        """See `places.Connection`."""
        if self.place is not None:
            self.place.leave()
            self.place = None
        self.transport.abort()

    def _begin(self) -> None:
        self.places.idle(self)
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.request_timeout_s, self.transport.close)

    def _end(self) -> None:
        self.places.asks(self)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def prompt_requests(request_timeout_s: float, write_timeout_s: float, places: Places) -> type[PromptRequests]:
    """The protocol with these times for a request to be whole and for an answer to be taken, and places to be had."""
    fields = {"request_timeout_s": request_timeout_s, "write_timeout_s": write_timeout_s, "places": places}
    return type("PromptRequests", (PromptRequests,), fields)


def prompt_views(write_timeout_s: float) -> type[PromptViews]:
    """The protocol with this time for a message to be taken."""
    return type("PromptViews", (PromptViews,), {"write_timeout_s": write_timeout_s})
