"""What is recorded, and access to its video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from pydantic_core import to_json

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import Also, nothing
from beffroi_api.db.tables import RecordingRow
from beffroi_api.errors import Destroyed, Invalid, NotFound, StoreAway, store_words
from beffroi_api.http.paths import API_PREFIX
from beffroi_api.news.outbox import NewsOutbox
from beffroi_api.news.repository import Kind
from beffroi_common.contracts import Recording, RecordingState
from beffroi_common.recordings import DESTROYED_KEPT
from beffroi_common.recordings.naming import segment_id
from beffroi_common.runtime.clock import Clock
from beffroi_common.store import ObjectMissing, StoreDenied, StoreUnavailable

from . import repository
from .looks.served_ranges import ServedRanges
from .video.ranges import Span, span_of
from .video.stores import Stores

log = structlog.get_logger(__name__)

USUAL_WINDOW = timedelta(days=1)
LONGEST_WINDOW = timedelta(days=2)
"""Of one answer: 2,880 segments; a timeline shows a day."""

INTAKE = Scope.system("recordings of every camera are kept in the index")

CHUNK_BYTES = 256 * 1024
"""In memory at a time while video is handed on."""


@dataclass(frozen=True)
class Video:
    """A part of a segment on its way."""

    span: Span
    total_bytes: int
    chunks: Iterator[bytes]


@dataclass(frozen=True)
class Recordings:
    """The index, kept from `recordings.v1`, and the objects behind it."""

    database: Database
    served: ServedRanges
    stores: Stores
    clock: Clock
    retention: timedelta
    outbox: NewsOutbox

    def take(self, recording: Recording, also: Also = nothing) -> None:
        """Learn what became of a segment, and do `also` with that.

        Learning it twice changes nothing, and what was before what is known is ignored.
        """
        with self.database.write(INTAKE) as session:
            segment = segment_id(recording.key)
            row = repository.find(session, segment, for_change=True)
            if row is not None and _is_over(row, recording):
                return
            if row is None:
                row = repository.row_of(recording)
                session.add(row)
            else:
                repository.write(row, recording)
            also(session)
            self.outbox.add(session, Kind.RECORDING, row.id)

    def forget_old(self) -> None:
        """Housekeeping: of what was destroyed it stays on record for a while that it was, as on the bus."""
        with self.database.write(INTAKE) as session:
            repository.forget_destroyed(session, until=self.clock.now() - DESTROYED_KEPT)

    def find(self, scope: Scope, recording: str) -> RecordingRow | None:
        """One segment in scope, as it stands."""
        with self.database.read(scope) as session:
            return repository.find(session, recording)

    def page(self, scope: Scope, camera: str, since: datetime | None, until: datetime | None) -> bytes:
        """Segments in scope that overlap a span (the last day where nothing is said), none past its retention: a
        `SegmentPage` in JSON.

        Raises:
            Invalid: the span is upside down or too long.
        """
        until = until or self.clock.now()
        since = since or until - USUAL_WINDOW
        if not timedelta() <= until - since <= LONGEST_WINDOW:
            raise Invalid(f"Ask for a span of at most {LONGEST_WINDOW.days} days, its beginning before its end.")
        with self.database.read(scope) as session:
            horizon = self._horizon()
            rows = repository.listed(session, camera, max(since, horizon), until)
        kept = [_view(row) for row in rows if row.starts_at > horizon]
        return to_json({"segments": kept, "retention_days": self.retention.days})

    def covering(self, scope: Scope, camera: str, at: datetime, tolerance: timedelta) -> RecordingRow | None:
        """The segment in scope that shows a moment."""
        with self.database.read(scope) as session:
            rows = repository.overlapping(session, camera, at - tolerance, at)
        return rows[-1] if rows else None

    def refuse_past_retention(self, at: datetime) -> None:
        """See that a moment is not so long ago that nothing of it may be served.

        Raises:
            Destroyed: it is.
        """
        if at <= self._horizon():
            raise Destroyed(f"Recordings are kept for {self.retention.days} days; that moment is longer ago.")

    def play(self, who: Identity, camera: str, recording: str, range_header: str | None) -> Video:
        """Open the video of a segment, once it is written down what of it is handed out.

        Raises:
            NotSignedIn: the session ended meanwhile.
            NotFound: no such segment of this camera in scope.
            Destroyed: past its retention, or its object is gone.
            RangeNotSatisfiable: the range lies outside.
            StoreAway: the object store does not answer.
            UnknownStore: no setting names the store that holds it.
        """
        with self.database.read(Scope.of(who)) as session:
            row = repository.find(session, recording)
        if row is None or row.camera != camera:
            raise NotFound(f"There is no recording {recording} of camera {camera}: load the timeline again.")
        self.refuse_past_retention(row.starts_at)
        if row.state == RecordingState.DESTROYED.value:
            raise Destroyed(f"This recording was destroyed on {row.changed_at:%Y-%m-%d %H:%M} UTC.")
        span = span_of(range_header, row.size_bytes)
        store = self.stores.holding(row.store)
        self.served.note(who, row, span)
        chunks = store.stream(row.object_name, span.first, span.length, CHUNK_BYTES)
        return Video(span, row.size_bytes, _begun(chunks))

    def _horizon(self) -> datetime:
        return self.clock.now() - self.retention


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Fetch the first chunk now, while an error can still be said in words."""
    try:
        first = next(chunks, b"")
    except ObjectMissing:
        raise Destroyed("This recording is no longer kept: its object is gone from the store.") from None
    except (StoreUnavailable, StoreDenied) as error:
        log.warning("no video from the store", reason=str(error))
        raise StoreAway(store_words(error)) from None
    return _then(first, chunks)


def _then(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _is_over(row: RecordingRow, recording: Recording) -> bool:
    """Whether a message says what was before: that what is destroyed is stored, or the same as the row once more.

    Of an object that was made anew, with other pictures, the last word counts, whatever the clock of who made it.
    """
    made_anew = row.sha256 != recording.sha256 and row.state == recording.state == RecordingState.STORED
    return row.changed_at >= recording.changed_at and not made_anew


def _view(row: repository.Listed) -> dict[str, object]:
    """The fields of a `SegmentView`. They come out of our own table: a day of them is not checked once more."""
    return {
        "id": row.id,
        "store": row.store,
        "object": row.object_name,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "frames": row.frames,
        "missing_batches": row.missing_batches,
        "width": row.width,
        "height": row.height,
        "size_bytes": row.size_bytes,
        "sha256": row.sha256,
        "codec": row.codec,
        "mask_versions": repository.versions(row.mask_versions),
        "video_url": f"{API_PREFIX}/cameras/{row.camera}/recordings/{row.id}/video",
    }
