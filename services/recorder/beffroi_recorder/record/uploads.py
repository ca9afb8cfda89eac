"""A finished segment into the store and onto the bus: once, however often it is tried."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import structlog

from beffroi_common.bus import Partition, Producer, RetryLater
from beffroi_common.contracts import InvalidMessageError, Recording
from beffroi_common.recordings import segment_format
from beffroi_common.recordings.heads import Head
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import OBJECTS_STORED, STORED_BYTES
from beffroi_common.store import ObjectStore, StoredObject
from beffroi_recorder.publishing import Publication

from .heads import Heads
from .late_words import LateWords
from .segment import FinishedSegment

log = structlog.get_logger(__name__)


class UploadQueue:
    """Finished segments in the order of their ends, until each is stored, published and the head of its chain.

    The cameras take turns: one whose pictures end a segment each second holds up itself. One whose segment cannot be
    stored goes behind the others: an object that the store does not take is no reason to store nobody's. Each camera's
    own segments stay in their order.

    The order of one segment's steps makes each safe to repeat: object, message, head; only then may its offsets be
    committed. A crash before the head makes the same segment again out of the bus, and finds it stored.
    """

    def __init__(
        self,
        store: ObjectStore,
        producer: Producer,
        heads: Heads,
        stored: Callable[[Recording], None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._publication = Publication(producer)
        self._late_words = LateWords(store, self._publication, clock)
        self._heads = heads
        self._stored = stored
        self._waiting: deque[FinishedSegment] = deque()
        self._put: dict[str, Recording] = {}
        """By camera: what is in the store of it, and not published or not the head of its chain yet."""
        self._doubted: dict[str, tuple[FinishedSegment, set[str]]] = {}
        """By camera: for which segment it was asked whether it is still ours, and why."""

    def __iter__(self) -> Iterator[FinishedSegment]:
        """Those not done yet."""
        return iter(self._waiting)

    def last_head(self, camera: str) -> Head | None:
        """The end of a camera's chain once all of it is stored; None: nothing of it waits here."""
        return next((each.head for each in reversed(self._waiting) if each.recording.camera == camera), None)

    def add(self, segment: FinishedSegment) -> None:
        """Take a segment."""
        self._waiting.append(segment)

    def store_next(self) -> bool:
        """Do the first one; False when there is none.

        Raises:
            OSError: the disk has lost what was written. It is made again by whoever starts anew.
            RetryLater: store, broker or disk cannot at present. If it is the store, the camera goes behind the others.
            StoreDenied: the store refuses our key.
        """
        self._late_words.settle()
        if not self._waiting:
            return False
        segment = self._waiting[0]
        camera = segment.recording.camera
        with self._others_first(camera):
            recording = self._put.get(camera) or self._put_object(segment)
        self._put[camera] = recording
        self._publication.publish(recording, segment.origin.source[1])
        with self._others_first(camera):
            self._refuse_foreign_object(recording, segment)
            self._refuse_foreign_head(segment)
            segment.file.discard()  # before anything else that needs room
            self._heads.save(Head(recording=recording, taken=dict(segment.taken)))
        del self._put[camera]
        self._doubted.pop(camera, None)
        self._waiting.popleft()
        self._put_behind(camera)
        self._stored(recording)
        return True

    @contextmanager
    def _others_first(self, camera: str) -> Iterator[None]:
        """What the store does not take of one camera now, it may take of another."""
        try:
            yield
        except RetryLater:
            self._put_behind(camera)
            raise

    def _put_behind(self, camera: str) -> None:
        of_others = [each for each in self._waiting if each.recording.camera != camera]
        own = [each for each in self._waiting if each.recording.camera == camera]
        self._waiting = deque([*of_others, *own])

    def drop(self, partitions: Collection[Partition]) -> None:
        """Forget segments of partitions that are somebody else's now."""
        dropped = [each for each in self._waiting if each.origin.source in partitions]
        self._waiting = deque(each for each in self._waiting if each.origin.source not in partitions)
        for segment in dropped:
            put = self._put.get(segment.recording.camera)
            if put is not None and put.object_name == segment.recording.object_name:
                del self._put[segment.recording.camera]
                self._late_words.add(put, segment.origin.source[1])
            if self._doubts_of(segment):
                del self._doubted[segment.recording.camera]
            segment.file.discard()

    def _put_object(self, segment: FinishedSegment) -> Recording:
        recording = segment.recording
        found = self._store.stat(recording.object_name)
        if found is not None and found.metadata.get(segment_format.SHA256) == recording.sha256:
            log.info("stored already", camera=recording.camera, object=recording.object_name)
            return self._as_stored(found) or recording
        if found is not None:
            self._doubt(segment, "another recorder made this object, with other pictures")
        segment.file.write()
        segment.file.require_whole()
        metadata = segment_format.metadata_of(recording, segment.origin.source[1])
        replaces = None if found is None else found.version
        self._store.put(
            recording.object_name, segment.file.path, segment_format.CONTENT_TYPE, metadata, replaces=replaces
        )
        OBJECTS_STORED.labels(camera=recording.camera).inc()
        STORED_BYTES.labels(camera=recording.camera).inc(recording.size_bytes)
        log.info(
            "stored",
            camera=recording.camera,
            object=recording.object_name,
            frames=recording.frames,
            missing_batches=recording.missing_batches,
            size_bytes=recording.size_bytes,
        )
        return recording

    def _refuse_foreign_object(self, recording: Recording, segment: FinishedSegment) -> None:
        """A head beside an object with other pictures would have whoever goes on store those twice.

        Raises:
            RetryLater: it has others by now. It is made anew, if it is still ours to make.
        """
        if segment.file.discarded:
            return  # this was looked at, and its head is all that is left to be stored
        found = self._store.stat(recording.object_name)
        if found is None or found.metadata.get(segment_format.SHA256) != recording.sha256:
            del self._put[segment.recording.camera]
            self._doubted.pop(segment.recording.camera, None)
            raise RetryLater(f"camera {recording.camera}: another recorder made {recording.object_name} anew meanwhile")

    def _refuse_foreign_head(self, segment: FinishedSegment) -> None:
        head = self._heads.load(segment.recording.camera)
        if head is not None and head.recording.sha256 not in (
            segment.recording.sha256,
            segment.origin.previous_sha256,
        ):
            self._doubt(segment, "another recorder went on with this chain")

    def _doubt(self, segment: FinishedSegment, why: str) -> None:
        """Whoever was frozen for longer than a session goes on here, and would undo what its follower did.

        Raises:
            RetryLater: the first time for each reason. By the next turn the group has said whether the camera is
                still ours.
        """
        camera, doubts = segment.recording.camera, self._doubts_of(segment)
        if why not in doubts:
            self._doubted[camera] = segment, doubts | {why}
            raise RetryLater(f"camera {camera}: {why}; is it still ours?")

    def _doubts_of(self, segment: FinishedSegment) -> set[str]:
        doubted, why = self._doubted.get(segment.recording.camera, (None, set[str]()))
        return why if doubted is segment else set()

    def _as_stored(self, found: StoredObject) -> Recording | None:
        """What was published when the object was stored first, so that a repeat says the very same."""
        try:
            return segment_format.read_segment(found, self._store.name).recording
        except InvalidMessageError:
            return None
