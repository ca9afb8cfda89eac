"""One open live view, from the row in the trail at its start to the one at its end."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from anyio import CancelScope
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from beffroi_api.authz.policies import may_watch, require
from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import AWAY
from beffroi_api.errors import Busy, no_camera
from beffroi_api.http.access import COOKIE
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry
from beffroi_api.modules.live.schemas import LiveState, View
from beffroi_api.modules.live.service import DATABASE_AWAY
from beffroi_api.process.services import ProcessServices
from beffroi_common.runtime.metrics import LIVE_VIEWERS

from .viewer import Held, Viewer
from .wire import message

log = structlog.get_logger(__name__)

SESSION_ENDED = 4401
"""Close code: sign in again."""
OUT_OF_SCOPE = 4404
"""Close code: whoever watches may not know of this camera any more."""
GOING_AWAY = 1001
"""Close code of RFC 6455: the server stops."""
RETRY_S = 1.0
"""Between attempts to write down the end of a view while the database does not answer."""


class LiveSession:
    """Sends batches as they come, says why where none come, and closes when the session ends."""

    def __init__(self, websocket: WebSocket, services: ProcessServices, who: Identity, camera: str, view: View) -> None:
        self._websocket = websocket
        self._services = services
        self._who = who
        self._camera = camera
        self._view = view
        self._batches = 0
        self._said: LiveState | None = None
        self._is_in_trail = True
        """Whether the row at the start may be there, so that one at the end belongs to it."""

    async def run(self) -> None:
        """Serve until one side leaves.

        Raises:
            NotFound: no such camera in scope.
            Busy: too many live views are open.
        """
        require(may_watch(self._who, self._services.directory.camera(self._camera)), self._camera)
        limit = self._services.settings.live.max_viewers
        if self._services.open_views >= limit:
            raise Busy(f"{limit} live views are open already: close one, or ask for a higher live.max_viewers.")
        self._services.open_views += 1
        started_s = self._services.clock.monotonic_s()
        try:
            await self._remember_start()
            await self._websocket.accept()
            await self._watch()
        finally:
            if self._is_in_trail:
                await self._remember_end(round(self._services.clock.monotonic_s() - started_s))
            self._services.open_views -= 1

    async def _watch(self) -> None:
        viewer = self._services.buffer.watch(Scope.of(self._who), self._camera, self._view)
        gauge = LIVE_VIEWERS.labels(camera=self._camera, view=self._view.value)
        gauge.inc()
        if self._view is View.ANNOTATED:
            self._services.leases.open(self._camera)
        sending, listening = asyncio.create_task(self._send(viewer)), asyncio.create_task(self._listen())
        try:
            await asyncio.wait((sending, listening), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._services.buffer.leave(self._camera, self._view, viewer)
            gauge.dec()
            if self._view is View.ANNOTATED:
                self._services.leases.close(self._camera)
            for task in (sending, listening):
                task.cancel()
            # Both end at once, also when the server stops and cancels this.
            with CancelScope(shield=True):
                outcomes = await asyncio.gather(sending, listening, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect):
                raise outcome

    async def _listen(self) -> None:
        """Nothing is expected from the browser but that it leaves."""
        while (await self._websocket.receive())["type"] != "websocket.disconnect":
            pass

    async def _send(self, viewer: Viewer) -> None:
        settings, clock = self._services.settings.live, self._services.clock
        check_at_s = clock.monotonic_s() + settings.session_check_s
        timeout_s = 0.0  # at first: whoever opens a camera without pictures learns at once why
        while True:
            held = await viewer.next(timeout_s)
            timeout_s = settings.idle_s
            if viewer.ended:
                await self._websocket.close(GOING_AWAY)
                return
            if clock.monotonic_s() >= check_at_s:
                try:
                    is_in_force = await self._in_force()
                except AWAY:
                    await self._say(DATABASE_AWAY)
                    continue  # nothing is shown before somebody knows
                check_at_s = clock.monotonic_s() + settings.session_check_s
                if not is_in_force:
                    await self._websocket.close(SESSION_ENDED, "Your session has ended: sign in again.")
                    return
            knows = await self._knows_decisions()
            # Looked at after that: the camera may have got another commune, and nobody here knew.
            if self._is_out_of_scope():
                await self._websocket.close(OUT_OF_SCOPE, no_camera(self._camera).detail)
                return
            if not knows:
                await self._say(DATABASE_AWAY)
            elif held is None:
                await self._say(self._services.reasons.why(self._camera, self._view))
            else:
                await self._picture(held)

    async def _picture(self, held: Held) -> None:
        # Looked at once more here: a batch may have waited in the queue while a new decision was taken.
        if not self._services.directory.shows(self._camera, held.batch.mask_version):
            return
        now_ms = self._services.clock.now_ns() // 1_000_000
        await self._websocket.send_bytes(message(held.batch, self._view, held.codec, now_ms))
        self._batches += 1
        self._said = None

    async def _say(self, state: LiveState) -> None:
        """Why there is no picture, once."""
        if state != self._said:
            self._said = state
            await self._websocket.send_text(state.model_dump_json())

    def _is_out_of_scope(self) -> bool:
        """Looked at before each picture: the camera may have got another commune. One that was removed is no secret."""
        camera = self._services.directory.camera(self._camera)
        return camera is not None and not may_watch(self._who, camera).is_granted

    async def _knows_decisions(self) -> bool:
        """Whether it is sure which masks are in force: another process may have taken a decision a moment ago."""
        news = self._services.news
        return news.is_current() or await run_in_threadpool(news.catch_up)

    async def _in_force(self) -> bool:
        """Whether the session still is; an open view counts as its use. Learns whether its scope has changed."""
        token, address = self._websocket.cookies.get(COOKIE), self._who.address
        now = await run_in_threadpool(self._services.authenticate, token, address)
        if now is None or now.role is not self._who.role:
            return False
        self._who = now
        return True

    async def _remember_start(self) -> None:
        try:
            await self._remember(Action.LIVE_STARTED)
        except AWAY:
            self._is_in_trail = False
            raise

    async def _remember_end(self, seconds: int) -> None:
        """Write the end down, as soon as the database answers. Only the end of the process ends the wait for it."""
        while True:
            # Also when the server stops and cancels this: a task left to itself ends with the loop.
            with CancelScope(shield=True), suppress(*AWAY):
                await self._remember(Action.LIVE_ENDED, seconds=seconds, batches=self._batches)
                return
            log.warning("the database does not answer: the end of a live view waits", camera=self._camera)
            await asyncio.sleep(RETRY_S)

    async def _remember(self, action: Action, **details: int) -> None:
        full = {"view": self._view.value, **details}
        entry = Entry(self._who.username, self._who.address, action, self._camera, details=full)
        await run_in_threadpool(self._services.trail.record, entry)
