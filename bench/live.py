"""What live views read from Kafka: of twenty cameras one is watched, by a process that reads only that.

A real broker; twenty cameras of 2 Mbit/s play masked batches of half a second, spread over the slots. The reference is
a reader of every partition, as each api process was before. Printed are the bytes a second that each is handed by the
broker, the ratio, the time from the opening of a view to its first picture, and the time until a still is ready of a
camera that nobody watches.

`python -m bench.live`
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from tests.application import SYSTEM, film

from beffroi_api.bus.frames import FrameReader
from beffroi_api.bus.live_intake import LiveIntake
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.live.schemas import View
from beffroi_api.modules.live.stills import pictures
from beffroi_api.modules.live.streaming.buffer import LiveBuffer
from beffroi_api.process.settings import LiveSettings
from beffroi_api.settings import StillSettings
from beffroi_common.bus import PartitionReader, Record, Start
from beffroi_common.bus.admin import create_topics
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.contracts import Camera, CameraSource, FrameBatch, MaskDecision, MaskMode
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import FRAMES_MASKED
from beffroi_local.kafka import broker

CAMERAS = 20
SLOTS = 12
"""As many as an installation has unless it is told otherwise, so that cameras share some."""
BATCH_S = 0.5
BATCH_BYTES = 125_000
"""Half a second of 2 Mbit/s."""
MEASURE_S = 15.0
VIEWS = 10
STILLS = 10
CLOCK = SystemClock()
NAMES = [f"camera-{number:02}" for number in range(CAMERAS)]


def camera(number: int) -> Camera:
    """One that shows what the masker passes on."""
    decision = MaskDecision(mode=MaskMode.OPEN, version=1, decided_by="a", decided_at=datetime.now(UTC), reason="b")
    source = CameraSource(url="pattern:160x96@5")
    name = NAMES[number]
    return Camera(
        id=name, name=name, commune="Lille", slot=number % SLOTS, source=source, masking=decision, version=1
    )  # fmt: skip


def sized(batch: FrameBatch) -> FrameBatch:
    """A decodable batch, filled up with bytes that Kafka cannot press together."""
    filler = random.Random(0).randbytes(BATCH_BYTES // len(batch.units))
    return replace(batch, units=tuple(replace(unit, data=unit.data + filler) for unit in batch.units))


def play(bus: KafkaBus, cameras: list[Camera], stop: threading.Event) -> None:
    """Send a batch of each camera every half second, stamped with the time of its sending."""
    producer = bus.producer()
    (pattern,) = film(1, start_ns=0)
    whole = sized(pattern)
    began_s = time.monotonic()
    for sequence in itertools.count():
        now_ns = time.time_ns()
        units = tuple(replace(unit, capture_time_ns=now_ns) for unit in whole.units)
        for each in cameras:
            batch = replace(whole, camera=each.id, sequence=sequence, units=units)
            producer.send(FRAMES_MASKED, each.id, batch, partition=each.slot)
        if stop.wait(max(0.0, began_s + (sequence + 1) * BATCH_S - time.monotonic())):
            break
    producer.close()


class CountingReader:
    """Counts what a reader is handed."""

    def __init__(self, inner: PartitionReader) -> None:
        self._inner = inner
        self.read_bytes = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def poll(self, timeout_s: float) -> Record | None:
        """See `PartitionReader.poll`."""
        record = self._inner.poll(timeout_s)
        self.read_bytes += len(record.value or b"") if record is not None else 0
        return record


class CountingBus(KafkaBus):
    """Makes one reader that counts."""

    reader: CountingReader

    def partition_reader(self) -> PartitionReader:
        """See `Bus.partition_reader`."""
        self.reader = CountingReader(super().partition_reader())
        return self.reader  # type: ignore[return-value]


def reads_all(bus: KafkaBus) -> float:
    """Bytes a second of a reader of every partition."""
    follower = bus.follower([FRAMES_MASKED], Start.END)
    while not follower.assignment():
        follower.poll(0.1)
    total, until_s = 0, time.monotonic() + MEASURE_S
    while time.monotonic() < until_s:
        record = follower.poll(0.1)
        total += len(record.value or b"") if record is not None else 0
    follower.close()
    return total / MEASURE_S


@contextmanager
def intake(bus: CountingBus, directory: CameraDirectory, linger_s: float) -> Iterator[LiveBuffer]:
    """The live intake as a process has it."""
    settings = LiveSettings(linger_s=linger_s)
    buffer = LiveBuffer(settings, directory, CLOCK)
    stop = threading.Event()
    reading = LiveIntake(bus, buffer, directory, settings, CLOCK, lambda: None)
    thread = threading.Thread(target=reading.run, args=(stop,))
    thread.start()
    try:
        yield buffer
    finally:
        stop.set()
        thread.join()


async def reads_watched(bus: CountingBus, buffer: LiveBuffer) -> float:
    """Bytes a second while one camera is watched."""
    viewer = buffer.watch(SYSTEM, NAMES[0], View.MASKED)
    await viewer.next(10)
    before, began_s = bus.reader.read_bytes, time.monotonic()
    while time.monotonic() - began_s < MEASURE_S:
        await viewer.next(1)
    took_s = time.monotonic() - began_s
    buffer.leave(NAMES[0], View.MASKED, viewer)
    return (bus.reader.read_bytes - before) / took_s


async def first_pictures_s(buffer: LiveBuffer) -> list[float]:
    """Times to the first picture of views that open at any moment, of cameras that nobody watched."""
    found = []
    for number in range(VIEWS):
        await asyncio.sleep(0.37)  # at another moment of the half second each
        name = NAMES[number % SLOTS]
        began_s = time.monotonic()
        viewer = buffer.watch(SYSTEM, name, View.MASKED)
        assert await viewer.next(10) is not None, "no picture came"
        found.append(time.monotonic() - began_s)
        buffer.leave(name, View.MASKED, viewer)
    return found


def stills_s(frames: FrameReader, ago_s: float | None) -> list[float]:
    """Times until a still is ready."""
    found = []
    for number in range(STILLS):
        began_s = time.monotonic()
        at_ns = None if ago_s is None else time.time_ns() - int(ago_s * 10**9)
        pictures.from_batches(frames.run_to(SYSTEM, NAMES[number], at_ns), at_ns)
        found.append(time.monotonic() - began_s)
    return found


def spread(values: list[float]) -> str:
    """Median and most, in seconds."""
    return f"median {statistics.median(values):.2f} s, at most {max(values):.2f} s"


def main() -> int:
    """Measure and print; return 1 where not less is read than all."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with TemporaryDirectory() as folder, broker(Path(folder)) as started:
        settings = KafkaSettings(bootstrap_servers=started.bootstrap_servers)
        create_topics(settings, slots=SLOTS)
        bus = CountingBus(settings, "bench", "live")
        cameras = [camera(number) for number in range(CAMERAS)]
        directory = CameraDirectory()
        directory.load(cameras, {each.id: each.commune for each in cameras})
        stop = threading.Event()
        playing = threading.Thread(target=play, args=(KafkaBus(settings, "bench", "cameras"), cameras, stop))
        playing.start()
        try:
            everything = reads_all(bus)
            with intake(bus, directory, linger_s=60.0) as buffer:
                watched = asyncio.run(reads_watched(bus, buffer))
            with intake(bus, directory, linger_s=0.0) as buffer:
                opened = asyncio.run(first_pictures_s(buffer))
            frames = FrameReader(bus, directory, StillSettings(), CLOCK)
            newest, past = stills_s(frames, None), stills_s(frames, 20.0)
            frames.close()
        finally:
            stop.set()
            playing.join()
    of_cameras = sum(each.slot == cameras[0].slot for each in cameras)
    print(f"live: all {CAMERAS} cameras in {SLOTS} slots: {everything / 1e6:.2f} MB/s from Kafka")
    print(f"live: one is watched, {of_cameras} in its slot: {watched / 1e6:.2f} MB/s, ratio {watched / everything:.3f}")
    print(f"live: first picture of a view: {spread(opened)}")
    print(f"live: still of now, unwatched: {spread(newest)}; of 20 s ago: {spread(past)}")
    return 0 if watched < everything else 1


if __name__ == "__main__":
    sys.exit(main())
