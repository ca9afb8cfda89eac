"""Pictures for the live views: of cameras that somebody watches, and no others."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator

import structlog

from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.live.schemas import View
from beffroi_api.modules.live.streaming.buffer import LiveBuffer
from beffroi_api.process.settings import LiveSettings
from beffroi_common.bus import Bus, InvalidRecord, Partition, PartitionReader, Record, RetryLater
from beffroi_common.bus.batches import masked_batch
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_common.contracts import FrameBatch
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import BATCHES_DROPPED
from beffroi_common.topics import FRAMES_ANNOTATED, FRAMES_LIVE, FRAMES_MASKED

log = structlog.get_logger(__name__)

POLL_S = 0.1
"""Without pictures, a camera that somebody begins to watch is seen after this time at the latest."""
EXPIRE_EVERY_S = 1.0
"""Old pictures leave memory so often."""
RETRY_S = 1.0
"""Between attempts to read a partition while the broker does not answer."""

LANE_BACK_S = 10.0
"""The lane is read from so long before somebody begins to watch: it carries a picture every second or more, for as long
as the groups of pictures of its camera are."""

TOPICS = {View.MASKED: (FRAMES_MASKED.name, FRAMES_LIVE.name), View.ANNOTATED: (FRAMES_ANNOTATED.name,)}
VIEWS = {topic: view for view, topics in TOPICS.items() for topic in topics}

Watched = tuple[str, View]
Place = tuple[Watched, Partition]
"""What is watched, and where its pictures come."""


class _Group:
    """The last group of pictures of a camera, as far as it was read."""

    def __init__(self) -> None:
        self.batches: list[FrameBatch] = []
        self._sequences = SequenceTracker()

    def add(self, batch: FrameBatch, at_ms: int) -> None:
        """Put a batch behind the others, unless it was there before or comes of a connection that is over."""
        if self._sequences.stale(batch.epoch, batch.sequence, at_ms) is None:
            self._sequences.take(batch.epoch, batch.sequence)
            self.batches = [batch] if batch.starts_with_key else [*self.batches, batch]


class Lingering:
    """Places that are needed, and for a while those that were.

    A camera that gets another slot has two for that while: the masker hears of it a little later.
    """

    def __init__(self, linger_s: float) -> None:
        self._linger_s = linger_s
        self._needed_s: dict[Place, float] = {}

    def update(self, needed: Iterable[Place], now_s: float) -> set[Place]:
        """These are needed now. Returns which are to be read."""
        self._needed_s.update(dict.fromkeys(needed, now_s))
        self._needed_s = {
            place: needed_s for place, needed_s in self._needed_s.items() if now_s - needed_s <= self._linger_s
        }
        return set(self._needed_s)


class LiveIntake:
    """Reads the partitions (slots) of what is watched into the buffer. It commits nothing: only now matters."""

    def __init__(
        self,
        bus: Bus,
        buffer: LiveBuffer,
        directory: CameraDirectory,
        settings: LiveSettings,
        clock: Clock,
        beat: Callable[[], None],
    ) -> None:
        self._bus = bus
        self._buffer = buffer
        self._directory = directory
        self._settings = settings
        self._clock = clock
        self._beat = beat

    def run(self, stop: threading.Event) -> None:
        """Read until `stop` is set."""
        reader = self._bus.partition_reader()
        reading = _Reading(reader, self._buffer, self._directory, self._settings, self._clock)
        expire_at_s = self._clock.monotonic_s()
        try:
            while not stop.is_set():
                self._beat()
                reading.follow_watched()
                record = reader.poll(POLL_S)
                reading.catch_up()
                if record is not None:
                    reading.take(record)
                if self._clock.monotonic_s() >= expire_at_s:
                    self._buffer.expire()
                    expire_at_s = self._clock.monotonic_s() + EXPIRE_EVERY_S
        finally:
            reader.close()


class _Reading:
    """What one reader reads at present."""

    def __init__(
        self,
        reader: PartitionReader,
        buffer: LiveBuffer,
        directory: CameraDirectory,
        settings: LiveSettings,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._buffer = buffer
        self._directory = directory
        self._backlog_ms = round(settings.backlog_s * 1000)
        self._clock = clock
        self._places = Lingering(settings.linger_s)
        self._wanted: set[Watched] = set()
        self._backlog: dict[Partition, dict[Watched, _Group]] = {}
        """Of partitions that were not read to their end yet: the last group of pictures of each camera."""
        self._retry_at_s: dict[Partition, float] = {}

    def follow_watched(self) -> None:
        """Follow the partitions of what is watched, and leave those that nobody needs any more."""
        now_s = self._clock.monotonic_s()
        places = self._places.update(self._needed(), now_s)
        wanted, partitions = {watched for watched, _ in places}, {partition for _, partition in places}
        for camera, view in self._wanted - wanted:
            self._buffer.forget(camera, view)
        self._wanted = wanted
        followed = set(self._reader.followed())
        for partition in followed - partitions:
            self._reader.leave(partition)
            self._backlog.pop(partition, None)
        self._retry_at_s = {each: at_s for each, at_s in self._retry_at_s.items() if each in partitions}
        # Tried longest ago first: one that never answers would else be due again before the others are tried.
        for partition in sorted(partitions - followed, key=lambda each: self._retry_at_s.get(each, -math.inf)):
            if now_s >= self._retry_at_s.get(partition, now_s) and not self._follow(partition):
                break  # one in vain may have cost a wait for the broker: the heartbeat is next, then the others

    def take(self, record: Record) -> None:
        """Hand a batch on; what nobody wants of a partition is not even decoded."""
        watched = (record.key, VIEWS[record.topic])
        if watched not in self._wanted:
            return
        try:
            batch = masked_batch(record)
        except InvalidRecord as reason:
            # The recorder, which reads the same topic in a group, writes the dead letter: one is enough.
            log.warning("unreadable batch", record=repr(record), reason=str(reason))
            BATCHES_DROPPED.labels(camera="unknown", reason="invalid").inc()
            return
        if record.source in self._reader.caught_up():
            self._offer(record.source, watched[1], batch)
            return
        groups = self._backlog.setdefault(record.source, {})
        groups.setdefault(watched, _Group()).add(batch, record.timestamp_ms)

    def catch_up(self) -> None:
        """Hand on the last pictures of partitions that are read to their end now: those before them are outdated."""
        for partition in self._backlog.keys() & set(self._reader.caught_up()):
            for (_, view), group in self._backlog.pop(partition).items():
                for batch in group.batches:
                    self._offer(partition, view, batch)

    def _offer(self, source: Partition, view: View, batch: FrameBatch) -> None:
        self._buffer.offer(view, batch, by_lane=source[0] == FRAMES_LIVE.name)

    def _needed(self) -> Iterator[Place]:
        for watched in self._buffer.watched():
            camera = self._directory.camera(watched[0])
            if camera is not None:
                for topic in TOPICS[watched[1]]:
                    yield watched, (topic, camera.slot)

    def _follow(self, partition: Partition) -> bool:
        back_ms = round(LANE_BACK_S * 1000) if partition[0] == FRAMES_LIVE.name else self._backlog_ms
        try:
            self._reader.follow(partition, self._clock.now_ns() // 1_000_000 - back_ms)
        except RetryLater as reason:
            log.warning("no live pictures", partition=partition, reason=str(reason))
            self._retry_at_s[partition] = self._clock.monotonic_s() + RETRY_S
            return False
        return True
