"""The trail: rows are added, never changed, and each carries the hash of the one before.

An edited, removed or inserted row breaks the chain from there on. Rows cut off at the end do not, so whoever audits
notes the last number and hash, which `verify` gives, and compares next time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import AuditTableRow
from beffroi_common.runtime.clock import Clock

from . import repository
from .schemas import Action, AuditPage, AuditRow

FIRST = "0" * 64
"""What the first row carries for the one before."""

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
    """What reading the whole chain found. `broken_at` is the first row that does not fit; None: all do."""

    rows: int
    last_hash: str
    broken_at: int | None


class Trail:
    """Adds to the chain and reads it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

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
        session.add(row)
        session.flush()

    def record(self, entry: Entry) -> None:
        """Add a row in a transaction of its own, before what it speaks of is handed out."""
        with self._database.write(SCOPE) as session:
            self.add(session, entry)

    def read(self, who: Identity, *, before: int | None, limit: int, user: str | None, camera: str | None) -> AuditPage:
        """A page of the trail, in scope. Reading it leaves a row too, each page of a search: `before` says which."""
        with self._database.read(Scope.of(who)) as session:
            rows = repository.page(session, before=before, limit=limit + 1, user=user, camera=camera)
            items = [_view(row) for row in rows[:limit]]
        asked: dict[str, Any] = {"of": user, "before": before}
        filters = {name: value for name, value in asked.items() if value}
        self.record(Entry.of(who, Action.AUDIT_READ, camera=camera, **filters))
        return AuditPage(items=items, next=items[-1].id if len(rows) > limit else None)

    def verify(self) -> Verdict:
        """Read the whole chain."""
        count, previous = 0, FIRST
        with self._database.read(SCOPE) as session:
            for row in repository.oldest_first(session):
                count += 1
                if row.id != count or row.previous_hash != previous or row.hash != digest(row):
                    return Verdict(count, previous, row.id)
                previous = row.hash
        return Verdict(count, previous, None)


def digest(row: AuditTableRow) -> str:
    """SHA-256 over all of a row but its own hash, in one spelling: sorted keys, UTC to the microsecond."""
    content = {
        "id": row.id,
        "at": _spelled(row.at),
        "user": row.user,
        "address": row.address,
        "action": row.action,
        "camera": row.camera,
        "subject": row.subject,
        "details": row.details,
        "previous": row.previous_hash,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _kept(subject: str | None) -> str | None:
    """What the database can keep of it: part of it may be an address that somebody made up."""
    return subject.replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAX_SUBJECT] if subject else None


def _spelled(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


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
