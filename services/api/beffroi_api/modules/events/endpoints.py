"""News as they come: `alert`, `status`, `recording`, `camera` (shapes: `News` in the OpenAPI document)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.errors import Busy
from beffroi_api.http.access import WatchingConsole
from beffroi_api.http.presence import Presence
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
    services.fanout.refuse_when_full(who.username)
    return StreamingResponse(
        _stream(services, who, Presence(services, request, who, is_use=False)), media_type="text/event-stream"
    )


async def _stream(services: Services, who: Identity, presence: Presence) -> AsyncIterator[str]:
    heartbeat_s = services.settings.event_heartbeat_s
    try:
        subscription = services.fanout.subscribe(Scope.of(who), who.username)
    except Busy:  # another of theirs was faster, after this one was told that there is room: a browser comes back
        return
    now_s = asyncio.get_running_loop().time
    try:
        yield f"retry: {RETRY_MS}\n: listening\n\n"
        quiet_since_s = now_s()
        while not subscription.ended:
            event = await subscription.next(min(heartbeat_s, services.settings.session.check_every_s))
            still = await presence.who()
            if still is None:
                return
            subscription.scope = Scope.of(still)
            if event is not None:
                yield f"event: {event.name}\ndata: {event.data}\n\n"
                quiet_since_s = now_s()
            elif not subscription.ended and now_s() - quiet_since_s >= heartbeat_s:
                yield HEARTBEAT
                quiet_since_s = now_s()
    finally:
        services.fanout.unsubscribe(subscription)
