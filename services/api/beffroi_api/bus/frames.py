"""Pictures of a moment, read from the bus when somebody asks: no picture of an unwatched camera is read otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import structlog

from beffroi_api.authz.scope import Scope
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.settings import StillSettings
from beffroi_common.bus import Bus, InvalidRecord, Partition, PartitionReader, Record, RetryLater
from beffroi_common.bus.batches import masked_batch
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_common.contracts import Codec, FrameBatch, Stream
from beffroi_common.contracts.frames import NS_PER_S
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import FRAMES_LIVE, FRAMES_MASKED

log = structlog.get_logger(__name__)

POLL_S = 0.05

LOOK_BACK_S = 3.0
"""Read from so long before a moment: its group of pictures begins earlier, and the clocks of camera, broker and api
differ a little."""

LATEST_S = (2.0, 10.0)
"""The newest picture is looked for in the last seconds first, and further back where the camera paused. One without
pictures for longer has none at present."""

LATE_S = 3.0
"""A picture that is older was not the newest when it came: while the masker catches up, the lane has newer ones."""


class FrameReader:
    """Reads the group of masked pictures around a moment. One at a time: a read takes a few tenths of a second."""

    def __init__(self, bus: Bus, directory: CameraDirectory, settings: StillSettings, clock: Clock) -> None:
        self._bus = bus
        self._directory = directory
        self._settings = settings
        self._clock = clock
        self._turn = threading.Lock()
        self._reader: PartitionReader | None = None

    def run_to(self, scope: Scope, camera: str, at_ns: int | None) -> list[FrameBatch]:
        """Batches to decode for the masked picture at `at_ns` (None: the newest), from a key picture on; or none.

        There are none of a camera out of scope, of a moment longer ago than `from_bus_s` (it has a recording), and
        where not all of the way to that moment could be read within the bounds.
        """
        known = self._directory.camera(camera)
        if known is None or not scope.covers(camera, self._directory.commune(camera)):
            return []
        now_ns = self._clock.now_ns()
        if at_ns is not None and now_ns - at_ns > self._settings.from_bus_s * NS_PER_S:
            return []
        with self._turn:
            if at_ns is not None:
                ago_s = max(0.0, (now_ns - at_ns) / NS_PER_S) + LOOK_BACK_S
                return self._read(camera, (FRAMES_MASKED.name, known.slot), now_ns, ago_s, at_ns)
            return self._latest(camera, known.slot, now_ns)

    def _latest(self, camera: str, slot: int, now_ns: int) -> list[FrameBatch]:
        """The newest there is, in its turn or by the lane."""
        found: list[FrameBatch] = []
        for ago_s in LATEST_S:
            found = found or self._read(camera, (FRAMES_MASKED.name, slot), now_ns, ago_s, None)
        if found and found[-1].units[-1].age_s(now_ns) <= LATE_S:
            return found
        by_lane = self._read(camera, (FRAMES_LIVE.name, slot), now_ns, LATEST_S[-1], None)
        return max(found, by_lane, key=_newest_ns)

    def close(self) -> None:
        """Close the connection."""
        with self._turn:
            self._drop()

    def _read(
        self, camera: str, partition: Partition, now_ns: int, ago_s: float, at_ns: int | None
    ) -> list[FrameBatch]:
        if self._reader is None:
            self._reader = self._bus.partition_reader()
        with self._given_back(self._reader) as reader:
            try:
                reader.follow(partition, now_ns // 1_000_000 - round(ago_s * 1000))
            except RetryLater as reason:
                log.warning("no pictures from the bus", camera=camera, reason=str(reason))
                return []
            found = self._collect(reader, camera, partition, at_ns)
            reader.leave(partition)
            return found

    @contextmanager
    def _given_back(self, reader: PartitionReader) -> Iterator[PartitionReader]:
        """What broke once stays broken: the next picture is read by another."""
        with ExitStack() as if_it_broke:
            if_it_broke.callback(self._drop)
            yield reader
            if_it_broke.pop_all()

    def _drop(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _collect(
        self, reader: PartitionReader, camera: str, partition: Partition, at_ns: int | None
    ) -> list[FrameBatch]:
        """The last group of pictures that begins before the moment, or before the end."""
        found: list[FrameBatch] = []
        sequences = SequenceTracker()
        left_bytes = self._settings.read_bytes
        give_up_s = self._clock.monotonic_s() + self._settings.read_s
        while left_bytes > 0 and self._clock.monotonic_s() < give_up_s:
            record = reader.poll(POLL_S)
            if record is None:
                if partition in reader.caught_up():
                    return found
                continue
            left_bytes -= len(record.value or b"")
            batch = self._shown(record) if record.key == camera else None
            if batch is None or sequences.stale(batch.epoch, batch.sequence, record.timestamp_ms):
                continue
            sequences.take(batch.epoch, batch.sequence)
            if at_ns is not None and batch.units[0].capture_time_ns > at_ns:
                return found
            if batch.starts_with_key:
                found = [batch]
            elif found:
                found.append(batch)
        log.warning("more to read for a picture than allowed", camera=camera, left_bytes=left_bytes)
        return []

    def _shown(self, record: Record) -> FrameBatch | None:
        """A batch that a still may be made of."""
        try:
            batch = masked_batch(record)
        except InvalidRecord:
            return None  # the recorder, which reads the topic in a group, says so
        if batch.stream is not Stream.MAIN or batch.codec is not Codec.H264:
            return None
        return batch if self._directory.shows(batch.camera, batch.mask_version) else None


def _newest_ns(batches: list[FrameBatch]) -> int:
    """When the newest picture of a group was captured; 0: there is none."""
    return batches[-1].units[-1].capture_time_ns if batches else 0
