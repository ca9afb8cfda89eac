"""People in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import UserRow


def by_name(session: ScopedSession, username: str, *, for_change: bool = False) -> UserRow | None:
    """A person, disabled ones included. `for_change` keeps others from changing it until the transaction ends."""
    query = select(UserRow).where(UserRow.username == username)
    return session.scalars(query.with_for_update() if for_change else query).first()


def every(session: ScopedSession) -> list[UserRow]:
    """All people by name."""
    return list(session.scalars(select(UserRow).order_by(UserRow.username)))


def add(
    session: ScopedSession,
    *,
    username: str,
    display_name: str,
    role: str,
    language: str,
    password_hash: str,
    password_given: bool,
    at: datetime,
) -> None:
    """Add a person."""
    session.add(
        UserRow(
            username=username,
            display_name=display_name,
            role=role,
            language=language,
            password_hash=password_hash,
            password_given=password_given,
            created_at=at,
            disabled_at=None,
        )
    )
    session.flush()


def forget_second_factor(user: UserRow) -> None:
    """The password alone is asked for again."""
    user.second_factor, user.second_factor_step = None, None
