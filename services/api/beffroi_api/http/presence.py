"""Whether whoever gets something that goes on for long is still signed in."""

from __future__ import annotations

import asyncio

from starlette.requests import HTTPConnection

from beffroi_api.authz.roles import Identity
from beffroi_api.http.access import COOKIE
from beffroi_api.process.services import ProcessServices


class Presence:
    """The session behind a live view, a stream of news or a video: looked at every few seconds, by whoever asks first.

    Args:
        services: of the process.
        connection: of the request.
        who: was found in front of it.
        is_use: whether it shows a person in front of the console, see `Requires`.
    """

    def __init__(
        self, services: ProcessServices, connection: HTTPConnection, who: Identity, *, is_use: bool = True
    ) -> None:
        self._services = services
        self._token = connection.cookies.get(COOKIE)
        self._who: Identity | None = who
        self._person = who.username
        self._address = who.address
        self._is_use = is_use
        self._check_at_s = self._next_s()
        self._lock = asyncio.Lock()

    async def who(self) -> Identity | None:
        """Who it is, with the scope they have now; None: the session ended, or their role is another.

        Raises:
            OperationalError, TimeoutError, InterfaceError: the database does not answer, and nobody knows (`AWAY`).
        """
        async with self._lock:
            if self._who is not None and self._services.clock.monotonic_s() >= self._check_at_s:
                found = await self._look()
                self._check_at_s = self._next_s()
                self._who = found if found is not None and found.role is self._who.role else None
            return self._who

    async def _look(self) -> Identity | None:
        return await self._services.lasting.run(
            self._person, self._services.authenticate, self._token, self._address, is_use=self._is_use
        )

    def _next_s(self) -> float:
        return self._services.clock.monotonic_s() + self._services.settings.session.check_every_s
