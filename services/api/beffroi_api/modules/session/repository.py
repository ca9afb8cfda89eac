"""Sessions in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select, update

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import SessionRow, UserRow


def add(session: ScopedSession, *, token_hash: str, user_id: int, address: str, agent: str, at: datetime) -> SessionRow:
    """Begin a session."""
    row = SessionRow(token_hash=token_hash, user_id=user_id, address=address, agent=agent, created_at=at, seen_at=at)
    session.add(row)
    session.flush()
    return row


def find(session: ScopedSession, token_hash: str) -> tuple[SessionRow, UserRow] | None:
    """A session with its person, if the person is not disabled."""
    query = (
        select(SessionRow, UserRow)
        .join(UserRow, UserRow.id == SessionRow.user_id)
        .where(SessionRow.token_hash == token_hash, UserRow.disabled_at.is_(None))
    )
    found = session.execute(query).first()
    return None if found is None else (found[0], found[1])


def touch(session: ScopedSession, row_id: int, at: datetime) -> None:
    """The session was used."""
    session.execute(update(SessionRow).where(SessionRow.id == row_id).values(seen_at=at))


def hold(session: ScopedSession, row_id: int) -> bool:
    """Whether a session is there still. Whoever ends it waits until the transaction ends."""
    query = select(SessionRow.id).where(SessionRow.id == row_id).with_for_update()
    return session.scalar(query) is not None


def end(session: ScopedSession, row_id: int) -> None:
    """End one session."""
    session.execute(delete(SessionRow).where(SessionRow.id == row_id))


def of_user(session: ScopedSession, user_id: int) -> list[SessionRow]:
    """Sessions of a person, newest first; some may have ended by themselves."""
    query = select(SessionRow).where(SessionRow.user_id == user_id).order_by(SessionRow.id.desc())
    return list(session.scalars(query))


def end_others_of(session: ScopedSession, user_id: int, kept: int) -> int:
    """End all sessions of a person but one, and return how many there were."""
    others = (SessionRow.user_id == user_id) & (SessionRow.id != kept)
    count = session.scalar(select(func.count()).where(others)) or 0
    session.execute(delete(SessionRow).where(others))
    return count


def end_all_of(session: ScopedSession, user_id: int) -> None:
    """End all sessions of a person."""
    session.execute(delete(SessionRow).where(SessionRow.user_id == user_id))


def end_expired(session: ScopedSession, *, created_before: datetime, seen_before: datetime) -> None:
    """Forget sessions that ended by themselves."""
    gone = (SessionRow.created_at < created_before) | (SessionRow.seen_at < seen_before)
    session.execute(delete(SessionRow).where(gone))


def count_from(session: ScopedSession, now: datetime) -> None:
    """Sessions of a time that is still to come, by a clock that has been put back since, begin now: they would not end
    before it came.
    """
    for at in (SessionRow.created_at, SessionRow.seen_at):
        session.execute(update(SessionRow).where(at > now).values({at: now}))


def addresses_in_use(session: ScopedSession, *, created_after: datetime, seen_after: datetime) -> set[str]:
    """From where people are signed in at present."""
    query = select(SessionRow.address).where(SessionRow.created_at > created_after, SessionRow.seen_at > seen_after)
    return set(session.scalars(query))
