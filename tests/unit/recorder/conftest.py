"""A camera in memory, and a recorder with doubles on all sides that can be killed and started again."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import pytest

from beffroi_common import pattern
from beffroi_common.bus import Partition, Producer, StatusReporter
from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, Recording, Stream
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.store import ObjectStore
from beffroi_common.topics import FRAMES_MASKED, RECORDINGS
from beffroi_recorder.keep.destroyer import Destroyer
from beffroi_recorder.keep.register import Register
from beffroi_recorder.keep.retention import Retention
from beffroi_recorder.record.cutting import CutRules
from beffroi_recorder.record.heads import Heads
from beffroi_recorder.record.processor import Recorder
from beffroi_recorder.record.uploads import UploadQueue
from beffroi_recorder.record.work_dir import Append, WorkDir, append_at
from beffroi_recorder.trouble import Troubles
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus, MemoryStore

FPS = 4
PER_BATCH = 4
NS = 1_000_000_000
START_NS = 1_793_534_400 * NS + 250_000_000
"""2026-11-01 12:00:00.25 UTC."""
TIME_BASE = Fraction(1, 90_000)

MINUTES = CutRules(segment_s=60, max_gap_s=10.0, max_drift_s=1.0)

Film = Callable[..., list[FrameBatch]]


@lru_cache
def _encoded(frames: int, gop: int, width: int, height: int, first: int) -> tuple[tuple[bool, bytes], ...]:
    encoder = av.VideoCodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:repeat-headers=1:threads=1",
    }
    packets = []
    for index in range(frames):
        luma = pattern.draw(first + index, width, height)
        chroma = np.full((height // 2, width), 128, np.uint8)
        picture = av.VideoFrame.from_ndarray(np.vstack([luma, chroma]), format="yuv420p")
        picture.pts = index
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    return tuple((packet.is_keyframe, bytes(packet)) for packet in packets)


@pytest.fixture
def film() -> Film:
    """`film(seconds, camera=…, …)` → masked batches of a second each, with the frame number in each picture."""

    def make(
        seconds: int,
        *,
        camera: str = "gate",
        epoch: int = 7,
        first_number: int = 0,
        gop: int = PER_BATCH,
        start_ns: int = START_NS,
        pts: int = 123_456,
        size: tuple[int, int] = (160, 96),
        mask_version: int = 2,
    ) -> list[FrameBatch]:
        width, height = size
        step = TIME_BASE.denominator // FPS
        units = [
            AccessUnit(pts + index * step, pts + index * step, start_ns + index * NS // FPS, key, data)
            for index, (key, data) in enumerate(_encoded(seconds * FPS, gop, width, height, first_number))
        ]
        return [
            FrameBatch(
                camera=camera,
                stream=Stream.MAIN,
                epoch=epoch,
                sequence=sequence,
                time_base=TIME_BASE,
                codec=Codec.H264,
                width=width,
                height=height,
                mask_version=mask_version,
                units=tuple(units[sequence * PER_BATCH : (sequence + 1) * PER_BATCH]),
            )
            for sequence in range(seconds)
        ]

    return make


def later(batches: Sequence[FrameBatch], *, capture_s: float = 0.0, media_s: float = 0.0) -> list[FrameBatch]:
    """The same batches at another time."""
    ticks = int(media_s * TIME_BASE.denominator)
    return [
        replace(
            batch,
            units=tuple(
                replace(
                    unit,
                    pts=unit.pts + ticks,
                    dts=unit.dts + ticks,
                    capture_time_ns=unit.capture_time_ns + int(capture_s * NS),
                )
                for unit in batch.units
            ),
        )
        for batch in batches
    ]


def interleaved(*films: Sequence[FrameBatch]) -> list[FrameBatch]:
    """One batch of each in turn."""
    return [batch for together in zip(*films, strict=True) for batch in together]


def frame_numbers(content: bytes) -> list[int | None]:
    """The numbers burned into the pictures of a file, in order."""
    with av.open(io.BytesIO(content), "r") as container:
        pictures = [frame.to_ndarray() for frame in container.decode(video=0)]
    return [pattern.read(picture[: picture.shape[0] * 2 // 3].astype(np.uint8)) for picture in pictures]


@dataclass
class Site:
    """Everything around a recorder that outlives it: the bus, the store, what was committed."""

    folder: Path
    clock: ManualClock
    broker: MemoryBroker
    store: MemoryStore
    committed: dict[Partition, int]
    rules: CutRules = MINUTES
    most_bytes: int = 1 << 30
    idle_s: float = 30.0
    queue_bytes: int = 96 * 1024 * 1024
    hand_over_s: float = 0.0

    def put_on_bus(self, batches: Sequence[FrameBatch], slot: int = 0) -> None:
        producer = MemoryBus(self.broker).producer()
        for batch in batches:
            producer.send(FRAMES_MASKED, batch.camera, batch, partition=slot)

    @property
    def segments(self) -> dict[str, bytes]:
        return {each.name: self.store.read(each.name) for each in self.store.list("segments/")}

    @property
    def recordings(self) -> list[Recording]:
        return [Recording.decode(record.value or b"") for record in self.broker.records(RECORDINGS)]

    @property
    def final(self) -> dict[str, Recording]:
        """The latest of each key, as a compacted topic keeps it, in order of the capture times."""
        latest = {recording.object_name: recording for recording in self.recordings}
        return dict(sorted(latest.items(), key=lambda item: (item[1].camera, item[1].starts_at)))

    def numbers(self) -> list[int | None]:
        return [number for content in self.segments.values() for number in frame_numbers(content)]


class Running:
    """One life of a recorder."""

    def __init__(
        self, site: Site, store: ObjectStore | None, producer: Producer | None, append: Append = append_at
    ) -> None:
        self.site = site
        store, producer = store or site.store, producer or MemoryBus(site.broker).producer()
        self.work = WorkDir(site.folder, site.most_bytes, append)
        self.work.__enter__()
        heads, troubles = Heads(store, self.work), Troubles()
        register = Register(MemoryBus(site.broker), site.broker.slots, store, producer, site.clock, timedelta(days=14))
        self.destroyer = Destroyer(
            store, producer, site.clock, register, slots=site.broker.slots,
            retention_days=14, interval_s=60.0, most=200, hand_over_s=site.hand_over_s,
        )  # fmt: skip
        self.recorder = Recorder(
            store=store.name,
            rules=site.rules,
            idle_s=site.idle_s,
            queue_bytes=site.queue_bytes,
            backoff=Backoff(site.clock, 0.5, 4.0),
            work=self.work,
            heads=heads,
            uploads=lambda stored: UploadQueue(store, producer, heads, stored, site.clock),
            producer=producer,
            troubles=troubles,
            reporter=StatusReporter(producer, "recorder", "r1", site.clock),
            clock=site.clock,
            sweep=self.destroyer.sweep,
            owned=self.destroyer.own,
        )
        self.retention = Retention(self.destroyer, Backoff(site.clock, 0.5, 4.0), troubles)
        self.position: dict[Partition, int] = {}
        self.refusals: list[str] = []

    def kill(self) -> None:
        """As `kill -9`: whatever is on the local disk stays there."""
        self.work._files.clear()
        self.work.__exit__(None, None, None)

    def work_off(self) -> None:
        """Hand on everything on the bus, committing after each record as often as one ever could."""
        for slot in range(self.site.broker.slots):
            source = (FRAMES_MASKED.name, slot)
            begin = self.position.get(source, self.site.committed.get(source, 0))
            for record in self.site.broker.log(source)[begin:]:
                self.recorder.handle(record)
                self.position[source] = record.offset + 1
                self.tick()

    def tick(self) -> None:
        """A turn of both loops."""
        self.recorder.tick()
        self.retention.turn()
        self.refusals += [each.refusal.reason for each in self.recorder.settled() if each.refusal is not None]
        needed = self.recorder.needed()
        for source, position in self.position.items():
            self.site.committed[source] = min(position, needed.get(source, position))

    def go_idle(self) -> None:
        """Let the cameras be idle for so long that their segments end."""
        for _ in range(int(self.site.idle_s) + 5):
            self.site.clock.advance(1.0)
            self.tick()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    clock = ManualClock()
    store = MemoryStore(clock)
    store.make_bucket(14)
    return Site(tmp_path / "work", clock, MemoryBroker(slots=2, clock=clock), store, {})


Start = Callable[..., Running]


@pytest.fixture
def start(site: Site) -> Iterator[Start]:
    """`start()` → a new life of the recorder at `site`."""
    lives: list[Running] = []

    def begin(
        store: ObjectStore | None = None,
        producer: Producer | None = None,
        append: Append = append_at,
        site: Site = site,
    ) -> Running:
        if lives:
            lives.pop().kill()
        lives.append(Running(site, store, producer, append))
        return lives[-1]

    yield begin
    if lives:
        lives[-1].kill()
