"""Streams without pictures, and what is around them: enough to see order, offsets and what is lost or said twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from beffroi_common.bus import InvalidRecord, LoopOptions, Partition, Producer, Record, TooLarge, run
from beffroi_common.bus.batches import masked_batch
from beffroi_common.bus.journal import Journal, NoJournal
from beffroi_common.bus.keyed import Executor, Key, KeyedProcessor, KeyedWork, Output
from beffroi_common.bus.keyed.executors import Step
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, Stream, Tracks
from beffroi_common.contracts.frames import from_ns
from beffroi_common.topics import FRAMES_MASKED, TRACKS
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

QUEUE_BYTES = 96 * 1024 * 1024
HANG_S = 60.0
IDLE_S = 10.0
FORGET_S = 600.0
GROUP = "keyed"
INVALID = b"invalid"

TIMEOUT_S = 30.0
"""With threads that do not come to their end."""

Work = Callable[[FrameBatch], None]


def batch(
    camera: str, sequence: int, *, at_ns: int = 1, data: bytes = b"picture", epoch: int = 1, key: bool = True
) -> FrameBatch:
    unit = AccessUnit(sequence, sequence, at_ns, key, data)
    return FrameBatch(camera, Stream.MAIN, epoch, sequence, Fraction(1, 90_000), Codec.H264, 160, 96, 1, (unit,))


@dataclass
class HeldBack:
    """A stream whose decoder gives each batch with the next one, and begins at key frames as the masker's does.

    Attributes:
        work: what is done with each batch; it may raise.
        discarded: whether it was told to release what it holds.
    """

    work: Work
    sequences: SequenceTracker = field(default_factory=SequenceTracker)
    needed_offset: int | None = None
    discarded: bool = False
    handed_on: list[int] = field(default_factory=list)
    repeats: int = 0
    _held: FrameBatch | None = None
    _at_work: bool = False

    def handle(self, batch: FrameBatch, record: Record) -> Sequence[Output]:
        self._at_work = True
        try:
            self.work(batch)
        finally:
            self._at_work = False
        if batch.units[0].data == INVALID:
            raise InvalidRecord("told to be")
        self.sequences.take(batch.epoch, batch.sequence)
        outputs = self.rest()
        self._held, self.needed_offset = batch, record.offset
        return outputs

    def left_out(self, _batch: FrameBatch) -> None:
        self.repeats += 1

    def rest(self) -> Sequence[Output]:
        held, self._held, self.needed_offset = self._held, None, None
        return [] if held is None else [Output(TRACKS, held.camera, _said(held))]

    def sent(self, output: Output) -> None:
        assert isinstance(output.value, Tracks)
        self.handed_on.append(output.value.sequence)

    def too_large(self, output: Output, reason: TooLarge) -> None:
        raise AssertionError((output, reason))

    def discard(self) -> None:
        assert not self._at_work
        assert not self.discarded
        self.discarded = True


def _main_stream(record: Record) -> FrameBatch | None:
    one = masked_batch(record)
    return one if one.stream is Stream.MAIN else None


def _said(batch: FrameBatch) -> Tracks:
    return Tracks(
        camera=batch.camera,
        epoch=batch.epoch,
        sequence=batch.sequence,
        capture_time=from_ns(batch.units[0].capture_time_ns),
        width=batch.width,
        height=batch.height,
    )


class Stepped:
    """Works when it is told to: between two turns of the loop any number of pieces may be done."""

    def __init__(self) -> None:
        self._step: Step = lambda _wait_s: False

    def start(self, step: Step) -> None:
        self._step = step

    def work_waits(self) -> None: ...

    def close(self) -> None: ...

    def work(self, pieces: int = 1) -> None:
        for _ in range(pieces):
            self._step(0.0)


@dataclass
class Stage:
    """A processor on a broker in memory, with every stream it ever made."""

    executor: Executor
    work: Work = lambda _batch: None
    broker: MemoryBroker = field(default_factory=lambda: MemoryBroker(slots=2))
    queue_bytes: int = QUEUE_BYTES
    hang_s: float = HANG_S
    journal: Journal = field(default_factory=NoJournal)
    streams: list[HeldBack] = field(default_factory=list)
    reports: list[Mapping[str, float]] = field(default_factory=list)
    processor: KeyedProcessor = field(init=False)

    def __post_init__(self) -> None:
        producer = MemoryBus(self.broker).producer()
        self.processor = KeyedProcessor(
            KeyedWork(_main_stream, self._new_stream, self.reports.append, FORGET_S),
            producer,
            self.broker.clock,
            self.executor,
            idle_s=IDLE_S,
            queue_bytes=self.queue_bytes,
            hang_s=self.hang_s,
            journal=self.journal,
        )

    def _new_stream(self, _key: Key, _source: Partition) -> HeldBack:
        stream = HeldBack(self.work)
        self.streams.append(stream)
        return stream

    def give(self, one: FrameBatch, offset: int, partition: int = 0) -> None:
        """Hand one batch over."""
        value = one.encode()
        self.processor.handle(Record(FRAMES_MASKED.name, partition, offset, one.camera, value, 0))

    def said(self, camera: str) -> list[int]:
        """Sequence numbers of what was sent of a camera, in order."""
        return said(self.broker, camera)

    def run(
        self,
        stop: threading.Event | None = None,
        beat: Callable[[], None] = lambda: None,
        producer: Producer | None = None,
        commit_interval_s: float = 1.0,
    ) -> None:
        """Run the processor in the loop of the bus."""
        bus = MemoryBus(self.broker)
        run(
            bus,
            self.processor,
            service=GROUP,
            topics=[FRAMES_MASKED],
            producer=producer or bus.producer(),
            stop=stop or threading.Event(),
            clock=self.broker.clock,
            beat=beat,
            options=LoopOptions(poll_timeout_s=0.001, commit_interval_s=commit_interval_s),
        )

    @property
    def needed(self) -> dict[int, int]:
        """Needed offsets by partition number."""
        return {number: offset for (_, number), offset in self.processor.needed().items()}


def said(broker: MemoryBroker, camera: str) -> list[int]:
    """Sequence numbers of what was sent of a camera, in order."""
    return [Tracks.decode(each.value or b"").sequence for each in broker.records(TRACKS) if each.key == camera]


def turns(stage: Stage, seconds: int) -> None:
    """Let time go by in turns of the loop that bring nothing."""
    clock = stage.broker.clock
    assert isinstance(clock, ManualClock)
    for _ in range(seconds):
        clock.advance(1)
        stage.processor.tick()


def wait(event: threading.Event) -> None:
    assert event.wait(TIMEOUT_S)
