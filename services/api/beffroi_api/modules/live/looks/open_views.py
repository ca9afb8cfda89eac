"""The beginning and the end of each live view in the trail, also of one whose process is killed.

A view is a row as long as it is open, and its process renews it. Whoever finds it unchanged a few times, each a while
after the last, writes its end: at the last time it was seen. They are counted, and no clock is asked: those of two
machines differ, and who stood still together must not take each other for dead.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_common.runtime.clock import Clock

from . import repository

log = structlog.get_logger(__name__)

SCOPE = Scope.system("views of a process that is gone end in the trail, whoever watched")

RENEW_EVERY_S = 15.0
"""As exact as the end of a look is known whose process was killed."""

GONE_AFTER = 4
"""Looks at a row that found it unchanged: so many renewals did not come."""

PROCESS_GONE = "process_gone"


@dataclass
class OpenView:
    """One view. Its beginning may be written still while its end is asked for: whoever watches can leave any time.

    Attributes:
        camera: whose pictures.
        kind: masked or annotated.
        number: of its row; None: it has none.
        is_over: its end is written.
    """

    camera: str
    kind: str
    number: int | None = None
    is_over: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class OpenViews:
    """The views of this process, and those of processes that are gone."""

    def __init__(self, database: Database, trail: Trail, clock: Clock) -> None:
        self._database = database
        self._trail = trail
        self._clock = clock
        self._open: set[int] = set()
        self._watched: dict[int, tuple[datetime, int]] = {}
        """Of each row when it was seen last, and how often we found that since."""
        self._lock = threading.Lock()

    def begin(self, view: OpenView, entry: Entry) -> None:
        """Write down that a view begins."""
        at = self._clock.now()
        with view.lock:
            if view.is_over:  # whoever wanted it left meanwhile
                return
            with self._database.write(SCOPE) as session:
                view.number = repository.add(
                    session, user=entry.user, address=entry.address, camera=view.camera, view=view.kind, at=at
                )
                self._trail.add(session, entry)
            with self._lock:
                self._open.add(view.number)

    def end(self, view: OpenView, entry: Entry) -> None:
        """Write down that it ended. It does also where somebody took us for dead, and wrote that before."""
        with view.lock:
            with self._database.write(SCOPE) as session:
                if view.number is not None:
                    repository.end(session, view.number)
                self._trail.add(session, entry)
            view.is_over = True
            with self._lock:
                self._open.discard(view.number or 0)

    def look(self) -> None:
        """Housekeeping: renew our own, and end those that nobody renews."""
        with self._lock:
            ours = set(self._open)
        if ours:
            with self._database.write(SCOPE) as session:
                repository.renew(session, ours, self._clock.now())
        with self._database.read(SCOPE) as session:
            seen = repository.seen(session)
        self._watched = {
            number: (seen_at, self._times_found(number, seen_at) + 1)
            for number, seen_at in seen.items()
            if number not in ours
        }
        for number, (seen_at, times) in self._watched.items():
            if times > GONE_AFTER:
                self._close(number, seen_at)

    def _times_found(self, number: int, seen_at: datetime) -> int:
        before, times = self._watched.get(number, (seen_at, 0))
        return times if before == seen_at else 0

    def _close(self, number: int, seen_at: datetime) -> None:
        with self._database.write(SCOPE) as session:
            row = repository.take(session, number, seen_at)
            if row is None:  # somebody was faster, or it goes on
                return
            details = {
                "view": row.view,
                "seconds": round((seen_at - row.began_at).total_seconds()),
                "reason": PROCESS_GONE,
                "seen_at": seen_at.isoformat(),
            }
            entry = Entry(row.user, row.address, Action.LIVE_ENDED, row.camera, details=details)
            repository.end(session, number)
            self._trail.add(session, entry)
        log.warning("the process of a live view is gone: its end is written down", **details)
