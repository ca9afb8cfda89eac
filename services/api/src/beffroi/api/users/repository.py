"""People in the database."""

from __future__ import annotations

from datetime import datetime

from beffroi.api.tables import UserRow
from sqlalchemy import select
from sqlalchemy.orm import Session


def by_name(session: Session, username: str) -> UserRow | None:
    """A person, disabled ones included."""
    return session.scalars(select(UserRow).where(UserRow.username == username)).first()


def every(session: Session) -> list[UserRow]:
    """All people by name."""
    return list(session.scalars(select(UserRow).order_by(UserRow.username)))


def add(
    session: Session, *, username: str, display_name: str, role: str, language: str, password_hash: str, at: datetime
) -> None:
    """Add a person."""
    session.add(
        UserRow(
            username=username,
            display_name=display_name,
            role=role,
            language=language,
            password_hash=password_hash,
            created_at=at,
            disabled_at=None,
        )
    )
    session.flush()
