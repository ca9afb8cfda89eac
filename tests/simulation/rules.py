"""The rules on the loop of the bus, with a table that outlives their process, as they have one on Faust.

What is the same: a record's alerts are with the broker before its state is written down, and its state before its
offset may be committed; nobody is fenced, so who was held up writes after its successor; who is given a partition reads
what was written in its order, and takes nothing that goes back. What is not covered: Faust itself (its buffers, its
recovery, its own commits), which runs in `tests/integration/detector`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from beffroi_common.bus import Partition, Processor, Producer, Record
from beffroi_detector.rules.changelog import goes_back
from beffroi_detector.rules.processor import TracksProcessor

FLUSH_S = 1.0


@dataclass
class States:
    """What is written down.

    Attributes:
        changelog: by partition, each camera and its state, as they were written one after the other.
        counted: partition and offset of each message that is done with.
    """

    changelog: defaultdict[int, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    counted: set[tuple[int, int]] = field(default_factory=set)


class RulesProcessor(Processor):
    """See `Processor`."""

    def __init__(self, processor: TracksProcessor, producer: Producer, states: States) -> None:
        self._processor = processor
        self._producer = producer
        self._states = states
        self.table: dict[str, str] = {}

    def handle(self, record: Record) -> None:
        """Count one message of tracks, and write down what is remembered, be it late or not."""
        after = self._processor.process(record, self.table.get(record.key))
        while self._producer.flush(FLUSH_S):
            pass
        self.remember(record, after)

    def remember(self, record: Record, after: str | None) -> None:
        """Write a state down."""
        if after is not None:
            self.table[record.key] = after
            self._states.changelog[record.partition].append((record.key, after))
        self._states.counted.add((record.partition, record.offset))

    def needed(self) -> Mapping[Partition, int]:
        """What was handled is written down."""
        return {}

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Begin with what was written down."""
        for _, number in partitions:
            for camera, written in self._states.changelog[number]:
                self.recall(camera, written)

    def recall(self, camera: str, written: str) -> None:
        """Take what was written down, as `ForwardTable` does."""
        if not goes_back(written, self.table.get(camera)):
            self.table[camera] = written

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Somebody else goes on."""
        for _, number in partitions:
            for camera, _ in self._states.changelog[number]:
                self.table.pop(camera, None)
