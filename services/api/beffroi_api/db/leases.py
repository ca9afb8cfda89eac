"""Work that one process does for all: whoever holds its lease. A row in the database, by the database's clock.

Not an advisory lock: that one lives and dies with a connection, so a process whose machine vanished would keep it until
the server notices the dead line, which takes hours by default, and SQLite has none.
"""

from __future__ import annotations

import secrets

from sqlalchemy import text

from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_common.runtime.clock import Clock

SCOPE = Scope.system("one process works for all")

RENEWALS_PER_LEASE = 3
"""Two renewals may fail before the lease is over."""

POSTGRESQL_NOW_S = "EXTRACT(EPOCH FROM clock_timestamp())"
SQLITE_NOW_S = "(julianday('now') - 2440587.5) * 86400.0"
"""Seconds since 1970; 2440587.5 is that moment in Julian days."""

TAKE = """
INSERT INTO leases (name, holder, term, until_s) VALUES (:name, :holder, 1, {now_s} + :lease_s)
ON CONFLICT (name) DO UPDATE SET
    term = CASE WHEN leases.holder = excluded.holder THEN leases.term ELSE leases.term + 1 END,
    holder = excluded.holder,
    until_s = excluded.until_s
WHERE leases.holder = excluded.holder OR leases.until_s <= {now_s} OR leases.until_s > {now_s} + {longest_s}
RETURNING term
"""
"""Compare and set in one statement: no row comes back where somebody else holds it. One that goes on for longer than
any was taken by a clock that has been put back since, and its holder may be gone."""

LONGEST_S = 600
"""No lease is for so long."""

RELEASE = "UPDATE leases SET until_s = 0 WHERE name = :name AND holder = :holder"


class Lease:
    """One process's claim to one piece of work.

    Attributes:
        term: counts the holders. As long as it is the same, nobody else held the lease in between; None: never held.
    """

    def __init__(self, database: Database, clock: Clock, name: str, instance: str, lease_s: float) -> None:
        self.term: int | None = None
        self._database = database
        self._clock = clock
        self._name = name
        self._holder = f"{instance}-{secrets.token_hex(8)}"  # the same instance started again is somebody else
        self._lease_s = lease_s
        now_s = SQLITE_NOW_S if database.is_sqlite else POSTGRESQL_NOW_S
        self._take = text(TAKE.format(now_s=now_s, longest_s=LONGEST_S))
        self._renew_at_s = float("-inf")
        self._held_until_s = float("-inf")

    def hold(self) -> bool:
        """Take the lease if it is free, renew it if that is due, and return whether it is held.

        Raises:
            OperationalError, TimeoutError, InterfaceError: the database does not answer (`database.AWAY`).
        """
        # Measured before asking, so that here it is over before it is over in the database.
        now_s = self._clock.monotonic_s()
        if now_s >= self._renew_at_s:
            self._ask(now_s)
        return self.is_held()

    def is_held(self) -> bool:
        """Whether it surely is, without asking the database."""
        return self._clock.monotonic_s() < self._held_until_s

    def release(self) -> None:
        """Let somebody else have it at once.

        Raises:
            OperationalError, TimeoutError, InterfaceError: see `hold`; then it ends by itself.
        """
        if self.is_held():
            self._held_until_s = self._renew_at_s = float("-inf")
            with self._database.write(SCOPE) as session:
                session.execute(text(RELEASE), {"name": self._name, "holder": self._holder})

    def _ask(self, now_s: float) -> None:
        values = {"name": self._name, "holder": self._holder, "lease_s": self._lease_s}
        with self._database.write(SCOPE) as session:
            term = session.execute(self._take, values).scalar()
        if term is None:
            self._held_until_s = float("-inf")
            return
        self.term = term
        self._held_until_s = now_s + self._lease_s
        self._renew_at_s = now_s + self._lease_s / RENEWALS_PER_LEASE
