"""The index of recordings in the database."""

from __future__ import annotations

from datetime import datetime

from beffroi.api.tables import PlaybackRow, RecordingRow
from beffroi.common.contracts import RecordingState
from sqlalchemy import select
from sqlalchemy.orm import Session

THERE = (RecordingState.STORED.value, RecordingState.HELD.value)


def find(session: Session, recording: str, *, for_change: bool = False) -> RecordingRow | None:
    """One segment."""
    query = select(RecordingRow).where(RecordingRow.id == recording)
    return session.scalars(query.with_for_update() if for_change else query).first()


def overlapping(session: Session, camera: str, since: datetime, until: datetime) -> list[RecordingRow]:
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


def open_playback(session: Session, session_id: int, recording: str) -> bool:
    """Remember that a session opened a segment; False when it had already."""
    if session.get(PlaybackRow, (session_id, recording)) is not None:
        return False
    session.add(PlaybackRow(session_id=session_id, recording_id=recording))
    session.flush()
    return True
