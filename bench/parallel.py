"""What a second core brings: masker and vision with several cameras, two workers against one, in the same run.

Each round works the same batches of four cameras off through the loop of the bus, once with one worker (as much as one
loop did) and once with two; pairs follow each other, so that a busy machine shifts both alike. Printed are the ratio of
each pair, the load of the machine before it and the most bytes that waited. Each round checks that the outputs of each
camera are in the order of its batches, and that none is missing.

`python -m bench.parallel [masker] [vision]`
"""

from __future__ import annotations

import itertools
import logging
import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import structlog
from tests.integration.detector import vtest

from beffroi_common.bus import Producer, StatusReporter, run
from beffroi_common.bus.keyed import Executor, KeyedProcessor, KeyedWork, ThreadExecutor
from beffroi_common.contracts import Camera, CameraSource, FrameBatch, Tracks
from beffroi_common.media.encoding import Quality
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.settings import ParallelSettings
from beffroi_common.topics import CAMERAS, FRAMES_MASKED, FRAMES_RAW, TRACKS, Topic
from beffroi_detector.catalogue import model_folder
from beffroi_detector.vision import processor as vision
from beffroi_detector.vision.camera_stream import CameraStream
from beffroi_detector.vision.decoding import PictureDecoder
from beffroi_detector.vision.model import Detector, ModelOptions
from beffroi_detector.vision.settings import VisionSettings
from beffroi_detector.vision.tracking import CameraTracker, TrackOptions
from beffroi_masker.decisions import Decisions
from beffroi_masker.lateness import Lateness
from beffroi_masker.processor import Masking, masker_work
from beffroi_masker.stream import Limits
from beffroi_rules.fitting import Plan, Plans
from beffroi_rules.registry import load
from beffroi_testing import MemoryBroker, MemoryBus
from bench.masker import DECISION, QUALITY, camera_stream, generated

NAMES = ("north", "east", "south", "west")
PAIRS = 3
WORKERS = 2
WANTED = 1.7
"""What the second worker is to bring at least, on two cores of its own."""

PICTURES = 75
CLIP_BATCHES = 24
HANG_S = 60.0
CLOCK = SystemClock()
LIMITS = Limits(decoder_threads=1, max_pixels=36_000_000, max_rewind_batches=120)
DEFAULTS = {name: each.default for name, each in VisionSettings.model_fields.items()}
QUEUE_BYTES: int = ParallelSettings.model_fields["work_queue_bytes"].default

NewProcessor = Callable[[MemoryBroker, Executor], KeyedProcessor]


@dataclass(frozen=True)
class Part:
    """A service that is measured: what it reads, what it sends, and how it is made."""

    name: str
    source: Topic
    batches: list[FrameBatch]
    sent: Topic
    sequence: Callable[[bytes], int]
    new: NewProcessor


@dataclass(frozen=True)
class Round:
    """How one working off went."""

    wall_s: float
    peak_bytes: float


def work_off(part: Part, workers: int) -> Round:
    """Work everything off that lies on a bus of its own."""
    broker, stop = MemoryBroker(slots=len(NAMES), clock=CLOCK), threading.Event()
    for batch in part.batches:
        broker.append(part.source.name, batch.camera, batch.encode(), NAMES.index(batch.camera), {})
    bus = MemoryBus(broker)
    with part.new(broker, ThreadExecutor(workers, part.name)) as processor:

        def beat() -> None:
            if _finished(part, broker):
                stop.set()

        began_s = time.perf_counter()
        run(
            bus, processor, service="bench", topics=[part.source], producer=bus.producer(), stop=stop,
            clock=CLOCK, beat=beat,
        )  # fmt: skip
        wall_s = time.perf_counter() - began_s
        peak_bytes = processor.counters()["peak_queue_bytes"]
    _check(part, broker)
    return Round(wall_s, peak_bytes)


def _processor(work: KeyedWork, producer: Producer, executor: Executor) -> KeyedProcessor:
    return KeyedProcessor(work, producer, CLOCK, executor, idle_s=HANG_S, queue_bytes=QUEUE_BYTES, hang_s=HANG_S)


def _finished(part: Part, broker: MemoryBroker) -> bool:
    last = len(part.batches) // len(NAMES) - 1
    logs = (broker.log((part.sent.name, slot)) for slot in range(len(NAMES)))
    return all(log and part.sequence(log[-1].value or b"") == last for log in logs)


def _check(part: Part, broker: MemoryBroker) -> None:
    for slot, name in enumerate(NAMES):
        sent = [part.sequence(record.value or b"") for record in broker.log((part.sent.name, slot))]
        expected = [batch.sequence for batch in part.batches if batch.camera == name]
        assert [sequence for sequence, _ in itertools.groupby(sent)] == expected, f"{part.name} {name}: {sent}"


def of_every_camera(batches: list[FrameBatch]) -> list[FrameBatch]:
    """The same batches from each camera, as they would come side by side."""
    return [replace(batch, camera=name) for batch in batches for name in NAMES]


@contextmanager
def masker() -> Iterator[Part]:
    """The masker on 1080p."""
    decided = MemoryBroker()
    for name in NAMES:
        camera = Camera(
            id=name, name=name, commune="Lille", slot=0, source=CameraSource(url="pattern:64x48@5"), masking=DECISION
        )
        decided.append(CAMERAS.name, name, camera.encode(), 0, {})
    decisions = Decisions(MemoryBus(decided), SystemClock(), math.inf)
    decisions.start()
    assert decisions.wait_caught_up(HANG_S)

    def new(broker: MemoryBroker, executor: Executor) -> KeyedProcessor:
        producer = MemoryBus(broker).producer()
        status = StatusReporter(producer, "masker", "bench", CLOCK)
        lateness = Lateness(CLOCK, producer.broker_clock, math.inf)
        masking = Masking(decisions, status, CLOCK, LIMITS, QUALITY, lateness)
        return _processor(masker_work(masking), producer, executor)

    pictures, fps = generated()
    batches = of_every_camera(camera_stream(pictures[:PICTURES], fps))
    try:
        yield Part("masker", FRAMES_RAW, batches, FRAMES_MASKED, lambda value: FrameBatch.decode(value).sequence, new)
    finally:
        decisions.close()


class _EveryCamera:
    """The rules of the clip, for each of the cameras."""

    is_stale = False

    def __init__(self, classes: frozenset[str]) -> None:
        self._plans = Plans(load(), classes)
        self._cameras = {name: vtest.camera().model_copy(update={"id": name}) for name in NAMES}

    def plan(self, camera: str) -> Plan:
        """See `vision.Configuration`."""
        return self._plans.of(camera, self._cameras[camera])

    def watched(self, camera: str) -> bool:  # noqa: ARG002
        """See `vision.Configuration`."""
        return False


@contextmanager
def seeing() -> Iterator[Part]:
    """Vision on the clip, as if every picture were of now."""
    options = ModelOptions(
        device="CPU",
        threads=DEFAULTS["threads"],
        parallel=WORKERS,
        input_wh=(DEFAULTS["input_width"], DEFAULTS["input_height"]),
        max_batch=DEFAULTS["max_inference_batch"],
        confidence=DEFAULTS["confidence_low"],
        overlap=DEFAULTS["overlap"],
    )
    detector = Detector(model_folder(DEFAULTS["model"]), options)
    period_s = DEFAULTS["sample_period_s"]
    tracking = TrackOptions(DEFAULTS["confidence_high"], DEFAULTS["lost_track_s"], period_s)

    def new(broker: MemoryBroker, executor: Executor) -> KeyedProcessor:
        producer = MemoryBus(broker).producer()
        looking = vision.Looking(
            configuration=_EveryCamera(detector.classes),
            status=StatusReporter(producer, "vision", "bench", CLOCK),
            clock=CLOCK,
            new_stream=lambda: CameraStream(
                PictureDecoder(LIMITS.max_pixels), detector, CameraTracker(tracking), Quality("ultrafast", 26)
            ),
            pace=vision.Pace(period_s, float("inf"), period_s, 0.0),
            max_rewind_batches=LIMITS.max_rewind_batches,
        )
        return _processor(vision.vision_work(looking), producer, executor)

    units = vtest.masked_units(crf=23, frames=CLIP_BATCHES * vtest.BATCH_PICTURES)
    batches = of_every_camera(list(itertools.islice(vtest.batches(units, loops=1), CLIP_BATCHES)))
    yield Part("vision", FRAMES_MASKED, batches, TRACKS, lambda value: Tracks.decode(value).sequence, new)


def measure(part: Part) -> None:
    """Print the pairs of one service."""
    ratios, peaks = [], []
    for number in range(PAIRS):
        load = os.getloadavg()[0]
        one, two = work_off(part, 1), work_off(part, WORKERS)
        ratios.append(one.wall_s / two.wall_s)
        peaks.append(max(one.peak_bytes, two.peak_bytes))
        print(
            f"parallel {part.name}, pair {number + 1}: {one.wall_s:.2f} s with one worker, {two.wall_s:.2f} s with "
            f"{WORKERS}, ratio {ratios[-1]:.2f}; load before {load:.1f} of {os.cpu_count()} cores",
            flush=True,
        )
    print(
        f"parallel {part.name}, {len(NAMES)} cameras: ratio {statistics.median(ratios):.2f} (median of {PAIRS}; best "
        f"{max(ratios):.2f}; wanted {WANTED}), order of each camera kept, at most {max(peaks) / 2**20:.1f} MiB of "
        f"{QUEUE_BYTES / 2**20:.0f} waited"
    )


def main() -> None:
    """Measure the services named, or both."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    parts = {"masker": masker, "vision": seeing}
    for name in sys.argv[1:] or parts:
        with parts[name]() as part:
            measure(part)


if __name__ == "__main__":
    main()
