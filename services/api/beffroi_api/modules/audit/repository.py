"""The audit trail in the database."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from beffroi_api.db.locks import AdvisoryLock
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import AuditTableRow

READ_AT_ONCE = 1000
"""Rows fetched at a time when the whole trail is read."""


def last(session: ScopedSession) -> AuditTableRow | None:
    """The end of the chain, held until the transaction ends: nobody else adds to it meanwhile."""
    session.lock(AdvisoryLock.AUDIT_CHAIN)
    return newest(session)


def newest(session: ScopedSession) -> AuditTableRow | None:
    """The end of the chain, as it is committed."""
    chain = session.unfiltered("the trail is one chain, whoever adds to it")
    return chain.scalars(select(AuditTableRow).order_by(AuditTableRow.id.desc()).limit(1)).first()


def page(
    session: ScopedSession, *, before: int | None, limit: int, user: str | None, camera: str | None
) -> list[AuditTableRow]:
    """Rows in scope, newest first."""
    query = select(AuditTableRow).order_by(AuditTableRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditTableRow.id < before)
    if user is not None:
        query = query.where(AuditTableRow.user == user)
    if camera is not None:
        query = query.where(AuditTableRow.camera == camera)
    return list(session.scalars(query))


def oldest_first(session: ScopedSession) -> Iterator[AuditTableRow]:
    """The whole trail, a bounded number of rows in memory; what was slipped in under any number is read too."""
    query = select(AuditTableRow).order_by(AuditTableRow.id).limit(READ_AT_ONCE)
    rows = list(session.scalars(query))
    while rows:
        last = rows[-1].id
        yield from rows
        session.expunge_all()
        rows = list(session.scalars(query.where(AuditTableRow.id > last)))


def unsealed(session: ScopedSession) -> Iterator[AuditTableRow]:
    """Rows that no key sealed, oldest first. Whatever is changed in them is written before the next are read."""
    query = select(AuditTableRow).where(AuditTableRow.seal.is_(None)).order_by(AuditTableRow.id).limit(READ_AT_ONCE)
    rows = list(session.scalars(query))
    while rows:
        last = rows[-1].id
        yield from rows
        session.flush()
        session.expunge_all()
        rows = list(session.scalars(query.where(AuditTableRow.id > last)))
