"""Where whoever changes something says so."""

from __future__ import annotations

import threading

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.news import repository
from beffroi_api.news.repository import Kind


class NewsOutbox:
    """Adds news to a transaction, and wakes the follower of this process once that is committed."""

    def __init__(self) -> None:
        self._arrived = threading.Event()

    def add(self, session: ScopedSession, kind: Kind, subject: str) -> None:
        """See `repository.add`."""
        repository.add(session, kind, subject)
        session.after_commit(self.wake)

    def wake(self) -> None:
        """There may be news, or the process stops."""
        self._arrived.set()

    def wait(self, timeout_s: float) -> None:
        """Until something was committed here, or the time is over."""
        self._arrived.wait(timeout_s)
        self._arrived.clear()
