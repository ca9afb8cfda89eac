"""A transaction that sees only what is in scope. Nothing else may speak with the database: see `Database`.

Each statement gets the conditions of its scope before it is executed, whatever it selects, changes or deletes
(SQLAlchemy's `with_loader_criteria`). So a repository cannot forget them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, TypeVarTuple, overload

from sqlalchemy import (
    ColumnElement,
    Delete,
    Executable,
    Result,
    ScalarResult,
    Select,
    Update,
    and_,
    event,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Session, with_loader_criteria
from sqlalchemy.sql.base import ExecutableOption
from sqlalchemy.sql.selectable import TypedReturnsRows

from beffroi_api.authz.scope import Scope
from beffroi_api.db.locks import AdvisoryLock
from beffroi_api.db.tables import (
    AlertRow,
    AuditTableRow,
    Base,
    CameraRow,
    InstallationRow,
    LeaseRow,
    NewsRow,
    OpenViewRow,
    PlaybackRow,
    PositionRow,
    RecordingRow,
    RecoveryCodeRow,
    SessionRow,
    SignInFailureRow,
    UserRow,
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Also = Callable[["ScopedSession"], None]
"""What somebody else writes in the same transaction."""
Values = Mapping[str, Any] | list[dict[str, Any]]
"""Of the parameters of a statement; a list: of many rows."""

FILTERED: Final = frozenset({CameraRow, AlertRow, RecordingRow, OpenViewRow, AuditTableRow})
"""Tables with rows about cameras."""

UNFILTERED: Final[Mapping[type[Base], str]] = {
    InstallationRow: "one row, of the whole installation",
    NewsRow: "names what changed, which is then looked up and filtered by whoever receives it",
    PositionRow: "how far the bus was read, for all cameras",
    LeaseRow: "work that one process does for all",
    UserRow: "read at sign-in, before anybody has a scope, and by commands on the machine itself",
    SessionRow: "read at sign-in, before anybody has a scope",
    RecoveryCodeRow: "of the account that signs in or is one's own",
    SignInFailureRow: "counted at sign-in, before anybody has a scope",
    PlaybackRow: "written by the session that plays, of a recording that was found in scope; read for the trail",
}
"""Tables that hold nothing of a camera, and why nobody else's rows are seen there. A test sees that each table is
either filtered or here."""


class ScopedSession:
    """One transaction on behalf of `scope`: the part of SQLAlchemy's session that repositories need."""

    def __init__(self, session: Session, scope: Scope) -> None:
        self.scope = scope
        self._session = session
        self._conditions = _conditions(scope)

    def unfiltered(self, reason: str) -> ScopedSession:
        """The same transaction with all rows, for what must be true of all of them; `reason` says what that is."""
        return ScopedSession(self._session, Scope.system(reason))

    @overload
    def execute(self, statement: TypedReturnsRows[*Ts]) -> Result[*Ts]: ...

    @overload
    def execute(self, statement: Executable, values: Values | None = None) -> Result[*tuple[Any, ...]]: ...

    def execute(self, statement: Executable, values: Values | None = None) -> Result[*tuple[Any, ...]]:
        """Execute a statement on rows in scope."""
        return self._session.execute(self._filtered(statement), values)

    def scalars(self, statement: TypedReturnsRows[T]) -> ScalarResult[T]:
        """First column of the rows in scope."""
        found: ScalarResult[T] = self._session.scalars(self._filtered(statement))
        return found

    def scalar(self, statement: TypedReturnsRows[T]) -> T | None:
        """First column of the first row in scope."""
        found: T | None = self._session.scalar(self._filtered(statement))
        return found

    def add(self, row: Base) -> None:
        """Add a row at the next flush."""
        self._session.add(row)

    def flush(self) -> None:
        """Send what was changed to the database."""
        self._session.flush()

    def after_commit(self, do: Callable[[], None]) -> None:
        """Call `do` when this transaction was committed; not when it is undone."""
        event.listen(self._session, "after_commit", lambda _session: do(), once=True)

    def expunge_all(self) -> None:
        """Forget rows that were read, so that reading many of them does not keep them in memory."""
        self._session.expunge_all()

    def lock(self, lock: AdvisoryLock) -> None:
        """Wait to be the only one that holds `lock`, until the transaction ends. SQLite has one writer anyway."""
        if self._session.get_bind().dialect.name == "postgresql":
            self._session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock.value})

    def _filtered(self, statement: Executable) -> Executable:
        if not self._conditions:
            return statement
        if not isinstance(statement, Select | Update | Delete):
            raise TypeError(f"{type(statement).__name__} cannot be limited to a scope: select, update or delete rows")
        return statement.options(*self._conditions)


def nothing(_session: ScopedSession) -> None:
    """Nobody writes anything more."""


def _conditions(scope: Scope) -> tuple[ExecutableOption, ...]:
    if scope.territory.is_everywhere:
        return ()
    table = CameraRow.__table__.c
    in_scope = select(table.id).where(scope.territory.condition(table.id, table.commune))
    # Rows of the trail without a camera, as sign-ins: one's own.
    own = and_(AuditTableRow.camera.is_(None), AuditTableRow.user == scope.actor)
    conditions: Mapping[type[Base], ColumnElement[bool]] = {
        CameraRow: scope.territory.condition(CameraRow.id, CameraRow.commune),
        AlertRow: AlertRow.camera.in_(in_scope),
        RecordingRow: RecordingRow.camera.in_(in_scope),
        OpenViewRow: OpenViewRow.camera.in_(in_scope),
        AuditTableRow: or_(AuditTableRow.camera.in_(in_scope), own),
    }
    # Aliases too: a table that is joined to itself is read under another name.
    return tuple(with_loader_criteria(row, condition, include_aliases=True) for row, condition in conditions.items())
