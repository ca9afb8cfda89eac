"""News as they come: `alert`, `status`, `recording`, `camera` (shapes: `News` in the OpenAPI document)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.errors import Busy
from beffroi_api.http.access import COOKIE, WatchingConsole
from beffroi_api.http.problems import Responses, problems
from beffroi_api.services import Services, ServicesOf

router = APIRouter(prefix="/events", tags=["events"])

STREAM: Responses = {
    200: {
        "description": "Server-Sent Events, each `data` one JSON object as `News` names them",
        "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/News"}}},
    }
}
RETRY_MS = 2000
"""A browser that lost the stream comes back after so long, and asks for everything again."""
HEARTBEAT = "event: heartbeat\ndata: {}\n\n"
"""An event and not a comment: a browser hands no comment to the page, which must notice that a line is dead."""


@router.get("", response_class=StreamingResponse, responses=STREAM | problems(Busy))
async def listen(request: Request, who: WatchingConsole, services: ServicesOf) -> StreamingResponse:
    """News until you leave, are too slow, or your session ends. Nothing is repeated: ask for the lists first."""
    services.fanout.refuse_when_full()
    return StreamingResponse(_stream(services, who, request.cookies.get(COOKIE)), media_type="text/event-stream")


async def _stream(services: Services, who: Identity, token: str | None) -> AsyncIterator[str]:
    heartbeat_s = services.settings.event_heartbeat_s
    subscription = services.fanout.subscribe(Scope.of(who))
    try:
        yield f"retry: {RETRY_MS}\n: listening\n\n"
        check_at_s = services.clock.monotonic_s() + heartbeat_s
        while not subscription.ended:
            event = await subscription.next(heartbeat_s)
            if event is not None:
                yield f"event: {event.name}\ndata: {event.data}\n\n"
            elif not subscription.ended:
                yield HEARTBEAT
            if services.clock.monotonic_s() >= check_at_s:
                check_at_s = services.clock.monotonic_s() + heartbeat_s
                now = await run_in_threadpool(services.authenticate, token, who.address, is_use=False)
                if now is None:
                    return
                subscription.scope = Scope.of(now)
    finally:
        services.fanout.unsubscribe(subscription)
