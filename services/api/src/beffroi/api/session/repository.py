"""Sessions and failed sign-ins in the database."""

from __future__ import annotations

from datetime import datetime

from beffroi.api.tables import SessionRow, SignInFailureRow, UserRow
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session


def add(session: Session, *, token_hash: str, user_id: int, address: str, at: datetime) -> SessionRow:
    """Begin a session."""
    row = SessionRow(token_hash=token_hash, user_id=user_id, address=address, created_at=at, seen_at=at)
    session.add(row)
    session.flush()
    return row


def find(session: Session, token_hash: str) -> tuple[SessionRow, UserRow] | None:
    """A session with its person, if the person is not disabled."""
    query = (
        select(SessionRow, UserRow)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(SessionRow.token_hash == token_hash, UserRow.disabled_at.is_(None))
    )
    found = session.execute(query).first()
    return None if found is None else (found[0], found[1])


def touch(session: Session, row_id: int, at: datetime) -> None:
    """The session was used."""
    row = session.get(SessionRow, row_id)
    if row is not None:
        row.seen_at = at


def end(session: Session, row_id: int) -> None:
    """End one session."""
    session.execute(delete(SessionRow).where(SessionRow.id == row_id))


def end_all_of(session: Session, user_id: int) -> None:
    """End all sessions of a person."""
    session.execute(delete(SessionRow).where(SessionRow.user_id == user_id))


def end_expired(session: Session, *, created_before: datetime, seen_before: datetime) -> None:
    """Forget sessions that ended by themselves."""
    gone = (SessionRow.created_at < created_before) | (SessionRow.seen_at < seen_before)
    session.execute(delete(SessionRow).where(gone))


def add_failure(session: Session, *, account: str, address: str, at: datetime) -> None:
    """Remember a wrong password."""
    session.add(SignInFailureRow(account=account, address=address, at=at))


def failures(session: Session, *, since: datetime, address: str, account: str | None = None) -> int:
    """Wrong passwords from an address, of one account or of all."""
    query = select(func.count()).where(SignInFailureRow.at > since, SignInFailureRow.address == address)
    if account is not None:
        query = query.where(SignInFailureRow.account == account)
    return session.scalar(query) or 0


def forget_failures(session: Session, *, before: datetime) -> None:
    """Wrong passwords that no longer count."""
    session.execute(delete(SignInFailureRow).where(SignInFailureRow.at <= before))


def forgive(session: Session, *, account: str, address: str) -> None:
    """The right password was given: what was mistyped before no longer counts."""
    session.execute(
        delete(SignInFailureRow).where(SignInFailureRow.account == account, SignInFailureRow.address == address)
    )
