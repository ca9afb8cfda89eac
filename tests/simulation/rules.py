"""The rules on the loop of the bus, with a table that outlives their process, as they have one on Faust.

What is the same: a record's alerts are with the broker before its state is written down, and its state before its
offset may be committed; who is given a partition begins with the table as it was written last; nobody is fenced. What
is not covered: Faust itself (its buffers, its recovery, its own commits), which runs in `tests/integration/detector`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from beffroi_common.bus import Partition, Processor, Producer, Record, RetryLater
from beffroi_detector.rules.processor import TracksProcessor

FLUSH_S = 1.0


@dataclass
class States:
    """What is written down.

    Attributes:
        of_cameras: by partition, then camera.
        counted: partition and offset of each message that is done with.
    """

    of_cameras: defaultdict[int, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    counted: set[tuple[int, int]] = field(default_factory=set)


class RulesProcessor(Processor):
    """See `Processor`."""

    def __init__(self, processor: TracksProcessor, producer: Producer, states: States, session_s: float) -> None:
        """Wire it; `session_s`: who does not turn for so long may not have its partitions any more."""
        self._session_s = session_s
        self._turned_at_s = processor.clock.monotonic_s()
        self._processor = processor
        self._producer = producer
        self._states = states
        self._table: dict[str, str] = {}

    def handle(self, record: Record) -> None:
        """Count one message of tracks.

        Raises:
            RetryLater: it took so long that another may have the camera by now: nothing is written down.
        """
        after = self._processor.process(record, self._table.get(record.key))
        while self._producer.flush(FLUSH_S):
            pass
        if self._processor.clock.monotonic_s() - self._turned_at_s > self._session_s:
            raise RetryLater("held up for longer than a session")
        self.remember(record, after)

    def remember(self, record: Record, after: str | None) -> None:
        """Write a state down."""
        if after is not None:
            self._table[record.key] = after
            self._states.of_cameras[record.partition][record.key] = after
        self._states.counted.add((record.partition, record.offset))

    def tick(self) -> None:
        """Note that the loop turns."""
        self._turned_at_s = self._processor.clock.monotonic_s()

    def needed(self) -> Mapping[Partition, int]:
        """What was handled is written down."""
        return {}

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Begin with what was written down."""
        for _, number in partitions:
            self._table |= self._states.of_cameras[number]

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Somebody else goes on."""
        for _, number in partitions:
            for camera in self._states.of_cameras[number]:
                self._table.pop(camera, None)
