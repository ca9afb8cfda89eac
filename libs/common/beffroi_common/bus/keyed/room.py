"""The bytes that wait, and whose they are: whoever has a backlog leaves room for everybody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from beffroi_common.bus.interfaces import Partition

LOW_WATERMARK = 0.5
"""Reading goes on once no more than this share of the bytes waits: at each pause the consumer throws away what it read
ahead, so it must not be paused and resumed for every record."""


class Room:
    """Bounded bytes, shared out among partitions. Whoever has it sees to the lock.

    A partition may fill as much as is left free: one with a backlog gets half, two get a third each, and there is room
    for one that has none yet. (A. K. Choudhury and E. L. Hahne, Dynamic queue length thresholds for shared-memory
    packet switches, 1998.)
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._by_source: Counter[Partition] = Counter()
        self._full = False
        self._full_sources: frozenset[Partition] = frozenset()
        self.bytes = 0
        self.peak_bytes = 0

    def take(self, source: Partition, size_bytes: int) -> None:
        """So much more of a partition waits."""
        self._by_source[source] += size_bytes
        self.bytes += size_bytes
        self.peak_bytes = max(self.peak_bytes, self.bytes)

    def give_back(self, source: Partition, size_bytes: int) -> None:
        """So much less of it."""
        self.bytes -= size_bytes
        self._by_source[source] -= size_bytes
        if not self._by_source[source]:
            del self._by_source[source]

    def is_full(self) -> bool:
        """Whether one more record could be too much; once it is so, until there is room for a good while."""
        self._full = self.bytes > (LOW_WATERMARK if self._full else 1.0) * self._limit_bytes
        return self._full

    def full_partitions(self, assigned: Collection[Partition]) -> frozenset[Partition]:
        """Those that have as much as is left for others, until they have a good deal less."""
        free_bytes = max(0, self._limit_bytes - self.bytes)
        self._full_sources = frozenset(
            source
            for source, size_bytes in self._by_source.items()
            if len(assigned) > 1 and size_bytes > (LOW_WATERMARK if source in self._full_sources else 1.0) * free_bytes
        )
        return self._full_sources
