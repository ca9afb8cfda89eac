"""Requests come in by turns, so that nobody's flood is everybody's wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from beffroi_api.bulkheads.pool import Pool
from beffroi_api.bulkheads.turns import Turn
from beffroi_api.errors import Busy
from beffroi_api.http.access import COOKIE, address_of
from beffroi_api.http.problems import answer
from beffroi_api.modules.session.attempts.throttle import network_of
from beffroi_api.process.services import ProcessServices

Given = ParamSpec("Given")
Result = TypeVar("Result")

BEGUN = ("http.response.start", "websocket.accept", "websocket.http.response.start")
"""With these an endpoint is done, and what it made goes out for as long as it takes."""

TURN = "turn"


class AdmissionMiddleware:
    """A request waits here for its turn, and takes no thread meanwhile."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        services: ProcessServices = scope["app"].state.services
        try:
            turn = await services.admission.wait(connection.cookies.get(COOKIE), network_of(address_of(connection)))
        except Busy as busy:
            await answer(busy, scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] in BEGUN:
                turn.leave()
            await send(message)

        scope.setdefault("state", {})[TURN] = turn
        try:
            await self._app(scope, receive, sending)
        finally:
            turn.leave()


async def aside(
    connection: HTTPConnection,
    pool: Pool,
    key: str,
    work: Callable[Given, Result],
    *given: Given.args,
    **named: Given.kwargs,
) -> Result:
    """Do the work of a request that takes long in the threads of its kind. Other requests of the same person go on.

    Raises:
        Busy: see `Turns.wait`.
    """
    turn: Turn = connection.scope["state"][TURN]
    turn.leave()
    return await pool.run(key, work, *given, **named)
