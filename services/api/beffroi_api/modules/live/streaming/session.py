"""One open live view, from the row in the trail at its start to the one at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog
from anyio import CancelScope
from starlette.websockets import WebSocket, WebSocketDisconnect

from beffroi_api.authz.policies import may_watch, require
from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import AWAY
from beffroi_api.errors import no_camera
from beffroi_api.http.presence import Presence
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry
from beffroi_api.modules.live.looks.open_views import OpenView
from beffroi_api.modules.live.schemas import LiveState, View
from beffroi_api.modules.live.service import DATABASE_AWAY
from beffroi_api.process.services import ProcessServices
from beffroi_common.runtime.metrics import LIVE_VIEWERS

from .viewer import Held, Viewer
from .wire import message

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ending:
    """Why the server ends a view, as it says when it closes."""

    code: int
    reason: str = ""


SESSION_ENDED = Ending(4401, "Your session has ended: sign in again.")
OUT_OF_SCOPE = 4404
"""Close code: whoever watches may not know of this camera any more."""
GOING_AWAY = Ending(1001)
"""RFC 6455: the server stops."""
CLOSE_S = 1.0
"""A browser that takes nothing does not take a close code either; then the connection is cut."""
GUARD_EVERY_S = 0.5
RETRY_S = 1.0
"""Between attempts to write down the end of a view while the database does not answer."""


class LiveSession:
    """Sends batches as they come, says why where none come, and closes when the session ends."""

    def __init__(self, websocket: WebSocket, services: ProcessServices, who: Identity, camera: str, view: View) -> None:
        self._websocket = websocket
        self._services = services
        self._who = who
        self._presence = Presence(services, websocket, who)
        self._camera = camera
        self._view = view
        self._batches = 0
        self._said: LiveState | None = None
        self._open = OpenView(camera, view.value)
        self._is_in_trail = True
        """Whether the row at the start may be there, so that one at the end belongs to it."""

    async def run(self) -> None:
        """Serve until one side leaves.

        Raises:
            NotFound: no such camera in scope.
            Busy: too many live views are open.
        """
        require(may_watch(self._who, self._services.directory.camera(self._camera)), self._camera)
        seat = self._services.views.enter(self._who.username)
        try:
            await self._shown()
        finally:  # whatever becomes of the rows: seats that stay taken would keep everybody out in the end
            seat.leave()

    async def _shown(self) -> None:
        started_s = self._services.clock.monotonic_s()
        try:
            await self._remember_start()
            await self._websocket.accept()
            ending = await self._watch()
            if ending is not None:
                await self._close(ending)
        finally:
            if self._is_in_trail:
                await self._remember_end(round(self._services.clock.monotonic_s() - started_s))

    async def _watch(self) -> Ending | None:
        """Show pictures until one side leaves; returns why the server does."""
        viewer = self._services.buffer.watch(Scope.of(self._who), self._camera, self._view)
        gauge = LIVE_VIEWERS.labels(camera=self._camera, view=self._view.value)
        gauge.inc()
        if self._view is View.ANNOTATED:
            self._services.leases.open(self._camera)
        tasks = [asyncio.create_task(each) for each in (self._guard(), self._send(viewer), self._listen())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._services.buffer.leave(self._camera, self._view, viewer)
            gauge.dec()
            if self._view is View.ANNOTATED:
                self._services.leases.close(self._camera)
            for task in tasks:
                task.cancel()
            # All end at once, also when the server stops and cancels this.
            with CancelScope(shield=True):
                outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect):
                raise outcome
        return next((outcome for outcome in outcomes if isinstance(outcome, Ending)), None)

    async def _listen(self) -> None:
        """Nothing is expected from the browser but that it leaves."""
        while (await self._websocket.receive())["type"] != "websocket.disconnect":
            pass

    async def _guard(self) -> Ending:
        """Wait until the view must end, however long a picture is on its way: a browser may take nothing."""
        while True:
            await asyncio.sleep(GUARD_EVERY_S)
            with suppress(*AWAY):  # `_send` shows nothing until somebody knows
                if (ending := await self._ending()) is not None:
                    return ending

    async def _send(self, viewer: Viewer) -> Ending:
        timeout_s = 0.0  # at first: whoever opens a camera without pictures learns at once why
        while True:
            held = await viewer.next(timeout_s)
            timeout_s = self._services.settings.live.idle_s
            if viewer.ended:
                return GOING_AWAY
            # Before the scope is looked at: the camera may have got another commune, and nobody here knew.
            knows = await self._knows_decisions()
            try:
                ending = await self._ending()
            except AWAY:
                await self._say(DATABASE_AWAY)
                continue  # nothing is shown before somebody knows
            if ending is not None:
                return ending
            if not knows:
                await self._say(DATABASE_AWAY)
            elif held is None:
                await self._say(self._services.reasons.why(self._camera, self._view))
            else:
                await self._picture(held)

    async def _ending(self) -> Ending | None:
        """Why this view must end, if it must. An open view counts as use of its session."""
        who = await self._presence.who()
        if who is None:
            return SESSION_ENDED
        self._who = who
        # The camera may have got another commune. One that was removed is no secret.
        camera = self._services.directory.camera(self._camera)
        if camera is not None and not may_watch(who, camera).is_granted:
            return Ending(OUT_OF_SCOPE, no_camera(self._camera).detail)
        return None

    async def _close(self, ending: Ending) -> None:
        with suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(CLOSE_S):
                await self._websocket.close(ending.code, ending.reason)

    async def _picture(self, held: Held) -> None:
        # Looked at once more here: a batch may have waited in the queue while a new decision was taken.
        if not self._services.directory.shows(self._camera, held.batch.mask_version):
            return
        now_ms = self._services.clock.now_ns() // 1_000_000
        await self._websocket.send_bytes(message(held, self._view, now_ms))
        self._batches += 1
        self._said = None

    async def _say(self, state: LiveState) -> None:
        """Why there is no picture, once."""
        if state != self._said:
            self._said = state
            await self._websocket.send_text(state.model_dump_json())

    async def _knows_decisions(self) -> bool:
        """Whether it is sure which masks are in force: another process may have taken a decision a moment ago."""
        news = self._services.news
        return news.is_current() or await self._services.lasting.run(self._who.username, news.catch_up)

    async def _remember_start(self) -> None:
        entry = self._entry(Action.LIVE_STARTED)
        try:
            await self._write(self._services.open_views.begin, entry)
        except AWAY:
            self._is_in_trail = False  # if it is after all, it ends there as that of a process that is gone
            raise

    async def _remember_end(self, seconds: int) -> None:
        """Write the end down, as soon as the database answers. Only the end of the process ends the wait for it."""
        while True:
            # Also when the server stops and cancels this: a task left to itself ends with the loop.
            with CancelScope(shield=True), suppress(*AWAY):
                entry = self._entry(Action.LIVE_ENDED, seconds=seconds, batches=self._batches)
                await self._write(self._services.open_views.end, entry)
                return
            log.warning("the database does not answer: the end of a live view waits", camera=self._camera)
            await asyncio.sleep(RETRY_S)

    def _entry(self, action: Action, **details: int) -> Entry:
        full = {"view": self._view.value, **details}
        return Entry(self._who.username, self._who.address, action, self._camera, details=full)

    async def _write(self, write: Callable[[OpenView, Entry], None], entry: Entry) -> None:
        await self._services.lasting.run(self._who.username, write, self._open, entry)
