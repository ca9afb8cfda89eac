"""Open live views in the database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select, update

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import OpenViewRow


def add(session: ScopedSession, *, user: str, address: str, camera: str, view: str, at: datetime) -> int:
    """A view begins; returns its number."""
    row = OpenViewRow(user=user, address=address, camera=camera, view=view, began_at=at, seen_at=at)
    session.add(row)
    session.flush()
    return row.id


def renew(session: ScopedSession, views: Collection[int], at: datetime) -> None:
    """These are open still."""
    session.execute(update(OpenViewRow).where(OpenViewRow.id.in_(views)).values(seen_at=at))


def end(session: ScopedSession, view: int) -> None:
    """It is over."""
    session.execute(delete(OpenViewRow).where(OpenViewRow.id == view))


def seen(session: ScopedSession) -> dict[int, datetime]:
    """When each was seen last, by whoever shows it."""
    return {row.id: row.seen_at for row in session.execute(select(OpenViewRow.id, OpenViewRow.seen_at))}


def take(session: ScopedSession, view: int, seen_at: datetime) -> OpenViewRow | None:
    """It, if it was not seen since; held until the transaction ends, so that one closes it."""
    query = select(OpenViewRow).where(OpenViewRow.id == view, OpenViewRow.seen_at == seen_at)
    return session.scalars(query.with_for_update(skip_locked=True)).first()
