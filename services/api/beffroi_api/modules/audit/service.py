"""The trail: rows are added, never changed, and each carries the hash of the one before and the seal of the key.

An edited, removed or inserted row breaks the chain, or lacks the seal. Rows cut off at the end do neither: that is seen
by a signed head, which the api publishes outside of the database each minute, and which `verify` expects to find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import AuditTableRow
from beffroi_common.runtime.clock import Clock

from . import repository
from .chain.rows import FIRST, digest
from .chain.seal import Head, Seal
from .schemas import Action, AuditPage, AuditRow

MAX_SUBJECT = 500

SCOPE = Scope.system("the trail is one chain, whoever adds to it")


@dataclass(frozen=True)
class Entry:
    """What is to be remembered."""

    user: str
    address: str
    action: Action
    camera: str | None = None
    subject: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, who: Identity, action: Action, *, camera: str | None = None, subject: str | None = None, **details: Any
    ) -> Entry:
        """An entry about somebody who is signed in."""
        return cls(who.username, who.address, action, camera, subject, details)


@dataclass(frozen=True)
class Verdict:
    """What reading the whole chain found.

    Attributes:
        rows: how many rows fit, up to the first that does not.
        last_hash: of the last of them.
        broken_at: the first row that does not fit, or has no seal of the key; None: all do.
        missed: heads that are not signed with the key, or that the chain does not go through.
    """

    rows: int
    last_hash: str
    broken_at: int | None
    missed: tuple[Head, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return self.broken_at is None and not self.missed


class UnsealedTrailError(Exception):
    """Rows of a release before the key cannot be sealed: says why."""


class Trail:
    """Adds to the chain and reads it."""

    def __init__(self, database: Database, clock: Clock, seal: Seal) -> None:
        self._database = database
        self._clock = clock
        self._seal = seal
        self.before_reading: list[Callable[[], None]] = []
        """Called before people read it: what is not written down yet is then."""

    def add(self, session: ScopedSession, entry: Entry) -> None:
        """Add a row within a transaction, as its last statement: the chain is locked from here to the commit."""
        last = repository.last(session)
        row = AuditTableRow(
            id=last.id + 1 if last else 1,
            at=self._clock.now(),
            user=entry.user,
            address=entry.address,
            action=entry.action.value,
            camera=entry.camera,
            subject=_kept(entry.subject),
            details=dict(entry.details),
            previous_hash=last.hash if last else FIRST,
        )
        row.hash = digest(row)
        row.seal = self._seal.of_row(row.hash)
        session.add(row)
        session.flush()

    def record(self, entry: Entry) -> None:
        """Add a row in a transaction of its own, before what it speaks of is handed out."""
        with self._database.write(SCOPE) as session:
            self.add(session, entry)

    def read(self, who: Identity, *, before: int | None, limit: int, user: str | None, camera: str | None) -> AuditPage:
        """A page of the trail, in scope. Reading it leaves a row too, each page of a search: `before` says which."""
        for settle in self.before_reading:
            settle()
        with self._database.read(Scope.of(who)) as session:
            rows = repository.page(session, before=before, limit=limit + 1, user=user, camera=camera)
            items = [_view(row) for row in rows[:limit]]
        asked: dict[str, Any] = {"of": user, "before": before}
        filters = {name: value for name, value in asked.items() if value}
        self.record(Entry.of(who, Action.AUDIT_READ, camera=camera, **filters))
        return AuditPage(items=items, next=items[-1].id if len(rows) > limit else None)

    def head(self) -> Head | None:
        """The end of the trail at present, signed; None: it is empty."""
        with self._database.read(SCOPE) as session:
            row = repository.newest(session)
        return None if row is None else self._seal.sign(row.id, row.hash)

    def verify(self, heads: Iterable[Head] = ()) -> Verdict:
        """Read the whole chain, and see that it goes through each of these heads."""
        awaited = tuple(heads)
        count, previous, met = 0, FIRST, set[Head]()
        at_row: dict[int, list[Head]] = {}
        for head in awaited:
            at_row.setdefault(head.rows, []).append(head)
        broken_at = None
        with self._database.read(SCOPE) as session:
            for row in repository.oldest_first(session):
                if row.id != count + 1 or row.previous_hash != previous or not self._is_sound(row):
                    broken_at = row.id
                    break
                count, previous = row.id, row.hash
                met.update(head for head in at_row.get(count, ()) if head.hash == previous)
        missed = tuple(head for head in awaited if head not in met or not self._seal.is_signed(head))
        return Verdict(count, previous, broken_at, missed)

    def seal_rows(self, rows: int, last_hash: str) -> None:
        """Seal the rows that a release before the key wrote: exactly so many, the last of which has this hash.

        Raises:
            UnsealedTrailError: they are others, or do not fit each other.
        """
        count, previous = 0, FIRST
        with self._database.write(SCOPE) as session:
            for row in repository.unsealed(session):
                if row.id != count + 1 or row.previous_hash != previous or row.hash != digest(row):
                    raise UnsealedTrailError(f"row {row.id} does not fit the one before: it was changed or taken out")
                count, previous = row.id, row.hash
                row.seal = self._seal.of_row(row.hash)
            if (count, previous) != (rows, last_hash):
                raise UnsealedTrailError(f"{count} rows have no seal and the last hash is {previous}: not as was noted")

    def _is_sound(self, row: AuditTableRow) -> bool:
        return row.hash == digest(row) and self._seal.is_of_row(row.hash, row.seal)


def _kept(subject: str | None) -> str | None:
    """What the database can keep of it: part of it may be an address that somebody made up."""
    return subject.replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAX_SUBJECT] if subject else None


def _view(row: AuditTableRow) -> AuditRow:
    return AuditRow(
        id=row.id,
        at=row.at,
        user=row.user,
        address=row.address,
        action=row.action,
        camera=row.camera,
        subject=row.subject,
        details=row.details,
        hash=row.hash,
    )
