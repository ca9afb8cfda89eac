"""The masker between buses in memory, with everything around it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from beffroi_common.bus import Record
from beffroi_common.bus.journal import Journal, NoJournal
from beffroi_common.bus.keyed import Executor, KeyedProcessor
from beffroi_common.bus.reporter import StatusReporter
from beffroi_common.contracts import Camera, CameraStatus, FrameBatch, ServiceStatus
from beffroi_common.contracts.status import decode_status
from beffroi_common.media.encoding import Quality
from beffroi_common.topics import CAMERAS, FRAMES_LIVE, FRAMES_MASKED, FRAMES_RAW, STATUS
from beffroi_masker.decisions import Decisions
from beffroi_masker.lane import Lane
from beffroi_masker.lateness import Lateness
from beffroi_masker.processor import Masking, masker_work
from beffroi_masker.stream import Limits
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

MAX_AGE_S = 30.0
BEHIND_S = 5.0


def record(batch: FrameBatch, offset: int, key: str | None = None) -> Record:
    return Record(FRAMES_RAW.name, 1, offset, key or batch.camera, batch.encode(), 0)


@dataclass
class Bench:
    """A masker on a broker in memory."""

    broker: MemoryBroker
    clock: ManualClock
    decisions: Decisions
    masker: KeyedProcessor
    masking: Masking
    journal: Journal = field(default_factory=NoJournal)
    lanes: list[Lane] = field(default_factory=list)

    @classmethod
    @contextmanager
    def running(
        cls,
        limits: Limits,
        quality: Quality,
        executor: Executor,
        max_age_s: float = math.inf,
        lane_behind_s: float = math.inf,
    ) -> Iterator[Bench]:
        clock = ManualClock()
        broker = MemoryBroker(slots=2, clock=clock)
        producer = MemoryBus(broker).producer()
        decisions = Decisions(MemoryBus(broker), broker.clock, max_age_s)
        decisions.start()
        status = StatusReporter(producer, "masker", "test", clock)
        lateness = Lateness(clock, producer.broker_clock, lane_behind_s)
        masking = Masking(decisions, status, clock, limits, quality, lateness)
        try:
            with KeyedProcessor(
                masker_work(masking), producer, clock, executor, idle_s=10.0, queue_bytes=96 * 1024 * 1024, hang_s=60
            ) as masker:
                bench = cls(broker, clock, decisions, masker, masking)
                yield bench
                for lane in bench.lanes:
                    lane._close()
        finally:
            decisions.close()

    def configure(self, camera: Camera | bytes | None, key: str = "gate") -> None:
        """Publish a configuration, and wait until the masker has it."""
        value = camera.encode() if isinstance(camera, Camera) else camera
        source_version = camera.source_version if isinstance(camera, Camera) else 1
        assert self.decisions.wait_caught_up(5)
        before = self.decisions.of(key, source_version)
        self.broker.append(CAMERAS.name, key, value, 1, {})
        for _ in range(500):
            if self.decisions.of(key, source_version) != before:
                return
            threading.Event().wait(0.01)

    def feed(self, batches: Iterable[FrameBatch], first: int = 0) -> None:
        """Hand batches over, at offsets that count from `first`."""
        for offset, batch in enumerate(batches, first):
            self.masker.handle(record(batch, offset))

    def film(self, batches: Iterable[FrameBatch]) -> list[Record]:
        """Let ingest send batches now; they are not handed over yet."""
        return [self.broker.append(FRAMES_RAW.name, each.camera, each.encode(), 1, {}) for each in batches]

    def lane(self) -> Lane:
        """A lane beside it, which does nothing but what a test lets it do."""
        self.lanes.append(Lane(MemoryBus(self.broker), self.masking, self.journal))
        return self.lanes[-1]

    def finish(self) -> None:
        """Wait until nothing waits any more."""
        for _ in range(3000):
            self.masker.tick()
            counters = self.masker.counters()
            if counters["waiting_batches"] == counters["unsent"] == 0:
                return
            threading.Event().wait(0.01)
        raise AssertionError("it does not end")

    def listen(self, seconds: int) -> None:
        """Let time go by in turns of the loop that bring nothing."""
        for _ in range(seconds):
            self.clock.advance(1)
            self.masker.tick()

    def masked(self) -> list[FrameBatch]:
        return [FrameBatch.decode(each.value or b"") for each in self.broker.records(FRAMES_MASKED)]

    def shown(self) -> list[FrameBatch]:
        """What went by the lane."""
        return [FrameBatch.decode(each.value or b"") for each in self.broker.records(FRAMES_LIVE)]

    def last_service_status(self) -> ServiceStatus:
        found = [decode_status(each.value or b"") for each in self.broker.records(STATUS)]
        return [each for each in found if isinstance(each, ServiceStatus)][-1]

    def last_status(self, camera: str = "gate") -> CameraStatus:
        found = [decode_status(each.value or b"") for each in self.broker.records(STATUS)]
        return [each for each in found if isinstance(each, CameraStatus) and each.camera == camera][-1]
