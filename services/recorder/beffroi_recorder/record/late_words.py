"""What was said of a camera's object when the camera was taken from us.

The message may be under way still, and come behind that of whoever has the camera now and made the object anew, with
other pictures. Whoever reads `recordings.v1` holds the last word to be true. So once it has come, the object is looked
at, and what is stored is said where it is something else.
"""

from __future__ import annotations

import structlog

from beffroi_common.contracts import InvalidMessageError, Recording
from beffroi_common.recordings.segment_format import read_segment
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.clock import Clock
from beffroi_common.store import ObjectStore, StoreUnavailable
from beffroi_recorder.publishing import Publication

log = structlog.get_logger(__name__)

RETRY_FIRST_S = 1.0
RETRY_MOST_S = 60.0
"""While the store does not say what is stored of one object it is asked for it again after the first, doubled up to the
most: meanwhile it may take everybody's segments."""


class LateWords:
    """Sees that the last word on each object is what is stored."""

    def __init__(self, store: ObjectStore, publication: Publication, clock: Clock) -> None:
        self._store = store
        self._backoff = Backoff(clock, RETRY_FIRST_S, RETRY_MOST_S)
        self._publication = publication
        self._said: dict[str, tuple[str, int]] = {}
        """By object name: the digest that was said last, and on which partition."""

    def add(self, recording: Recording, partition: int) -> None:
        """Take what was said, and may not have come yet."""
        self._said[recording.object_name] = recording.sha256, partition

    def settle(self) -> None:
        """Say what is stored of each, until that is what was said last. Does nothing where nothing is under way.

        An object that the store says nothing of is asked for later: nobody else waits for it.

        Raises:
            RetryLater: the broker does not acknowledge.
            StoreDenied: the store refuses our key.
        """
        if not self._said or not self._backoff.is_due():
            return
        self._publication.await_taken()
        for name in list(self._said):
            try:
                self._see_to(name)
            except StoreUnavailable as reason:
                log.warning("it is seen later whether the last word on an object is true", name=name, why=str(reason))
                self._said[name] = self._said.pop(name)  # behind the others
                self._backoff.failed()
                return
            del self._said[name]
        self._backoff.reset()

    def _see_to(self, name: str) -> None:
        while (stored := self._stored(name)) is not None and stored.sha256 != self._said[name][0]:
            _, partition = self._said[name]
            self._publication.publish(stored, partition)
            self._said[name] = stored.sha256, partition  # not before: what was not taken is to be said again

    def _stored(self, name: str) -> Recording | None:
        found = self._store.stat(name)
        if found is None:
            return None  # destroyed since, as whoever compares register and bucket will say
        try:
            return read_segment(found, self._store.name).recording
        except InvalidMessageError:
            return None
