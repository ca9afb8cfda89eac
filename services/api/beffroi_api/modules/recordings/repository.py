"""The index of recordings in the database."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import PlaybackRow, RecordingRow
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


def last_played(session: ScopedSession, session_id: int, recording: str) -> datetime | None:
    """When a session was last noted to play a segment; None: never, or the session ended."""
    return session.scalar(select(PlaybackRow.last_at).where(*_of(session_id, recording)))


def note_playback(session: ScopedSession, session_id: int, recording: str, *, at: datetime, quiet: timedelta) -> bool:
    """Note that a session plays a segment; True when that begins a look: the first, or one after so much quiet.

    Of several at once one begins it: the others wait for its row, or collide with it.

    Raises:
        IntegrityError: another request wrote the first row meanwhile, or there is no such session any more.
    """
    row = session.scalars(select(PlaybackRow).where(*_of(session_id, recording)).with_for_update()).first()
    if row is None:
        session.add(PlaybackRow(session_id=session_id, recording_id=recording, last_at=at))
        session.flush()
        return True
    begins = between(row.last_at, at) >= quiet
    row.last_at = at
    session.flush()
    return begins


def between(one: datetime, other: datetime) -> timedelta:
    """Time from one to the other, whichever comes first: a clock that was put back must not hide looks for hours."""
    return abs(other - one)


def _of(session_id: int, recording: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return PlaybackRow.session_id == session_id, PlaybackRow.recording_id == recording
