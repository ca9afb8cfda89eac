"""News in the database: what changed, in the order in which it was committed, for every process that follows."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import delete, func, select

from beffroi_api.db.locks import AdvisoryLock
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import NewsRow

KEPT = 10_000
"""Rows kept: minutes of the busiest hour. A process that was away for more asks for everything again."""


class Kind(StrEnum):
    """What a piece of news is about."""

    CAMERA = "camera"
    ALERT = "alert"
    RECORDING = "recording"


def add(session: ScopedSession, kind: Kind, subject: str) -> None:
    """Add a piece of news. The last statement of its transaction: it holds the lock of all news until the end.

    The lock makes the order of the numbers the order of the commits; otherwise a reader could pass over a number whose
    transaction ends late.
    """
    session.flush()  # what waits for a row must not do so while it holds the lock
    session.lock(AdvisoryLock.NEWS)
    session.add(NewsRow(kind=kind.value, subject=subject))
    session.flush()


def newest(session: ScopedSession) -> int:
    """Number of the newest piece; 0: there is none."""
    return session.scalar(select(func.max(NewsRow.id))) or 0


def oldest(session: ScopedSession) -> int:
    """Number of the oldest piece kept; 0: there is none."""
    return session.scalar(select(func.min(NewsRow.id))) or 0


def after(session: ScopedSession, number: int, limit: int) -> list[NewsRow]:
    """The pieces that follow a number, oldest first."""
    return list(session.scalars(select(NewsRow).where(NewsRow.id > number).order_by(NewsRow.id).limit(limit)))


def forget_old(session: ScopedSession) -> None:
    """Keep the newest pieces."""
    session.execute(delete(NewsRow).where(NewsRow.id <= newest(session) - KEPT))
