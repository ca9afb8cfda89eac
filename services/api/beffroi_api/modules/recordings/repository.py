"""The index of recordings in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import RecordingRow
from beffroi_common.contracts import RecordingState

THERE = (RecordingState.STORED.value, RecordingState.HELD.value)


def find(session: ScopedSession, recording: str, *, for_change: bool = False) -> RecordingRow | None:
    """One segment."""
    query = select(RecordingRow).where(RecordingRow.id == recording)
    return session.scalars(query.with_for_update() if for_change else query).first()


def overlapping(session: ScopedSession, camera: str, since: datetime, until: datetime) -> list[RecordingRow]:
    """Segments that are there and overlap a span, oldest first."""
    query = (
        select(RecordingRow)
        .where(
            RecordingRow.camera == camera,
            RecordingRow.starts_at <= until,
            RecordingRow.ends_at >= since,
            RecordingRow.state.in_(THERE),
        )
        .order_by(RecordingRow.starts_at)
    )
    return list(session.scalars(query))


def forget_destroyed(session: ScopedSession, *, until: datetime) -> None:
    """Segments that were destroyed at that moment or before."""
    session.execute(
        delete(RecordingRow).where(
            RecordingRow.state == RecordingState.DESTROYED.value, RecordingRow.changed_at <= until
        )
    )
