"""`recordings.v1` is the register of what was stored and what became of it; here it is compared with the bucket.

Not only the destroyer removes objects: the bucket's own lifecycle does, and does not say so, nor does a person or a
disk. And a broker that lost its disk lost the register, while the bucket is whole. So the two are compared whenever an
instance begins to destroy, and once a day: what is stored by the register and is not in the bucket is said to be
destroyed, and what is in the bucket and not on record, or with another size, is said to be stored as it is. What has
been destroyed for long leaves the register.
"""

from __future__ import annotations

import hashlib
import logging
from array import array
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby

import structlog

from beffroi_common.bus import Bus, Producer, Record, RetryLater, Start
from beffroi_common.bus.of_camera import recording_of
from beffroi_common.contracts import InvalidMessageError, Recording, RecordingState
from beffroi_common.recordings import DESTROYED_KEPT
from beffroi_common.recordings.naming import SEGMENTS, head_name, starts_at
from beffroi_common.recordings.segment_format import read_segment
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import RECORDINGS_FOUND_GONE
from beffroi_common.store import ObjectStore, StoreDenied, StoredObject, StoreUnavailable
from beffroi_common.topics import RECORDINGS
from beffroi_recorder.publishing import FLUSH_TIMEOUT_S, Publication

from .expiry import retention_start

log = structlog.get_logger(__name__)

EVERY = timedelta(days=1)

SOON = timedelta(minutes=10)
"""After a comparison that left some for the next."""

JUST_STORED = timedelta(minutes=10)
"""A segment is stored before it is said: within seconds, unless the broker is away."""

PIECE = 500
"""Messages read, or objects listed, at a time: some milliseconds."""

MOST_GONE = 10_000
"""Recordings looked at closely in one comparison, since they are in memory; the next one takes the others."""

POLL_S = 0.1

FOLDER = len(SEGMENTS) + len("2026-11-01")

Work = Generator[None, None, None]


class StoredKeys:
    """What the register holds to be stored, by day: eight bytes a message, since a town has millions.

    Of each message 47 bits say of which object it is, 16 how large that is, and one whether it is stored.
    """

    def __init__(self) -> None:
        self._said: dict[str, array[int]] = defaultdict(lambda: array("Q"))

    def note(self, name: str, size_bytes: int, *, stored: bool) -> None:
        """Learn what was said of an object; what is said later counts."""
        self._said[name[:FOLDER]].append(fingerprint(name) << 17 | size_mark(size_bytes) << 1 | stored)

    def days(self) -> list[str]:
        """How the names of each day begin."""
        return sorted(self._said)

    def take(self, day: str) -> dict[int, int]:
        """Fingerprints of the objects of a day that are stored, and the marks of their sizes. Both are forgotten."""
        found: dict[int, int] = {}
        for said in self._said.pop(day, ()):
            if said & 1:
                found[said >> 17] = said >> 1 & 0xFFFF
            else:
                found.pop(said >> 17, None)
        return found


def fingerprint(name: str) -> int:
    """Of an object's name: 47 bits. Where two names of a day share one, a disappearance may be overlooked."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 17


def size_mark(size_bytes: int) -> int:
    """Of an object's size: 16 bits. An object that was made anew has another size, and nearly always another mark."""
    return size_bytes & 0xFFFF


class Register:
    """Compares register and bucket, a piece at a time. Of the thread that destroys, and of an owner's term alone."""

    def __init__(
        self, bus: Bus, slots: int, store: ObjectStore, producer: Producer, clock: Clock, retention: timedelta
    ) -> None:
        self._bus = bus
        self._store = store
        self._producer = producer
        self._publication = Publication(producer, slots)
        self._clock = clock
        self._retention = retention
        self._now = self._begun = datetime.min.replace(tzinfo=UTC)
        self._work: Work | None = None
        self._again_s = 0.0
        self._say_until_s = 0.0
        self._left_out: set[str] = set()
        """Objects that the store said nothing of twice: one of them must not end each comparison where it lies."""
        self._silent = ""
        """The last that it said nothing of."""

    def look_on(self, now: datetime, say_until_s: float) -> bool:
        """Do the next piece; False: all is compared, and the next comparison is not due yet.

        Args:
            now: what time it is, by every clock that was asked.
            say_until_s: by our monotonic clock; later somebody else may own the register.

        Raises:
            RetryLater: store or broker cannot; the comparison starts over next time. If the store said nothing of one
                object twice, without that one: it is for the comparison after.
            StoreDenied: the store refuses our key.
        """
        self._say_until_s = say_until_s
        if self._work is None:
            if self._clock.monotonic_s() < self._again_s:
                return False
            self._again_s = self._clock.monotonic_s() + EVERY.total_seconds()
            self._work, self._begun = self._compare(), now
        self._now = now
        try:
            next(self._work)
        except StopIteration:
            self._work = None
            if self._left_out:
                self._left_out.clear()
                self._again_s = self._clock.monotonic_s() + SOON.total_seconds()
        except (RetryLater, StoreDenied):
            self.forget()
            raise
        return self._work is not None

    def forget(self) -> None:
        """Start over next time."""
        if self._work is not None:
            self._work.close()
            self._work = None
        self._again_s = 0.0

    def _compare(self) -> Work:
        keys = StoredKeys()
        yield from self._read(keys)
        missing: set[int] = set()
        for day, objects in self._days(keys):
            missing |= yield from self._missing(keys.take(day), objects)
            if len(missing) > MOST_GONE:
                self._again_s = self._clock.monotonic_s() + SOON.total_seconds()
                break
        if missing:
            yield from self._say_gone(missing)

    def _read(self, keys: StoredKeys) -> Work:
        """Learn what is said to be stored, and let go what has been destroyed for long."""
        with closing(self._records()) as records:
            for number, record in enumerate(records, 1):
                said = self._decoded(record)
                if record is not None and said is not None:
                    is_stored = said.state is not RecordingState.DESTROYED
                    keys.note(said.object_name, said.size_bytes, stored=is_stored)
                    if said.state is RecordingState.DESTROYED and said.changed_at + DESTROYED_KEPT <= self._now:
                        self._publication.remove(record.key, record.partition)
                if record is None or number % PIECE == 0:
                    yield

    def _days(self, keys: StoredKeys) -> Iterator[tuple[str, Iterable[StoredObject]]]:
        """What the bucket holds, by day; then the days of which it holds nothing."""
        yield from groupby(self._store.list(SEGMENTS), lambda found: found.name[:FOLDER])
        for day in keys.days():
            yield day, ()

    def _missing(self, stored: dict[int, int], objects: Iterable[StoredObject]) -> Generator[None, None, set[int]]:
        """Those of a day's stored recordings that are not among its objects. What is not on record so is said."""
        for number, found in enumerate(objects, 1):
            on_record = stored.pop(fingerprint(found.name), None) == size_mark(found.size_bytes)
            said = not on_record and self._said_stored(found)
            if said or number % PIECE == 0:
                yield
        yield
        return set(stored)

    def _said_stored(self, listed: StoredObject) -> bool:
        """Say of an object that it is stored: a broker that lost its disk knows of none. False: nothing is to be said.

        What is newer than what was read of the register is said by whoever stored it. Said twice, both say the same.
        """
        if starts_at(listed.name) is None or listed.modified_at + JUST_STORED > self._begun:
            return False
        if listed.name in self._left_out:
            return False
        with self._left_out_if_silent(listed.name):
            found = self._store.stat(listed.name)
        if found is None:
            return False
        try:
            segment = read_segment(found, self._store.name)
        except InvalidMessageError:
            return False  # once it is due the destroyer says so
        self._publication.publish(segment.recording, segment.partition)
        log.info("stored, and was not on record as it is", object=found.name)
        return True

    def _say_gone(self, missing: set[int]) -> Work:
        """Read again what is said of these by now, and say of those that are gone that they are."""
        latest: dict[str, tuple[Recording, int]] = {}
        with closing(self._records()) as records:
            for number, record in enumerate(records, 1):
                said = self._decoded(record)
                if record is not None and said is not None and fingerprint(said.object_name) in missing:
                    latest[record.key] = said, record.partition
                if record is None or number % PIECE == 0:
                    yield
        elsewhere = 0
        for recording, partition in latest.values():
            if recording.state is not RecordingState.DESTROYED and recording.object_name not in self._left_out:
                with self._left_out_if_silent(recording.object_name):
                    if self._store.stat(recording.object_name) is None:
                        elsewhere += not self._said_gone(recording, partition)
            yield
        if elsewhere:
            log.error("this is not the bucket that recordings were stored in: see its settings", missing=elsewhere)

    @contextmanager
    def _left_out_if_silent(self, name: str) -> Iterator[None]:
        try:
            yield
        except StoreUnavailable:
            if self._silent == name:
                self._left_out.add(name)
            self._silent = name
            raise

    def _said_gone(self, recording: Recording, partition: int) -> bool:
        """Say that an object is gone; False: it is not said, since this seems to be another bucket.

        The end of its camera's chain was written after it, and lives as long at least: where that is not there either,
        it is another bucket, or an empty one in place of the one that was. Then nothing is said before it is due.
        """
        due = retention_start(recording.starts_at, recording.changed_at) + self._retention <= self._now
        RECORDINGS_FOUND_GONE.labels(due="yes" if due else "no").inc()
        if not due and self._store.stat(head_name(recording.camera)) is None:
            return False
        if self._clock.monotonic_s() > self._say_until_s:
            raise RetryLater("this process stood still: another one may have said meanwhile what is gone")
        self._publication.publish(destroyed(recording, self._now), partition)
        log.log(
            logging.INFO if due else logging.ERROR,
            "destroyed by the store itself" if due else "gone before its time",
            object=recording.object_name,
            evidence=True,
        )
        return True

    def _records(self) -> Generator[Record | None, None, None]:
        """Every message of the register; None: none came for a moment."""
        if self._producer.flush(FLUSH_TIMEOUT_S):
            raise RetryLater("the broker is away or too slow: register and bucket are compared later")
        consumer = self._bus.follower([RECORDINGS], Start.BEGINNING)
        try:
            while (record := consumer.poll(POLL_S)) is not None or not consumer.caught_up():
                yield record
        finally:
            consumer.close()

    def _decoded(self, record: Record | None) -> Recording | None:
        """What a message says of an object of this store; None: nothing, or nothing that can be read."""
        if record is None or record.value is None or not record.key.startswith(f"{self._store.name}/"):
            return None
        try:
            return recording_of(record)
        except InvalidMessageError:
            return None  # whoever reads the register for its index says so to the dead letters


def destroyed(recording: Recording, now: datetime) -> Recording:
    """What is said of a recording that is no more.

    It comes after what was said before also where that was stamped by a clock that was ahead: readers go by the order
    of the two, and would hold what is gone to be there for as long.
    """
    changed_at = max(now, recording.changed_at + timedelta(microseconds=1))
    return recording.model_copy(update={"state": RecordingState.DESTROYED, "changed_at": changed_at})
