"""Which cameras the road is behind with: for those the lane is open."""

from __future__ import annotations

import threading
from collections.abc import Collection

from beffroi_common.bus import Partition, Record
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.foreign_clock import ForeignClock

CAUGHT_UP_S = 1.5
"""A camera whose pictures are no later than this has caught up. It is well below whatever opens the lane, which would
else open and close with each batch."""

SILENT_S = 10.0
"""Of a camera of which nothing was worked on for so long nobody knows whether it is late: it may have sent nothing."""


class Lateness:
    """Told of each raw batch that is masked in its turn. Safe to call from several threads.

    It is measured at the work and not at what may be committed: a camera with long groups of pictures holds offsets
    back for as long as these are, and is not late for it.
    """

    def __init__(self, clock: Clock, broker_clock: ForeignClock, behind_s: float) -> None:
        """Know of no camera yet.

        Args:
            clock: ours.
            broker_clock: what is known of the one that stamps records.
            behind_s: a camera whose pictures are later than this is behind, until it has caught up.
        """
        self.behind_s = behind_s
        self._clock = clock
        self._broker_clock = broker_clock
        self._noted_s: dict[Partition, dict[str, float]] = {}
        self._lock = threading.Lock()
        self._begun = threading.Event()

    @property
    def broker_now_ms(self) -> int:
        """What time it is by the clock that stamps records."""
        ahead = self._broker_clock.ahead
        return self._clock.now_ns() // 1_000_000 + (0 if ahead is None else round(ahead.total_seconds() * 1000))

    def of(self, record: Record) -> float:
        """For how many seconds the broker has had a record."""
        return (self.broker_now_ms - record.timestamp_ms) / 1000

    def note(self, record: Record) -> None:
        """This record of a camera is masked now, in its turn."""
        late_s = self.of(record)
        with self._lock:
            cameras = self._noted_s.setdefault(record.source, {})
            if late_s > (CAUGHT_UP_S if record.key in cameras else self.behind_s):
                cameras[record.key] = self._clock.monotonic_s()
                self._begun.set()
            else:
                cameras.pop(record.key, None)
            self._forget_silent()

    def hold(self, partitions: Collection[Partition]) -> None:
        """Only these are ours now; for the others somebody else speaks."""
        with self._lock:
            self._noted_s = {each: cameras for each, cameras in self._noted_s.items() if each in partitions}
            self._forget_silent()

    def partitions(self) -> frozenset[Partition]:
        """Those of which a camera is behind."""
        with self._lock:
            self._forget_silent()
            return frozenset(self._noted_s)

    def is_behind(self, source: Partition, camera: str) -> bool:
        """Whether this camera is."""
        with self._lock:
            self._forget_silent()
            return camera in self._noted_s.get(source, {})

    def wait(self, timeout_s: float) -> None:
        """Wait until a camera is behind, or `wake` is called."""
        self._begun.wait(timeout_s)
        self._begun.clear()

    def wake(self) -> None:
        """End a wait."""
        self._begun.set()

    def _forget_silent(self) -> None:
        since_s = self._clock.monotonic_s() - SILENT_S
        heard = {
            source: {camera: noted_s for camera, noted_s in cameras.items() if noted_s >= since_s}
            for source, cameras in self._noted_s.items()
        }
        self._noted_s = {source: cameras for source, cameras in heard.items() if cameras}
