"""The index of recordings in the database."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, select

from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import RecordingRow
from beffroi_api.db.types import as_text
from beffroi_common.contracts import Recording, RecordingState
from beffroi_common.recordings.naming import segment_id

LONGEST_SEGMENT = timedelta(hours=1)
"""The recorder cuts after ten minutes at most (`segment_s`), or later where no key picture comes. The index goes by
beginnings: without a bound all of a camera's past would be looked through for what overlaps a moment."""


class Listed(NamedTuple):
    """What a list says of a segment. A day has 1,440 of them."""

    id: str
    store: str
    object_name: str
    camera: str
    starts_at: datetime
    ends_at: datetime
    frames: int
    missing_batches: int
    width: int
    height: int
    size_bytes: int
    sha256: str
    codec: str
    mask_versions: str
    """As JSON: see `versions`."""


THERE = (RecordingState.STORED.value, RecordingState.HELD.value)


def find(session: ScopedSession, recording: str, *, for_change: bool = False) -> RecordingRow | None:
    """One segment."""
    query = select(RecordingRow).where(RecordingRow.id == recording)
    return session.scalars(query.with_for_update() if for_change else query).first()


def row_of(recording: Recording) -> RecordingRow:
    """A row for a segment that has none."""
    row = RecordingRow(id=segment_id(recording.key), store=recording.store, object_name=recording.object_name)
    write(row, recording)
    return row


def write(row: RecordingRow, recording: Recording) -> None:
    """What is said of a segment into its row."""
    row.camera = recording.camera
    row.state = recording.state.value
    row.starts_at, row.ends_at = recording.starts_at, recording.ends_at
    row.frames, row.missing_batches = recording.frames, recording.missing_batches
    row.width, row.height, row.codec = recording.width, recording.height, recording.codec
    row.mask_versions = list(recording.mask_versions)
    row.size_bytes, row.sha256 = recording.size_bytes, recording.sha256
    row.changed_at = recording.changed_at


def known(session: ScopedSession, recordings: Collection[str]) -> set[str]:
    """Which of these segments there is a row of, whatever it says."""
    return set(session.scalars(select(RecordingRow.id).where(RecordingRow.id.in_(recordings))))


def overlapping(session: ScopedSession, camera: str, since: datetime, until: datetime) -> list[RecordingRow]:
    """Segments that are there and overlap a span, oldest first."""
    query = select(RecordingRow).where(*_overlap(camera, since, until)).order_by(RecordingRow.starts_at)
    return list(session.scalars(query))


def listed(session: ScopedSession, camera: str, since: datetime, until: datetime) -> list[Listed]:
    """The same, to be read and not changed."""
    columns = (getattr(RecordingRow, name) for name in Listed._fields[:-1])
    query = (
        select(*columns, as_text(RecordingRow.mask_versions))
        .where(*_overlap(camera, since, until))
        .order_by(RecordingRow.starts_at)
    )
    return [Listed._make(row) for row in session.execute(query)]


@lru_cache
def versions(text: str) -> tuple[int, ...]:
    """Mask versions, as a row of a list says them."""
    return tuple(json.loads(text))


def _overlap(camera: str, since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        RecordingRow.camera == camera,
        RecordingRow.starts_at.between(since - LONGEST_SEGMENT, until),
        RecordingRow.ends_at >= since,
        RecordingRow.state.in_(THERE),
    )


def there_until(session: ScopedSession, until: datetime, after: str, limit: int) -> list[RecordingRow]:
    """Segments that are said to be there and began at that moment or before, in the order of ids, after one of them."""
    query = (
        select(RecordingRow)
        .where(RecordingRow.starts_at <= until, RecordingRow.state.in_(THERE), RecordingRow.id > after)
        .order_by(RecordingRow.id)
        .limit(limit)
    )
    return list(session.scalars(query))


def forget(session: ScopedSession, recordings: Collection[str]) -> None:
    """These segments."""
    session.execute(delete(RecordingRow).where(RecordingRow.id.in_(recordings)))


def forget_destroyed(session: ScopedSession, *, until: datetime) -> None:
    """Segments that were destroyed at that moment or before."""
    session.execute(
        delete(RecordingRow).where(
            RecordingRow.state == RecordingState.DESTROYED.value, RecordingRow.changed_at <= until
        )
    )
