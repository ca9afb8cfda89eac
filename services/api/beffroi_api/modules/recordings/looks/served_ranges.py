"""Every range of a recording that was handed out comes into the trail.

A browser may ask for a segment in a hundred pieces. Those that go on exactly where the one before ended are one range,
and one row of the trail; any other request is a row of its own, also one for what was seen before. A range is written
down before the first byte of it leaves, and moves into the trail once nobody goes on with it, or somebody reads the
trail, so that whoever reads it misses none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import PlaybackRow, RecordingRow
from beffroi_api.errors import NotSignedIn
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_api.modules.recordings import repository as recordings
from beffroi_api.modules.recordings.video.ranges import Span
from beffroi_api.modules.session import repository as sessions
from beffroi_common.runtime.clock import Clock

from . import repository

SCOPE = Scope.system("what was handed out is written into the one trail")

QUIET = timedelta(seconds=30)
"""A player asks for the next piece within seconds. Who comes back later looks again."""

LONGEST = timedelta(minutes=5)
"""A range is in the trail after this time, however slowly somebody goes on with it."""

AT_ONCE = 200
"""Rows moved in one transaction: it holds the end of the trail."""


@dataclass(frozen=True)
class ServedRanges:
    """Notes what is handed out."""

    database: Database
    trail: Trail
    clock: Clock

    def note(self, who: Identity, row: RecordingRow, span: Span) -> None:
        """Write down that a range is about to leave.

        Raises:
            NotSignedIn: the session ended meanwhile: then nothing may be seen.
        """
        now = self.clock.now()
        with self.database.write(Scope.of(who)) as session:
            if not sessions.hold(session, who.session_id):
                raise NotSignedIn("Your session has ended: sign in again.")
            before = repository.ending_at(
                session,
                session_id=who.session_id,
                recording=row.id,
                last_byte=span.first - 1,
                seen_after=now - QUIET,
            )
            if before is not None:
                before.last_byte, before.last_at, before.requests = span.last, now, before.requests + 1
                return
            session.add(
                PlaybackRow(
                    session_id=who.session_id,
                    recording_id=row.id,
                    user=who.username,
                    address=who.address,
                    first_byte=span.first,
                    last_byte=span.last,
                    requests=1,
                    began_at=now,
                    last_at=now,
                )
            )

    def settle(self) -> None:
        """Housekeeping: move what has ended into the trail."""
        now = self.clock.now()
        self._move(
            lambda session: repository.ended(
                session, seen_until=now - QUIET, begun_until=now - LONGEST, now=now, limit=AT_ONCE
            )
        )

    def settle_all(self) -> None:
        """Move everything: somebody is about to read the trail."""
        self._move(lambda session: repository.every(session, limit=AT_ONCE))

    def _move(self, find: Callable[[ScopedSession], list[PlaybackRow]]) -> None:
        moved = AT_ONCE
        while moved == AT_ONCE:
            with self.database.write(SCOPE) as session:
                rows = find(session)
                for row in rows:
                    self.trail.add(session, _entry(session, row))
                    repository.forget(session, row)
            moved = len(rows)


def _entry(session: ScopedSession, row: PlaybackRow) -> Entry:
    recording = recordings.find(session, row.recording_id)
    details: dict[str, Any] = {
        "first_byte": row.first_byte,
        "last_byte": row.last_byte,
        "requests": row.requests,
        "from": row.began_at.isoformat(),
        "to": row.last_at.isoformat(),
    }
    if recording is None:  # out of the index since
        return Entry(row.user, row.address, Action.VIDEO_SEEN, subject=row.recording_id, details=details)
    details |= {
        "store": recording.store,
        "starts_at": recording.starts_at.isoformat(),
        "ends_at": recording.ends_at.isoformat(),
        "size_bytes": recording.size_bytes,
    }
    return Entry(
        row.user, row.address, Action.VIDEO_SEEN, recording.camera, subject=recording.object_name, details=details
    )
