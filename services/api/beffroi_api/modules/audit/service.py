"""The trail: rows are added, never changed, and each carries the hash of the one before and the seal of the key.

An edited, removed or inserted row breaks the chain, or lacks the seal. Rows cut off at the end do neither: that is seen
by a signed head, which the api publishes outside of the database each minute, and which `verify` expects to find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import AuditTableRow
from beffroi_common.contracts.base import EARLIEST
from beffroi_common.runtime.clock import Clock

from . import repository
from .chain.rows import FIRST, digest
from .chain.seal import Head, Seal, is_seal
from .schemas import Action, AuditPage, AuditRow

log = structlog.get_logger(__name__)

MAX_SUBJECT = 500

UNREADABLE = "(unreadable)"
"""In place of what is no row of the api's: `verify` says where."""

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


class TrailKeyError(Exception):
    """The trail goes on under another key than the one that is set: says what to do."""


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
        self._refuse_over(last)
        self._append(session, last, entry, self._seal.era)

    def require_key(self) -> None:
        """See that the trail goes on under the key that is set. A last row that was bent says nothing of keys, and is
        logged.

        Raises:
            TrailKeyError: its last row is another key's.
        """
        with self._database.read(SCOPE) as session:
            last = repository.newest(session)
        if last is None:
            return
        if _is_bent(last):
            log.error("the last row of the audit trail was changed: verify the trail", row=last.id)
        elif self._is_anothers(last):
            raise TrailKeyError(
                "the last row of the audit trail was not sealed with the trail_key that is set: set the key of before, "
                "or hand the trail over to this one (`commands.audit rotate`); if it is right, another process has "
                "another key, or somebody wrote the row"
            )

    def rotate(self, user: str, address: str) -> None:
        """Hand the trail over from the last of the former keys to the one that is set. All of it must be whole.

        Raises:
            TrailKeyError: no former key is set, or the trail is not theirs.
        """
        if self._seal.era == 0:
            raise TrailKeyError("no former key is set (trail_former_keys): there is nothing to hand over from")
        with self._database.write(SCOPE) as session:
            last = repository.last(session)
            whole, eras = self._walk(session, ())
            if not whole.is_whole or len(eras) != self._seal.era:
                raise TrailKeyError("the trail is not whole under the former keys, or was handed over already")
            entry = Entry(user, address, Action.TRAIL_KEY_CHANGED, details=self._hand_over(self._seal.era))
            self._append(session, last, entry, self._seal.era - 1)

    def _hand_over(self, era: int) -> dict[str, str]:
        return {"from": self._seal.name(era - 1), "to": self._seal.name(era)}

    def _is_handed_to_us(self, row: AuditTableRow) -> bool:
        return row.action == Action.TRAIL_KEY_CHANGED and row.details.get("to") == self._seal.name()

    def _refuse_over(self, last: AuditTableRow | None) -> None:
        """Whoever has another key than the last row adds nothing, whether they know that key or not."""
        if last is not None and not _is_bent(last) and self._is_anothers(last):
            raise TrailKeyError("the audit trail goes on under another key than the trail_key that is set")

    def _is_anothers(self, row: AuditTableRow) -> bool:
        """Whether a row that fits itself has the trail go on under another key."""
        if row.seal is None or self._is_handed_to_us(row):
            return False
        return row.action == Action.TRAIL_KEY_CHANGED or not self._seal.is_of_row(row.hash, row.seal)

    def _append(self, session: ScopedSession, last: AuditTableRow | None, entry: Entry, era: int) -> None:
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
        row.seal = self._seal.of_row(row.hash, era)
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
        """Read the whole chain, and see that it goes through each of these heads. Each row and head is verified by the
        key of its time, and the last of it by the key that is set.
        """
        with self._database.read(SCOPE) as session:
            verdict, eras = self._walk(session, tuple(heads))
        if verdict.broken_at is None and verdict.rows and len(eras) <= self._seal.era:
            return replace(verdict, broken_at=verdict.rows)  # it was never handed over to our key
        return verdict

    def _walk(self, session: ScopedSession, awaited: tuple[Head, ...]) -> tuple[Verdict, list[int]]:
        """What was found, and the first row after each handing over: era 0 begins with the first."""
        count, previous, met = 0, FIRST, set[Head]()
        at_row: dict[int, list[Head]] = {}
        for head in awaited:
            at_row.setdefault(head.rows, []).append(head)
        broken_at, eras = None, [1]
        for row in repository.oldest_first(session):
            fits = row.id == count + 1 and row.previous_hash == previous and row.hash == digest(row)
            if not fits or not self._seal.is_of_row(row.hash, row.seal, len(eras) - 1):
                broken_at = row.id
                break
            count, previous = row.id, row.hash
            # Whoever had both keys may have signed a head that ends with the row that hands over.
            signers = [len(eras) - 1]
            if row.action == Action.TRAIL_KEY_CHANGED:
                if len(eras) > self._seal.era or row.details != self._hand_over(len(eras)):
                    broken_at = row.id
                    break
                eras.append(row.id + 1)
                signers.append(len(eras) - 1)
            met.update(
                head
                for head in at_row.get(count, ())
                if head.hash == previous and any(self._seal.is_signed(head, era) for era in signers)
            )
        missed = tuple(head for head in awaited if head not in met)
        return Verdict(count, previous, broken_at, missed), eras

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


def _kept(subject: str | None) -> str | None:
    """What the database can keep of it: part of it may be an address that somebody made up."""
    return subject.replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAX_SUBJECT] if subject else None


def _is_bent(row: AuditTableRow) -> bool:
    """Whether no key wrote it so: otherwise somebody who only writes the database could stop every process by it."""
    return row.hash != digest(row) or (row.seal is not None and not is_seal(row.seal))


def _view(row: AuditTableRow) -> AuditRow:
    """A row as it goes out. One that somebody wrote past the api keeps nobody from reading the others."""
    try:
        view = _as_it_is(row)
        view.model_dump_json()  # details too deep to be written, or half a character
    except ValueError:  # pydantic's, of what it cannot read and of what it cannot write
        return AuditRow(
            id=row.id,
            at=EARLIEST,
            user=UNREADABLE,
            address="",
            action=UNREADABLE,
            camera=None,
            subject=None,
            details={},
            hash="",
        )
    return view


def _as_it_is(row: AuditTableRow) -> AuditRow:
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
