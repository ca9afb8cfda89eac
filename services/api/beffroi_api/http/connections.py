"""Connections of people: whoever does not say what they want, or does not take it, is not waited for."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

UNFINISHED = (h11.IDLE, h11.SEND_BODY)


class PromptReaders(asyncio.Protocol):
    """Cuts a connection off where what was sent is not taken in time.

    Closing it would not do: a connection is closed after what waits on it was sent, which is never.
    """

    write_timeout_s = 10.0

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=0)  # whatever the system does not take at once is waited for

    def pause_writing(self) -> None:
        """See asyncio."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """See asyncio."""
        self._moves()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._moves()
        super().connection_lost(exc)

    def _moves(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


class PromptViews(PromptReaders, WebSocketsSansIOProtocol):
    """A WebSocket that is gone soon after the application is done with it, whatever the other side does."""

    close_s = 1.0
    """What is left to be sent is a close code."""

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


class PromptRequests(PromptReaders, H11Protocol):
    """Closes a connection whose request, head and body, is not whole in time. Between two requests uvicorn does."""

    request_timeout_s = 20.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
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

    def _begin(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.request_timeout_s, self.transport.close)

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def prompt_requests(request_timeout_s: float, write_timeout_s: float) -> type[PromptRequests]:
    """The protocol with these times for a request to be whole and for an answer to be taken."""
    times = {"request_timeout_s": request_timeout_s, "write_timeout_s": write_timeout_s}
    return type("PromptRequests", (PromptRequests,), times)


def prompt_views(write_timeout_s: float) -> type[PromptViews]:
    """The protocol with this time for a message to be taken."""
    return type("PromptViews", (PromptViews,), {"write_timeout_s": write_timeout_s})
