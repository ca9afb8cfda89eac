"""Destroys what is due, sees that it is gone, and says so. The store's own lifecycle is a scanner, not a deadline."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from itertools import islice

import structlog
from beffroi.common.bus import NotNow, Partition, Producer
from beffroi.common.contracts import InvalidMessageError, Recording, RecordingState
from beffroi.common.runtime.clock import Clock
from beffroi.common.store import ObjectStore, StoredObject, StoreUnavailable
from beffroi.common.topics import FRAMES_MASKED, RECORDINGS

from .naming import SEGMENTS, starts_at
from .storing import FLUSH_TIMEOUT_S

log = structlog.get_logger(__name__)

AUDITED: Partition = (FRAMES_MASKED.name, 0)
"""Whoever owns this partition does the audit: one at a time, without another coordinator."""

LATEST_STORING = timedelta(days=1)
"""Pictures stored later than this after their capture time come from a clock that was wrong: count from the storing."""


class NotDestroyedError(Exception):
    """The store said that it removed an object, and still has it."""


class Auditor:
    """Works in the one instance that owns `AUDITED`; a second would do no harm."""

    def __init__(
        self,
        store: ObjectStore,
        producer: Producer,
        clock: Clock,
        *,
        retention_days: int,
        interval_s: float,
        most: int,
    ) -> None:
        self._active = False
        self._store = store
        self._producer = producer
        self._clock = clock
        self._retention_days = retention_days
        self._interval_s = interval_s
        self._most = most
        self._next_s = 0.0

    def own(self, partitions: Collection[Partition]) -> None:
        """Hear which partitions this instance owns."""
        self._active = AUDITED in partitions

    def tick(self) -> None:
        """Do a round when it is time.

        Raises:
            RetentionError: the bucket's rules are not the promise any more: nothing may be stored in it.
            NotDestroyedError: an object cannot be destroyed.
            StoreDenied: the store refuses our key.
        """
        now_s = self._clock.monotonic_s()
        if not self._active or now_s < self._next_s:
            return
        self._next_s = now_s + self._interval_s
        try:
            self._store.check_retention(self._retention_days)
            for each in islice(self._due(), self._most):
                self._destroy(each.name)
        except (StoreUnavailable, NotNow) as reason:
            log.warning("audit put off", reason=str(reason))

    def _due(self) -> Iterator[StoredObject]:
        """Objects past their retention, oldest day first: names begin with the date."""
        limit = self._clock.now() - timedelta(days=self._retention_days)
        for each in self._store.list(SEGMENTS):
            captured = starts_at(each.name)
            if captured is not None and captured.date() > limit.date():
                return
            if _born(captured, each.modified_at) <= limit:
                yield each

    def _destroy(self, name: str) -> None:
        found = self._store.stat(name)
        self._store.remove(name)
        if self._store.stat(name) is not None:
            raise NotDestroyedError(
                f"{name} is still in the store after its removal: look for versions, locks or a copy in front of it"
            )
        log.info("destroyed", object=name)
        if found is not None:
            self._say(found)

    def _say(self, found: StoredObject) -> None:
        try:
            recording = Recording.decode(found.metadata.get("recording", "").encode())
        except InvalidMessageError as reason:
            log.warning("what was destroyed was not a recording of ours", object=found.name, reason=str(reason))
            return
        destroyed = recording.model_copy(
            update={"state": RecordingState.DESTROYED, "changed_at": self._clock.now()}
        )  # fmt: skip
        partition = int(found.metadata["partition"])
        self._producer.send(RECORDINGS, recording.object_name, destroyed, partition=partition)
        if self._producer.flush(FLUSH_TIMEOUT_S):
            raise NotNow("the broker did not acknowledge a destruction in time")


def _born(captured: datetime | None, stored: datetime) -> datetime:
    """The instant a segment's retention counts from."""
    if captured is None or stored - captured > LATEST_STORING:
        return stored
    return min(captured, stored)
