"""Which objects are due now, and which within the hour, so that the store is listed once an hour and not each round."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import islice

from beffroi_common.recordings.naming import SEGMENTS, starts_at
from beffroi_common.runtime.clock import Clock
from beffroi_common.store import ObjectStore, StoreDenied, StoredObject, StoreUnavailable

LATEST_STORING = timedelta(days=1)
"""Pictures stored later than this after their capture time come from a clock that was wrong: count from the storing."""

LOOK_AHEAD = timedelta(hours=1)
"""What is due within this is remembered: 12,000 names for 200 cameras. What is stored meanwhile is due later: it counts
from `LATEST_STORING` before its storing at the earliest, and is kept for days. (Of a single day's retention and a
recording a day late, it would die by this much too late.)"""

WHOLE = timedelta(days=1)
"""The whole store is listed so often, for pictures of a clock that was ahead: they are due before their names say."""

PIECE = 1000
"""Objects listed at a time: one page of the store's answer."""


class ExpiryIndex:
    """Lists the store from the oldest day on, a piece at a time, going on where it was.

    It is told what time it is, and does not ask: what is due is judged by an instant on which two clocks agreed.
    """

    def __init__(self, store: ObjectStore, clock: Clock, retention: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._retention = retention
        self._soon: list[tuple[datetime, str]] = []
        self._ahead: list[tuple[datetime, str]] = []
        self._horizon = datetime.min.replace(tzinfo=UTC)
        self._listing: Iterator[StoredObject] | None = None
        self._again_s = 0.0
        self._whole_again_s = 0.0

    def first(self, now: datetime) -> str | None:
        """Of the objects seen so far, the one that is due for the longest time; None when none is due."""
        if not self._soon or self._soon[0][0] > now:
            return None
        return self._soon[0][1]

    def drop_first(self) -> None:
        """Done with it."""
        heappop(self._soon)

    def is_due(self, found: StoredObject, now: datetime) -> bool:
        """Whether an object's retention is over."""
        return self._due_at(found) <= now

    def look_on(self, now: datetime) -> bool:
        """See the next piece of the listing; False: all was seen, and the next listing is not due yet.

        Raises:
            StoreUnavailable: the listing starts over next time.
        """
        if self._listing is None and self._clock.monotonic_s() < self._again_s:
            return False
        try:
            self._note_piece(self._listing or self._new_listing(now))
        except (StoreUnavailable, StoreDenied):
            self.forget()
            raise
        return True

    def forget(self) -> None:
        """Start over next time."""
        self._soon.clear()
        self._listing = None
        self._again_s = self._whole_again_s = 0.0

    def _new_listing(self, now: datetime) -> Iterator[StoredObject]:
        now_s = self._clock.monotonic_s()
        self._horizon = now + LOOK_AHEAD
        self._again_s = now_s + LOOK_AHEAD.total_seconds()
        if now_s < self._whole_again_s:
            self._soon = sorted(self._ahead)
            return self._oldest_days()
        self._whole_again_s = now_s + WHOLE.total_seconds()
        self._soon, self._ahead = [], []
        return self._store.list(SEGMENTS)

    def _note_piece(self, listing: Iterator[StoredObject]) -> None:
        piece = list(islice(listing, PIECE))
        for each in piece:
            due_at = self._due_at(each)
            if _is_ahead(each):
                self._ahead.append((due_at, each.name))
            if due_at <= self._horizon:
                heappush(self._soon, (due_at, each.name))
        self._listing = listing if len(piece) == PIECE else None

    def _oldest_days(self) -> Iterator[StoredObject]:
        """Objects up to the last day of which something is due: names begin with the date."""
        last_day = (self._horizon - self._retention).date()
        for each in self._store.list(SEGMENTS):
            captured = starts_at(each.name)
            if captured is not None and captured.date() > last_day:
                return
            yield each

    def _due_at(self, found: StoredObject) -> datetime:
        return retention_start(starts_at(found.name), found.modified_at) + self._retention


def _is_ahead(found: StoredObject) -> bool:
    captured = starts_at(found.name)
    return captured is not None and captured > found.modified_at


def retention_start(captured: datetime | None, stored: datetime) -> datetime:
    """The instant a segment's retention counts from."""
    if captured is None or stored - captured > LATEST_STORING:
        return stored
    return min(captured, stored)
