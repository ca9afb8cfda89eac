"""Ranges that are being handed out, in the database."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, or_, select

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import PlaybackRow


def ending_at(
    session: ScopedSession, *, session_id: int, recording: str, last_byte: int, seen_after: datetime
) -> PlaybackRow | None:
    """The newest range of a session that ends at this byte and was asked for lately. Held for a change."""
    query = (
        select(PlaybackRow)
        .where(
            PlaybackRow.session_id == session_id,
            PlaybackRow.recording_id == recording,
            PlaybackRow.last_byte == last_byte,
            PlaybackRow.last_at > seen_after,
        )
        .order_by(PlaybackRow.id.desc())
        .limit(1)
    )
    return session.scalars(query.with_for_update()).first()


def ended(
    session: ScopedSession, *, seen_until: datetime, begun_until: datetime, now: datetime, limit: int
) -> list[PlaybackRow]:
    """Ranges that nobody has gone on with since a moment, or that began before another. Held.

    Those of later than now too: the clock was put back, and they must not wait for it.
    """
    has_ended = or_(PlaybackRow.last_at <= seen_until, PlaybackRow.began_at <= begun_until, PlaybackRow.last_at > now)
    query = select(PlaybackRow).where(has_ended).order_by(PlaybackRow.id).limit(limit)
    return list(session.scalars(query.with_for_update()))


def every(session: ScopedSession, *, limit: int) -> list[PlaybackRow]:
    """Ranges that are not in the trail yet. Held."""
    query = select(PlaybackRow).order_by(PlaybackRow.id).limit(limit)
    return list(session.scalars(query.with_for_update()))


def forget(session: ScopedSession, row: PlaybackRow) -> None:
    """It is in the trail now."""
    session.execute(delete(PlaybackRow).where(PlaybackRow.id == row.id))
