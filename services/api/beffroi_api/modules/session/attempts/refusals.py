"""Attempts that are refused unread, in the trail: once for each account and network in a while, however many."""

from __future__ import annotations

import threading
from collections import OrderedDict

from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_api.modules.users import repository as users
from beffroi_common.runtime.clock import Clock

from .throttle import network_of

SCOPE = Scope.system("attempts to sign in are written down before anybody is known")
UNKNOWN = "(unknown)"
"""What is no user's name may be a password typed into the wrong field: it is not kept in the trail."""
REMEMBERED = 4096
"""Accounts and networks; who has more networks than that has written rows of his own anyway, by wrong passwords."""


class Refusals:
    """Writes down that somebody is kept waiting for having guessed too often."""

    def __init__(self, database: Database, trail: Trail, clock: Clock, every_s: float) -> None:
        """`every_s`: a row about one account and one network at most so often."""
        self._database = database
        self._trail = trail
        self._clock = clock
        self._every_s = every_s
        self._noted_s: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, account: str, address: str) -> None:
        """An attempt was refused before its password was looked at."""
        with self._database.read(SCOPE) as session:
            name = account if users.by_name(session, account) is not None else UNKNOWN
        if self._is_due((name, network_of(address))):
            self._trail.record(Entry(name, address, Action.SIGN_IN_FAILED, details={"step": "throttled"}))

    def _is_due(self, key: tuple[str, str]) -> bool:
        now_s = self._clock.monotonic_s()
        with self._lock:
            if now_s - self._noted_s.get(key, float("-inf")) < self._every_s:
                return False
            self._noted_s[key] = now_s
            self._noted_s.move_to_end(key)
            while len(self._noted_s) > REMEMBERED:
                self._noted_s.popitem(last=False)
            return True
