"""Which cameras give no tracks any more, as far as the broker says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection


class IdleCameras:
    """Counts, by partition, the time during which it was read to its end: only then silence means anything.

    A broker that is away, a backlog, a process that was frozen, or a partition that another instance has by now: in
    none of them anything can be said of a camera.
    """

    def __init__(self, idle_s: float, longest_turn_s: float) -> None:
        """Begin to count.

        Args:
            idle_s: after so long without tracks a camera is idle.
            longest_turn_s: a turn that took longer counts as this: the process stood still.
        """
        self._idle_s = idle_s
        self._longest_turn_s = longest_turn_s
        self._listened_s: dict[int, float] = defaultdict(float)
        self._observed_s: dict[tuple[int, str], float] = {}
        self._turned_at_s: float | None = None

    def begin(self) -> None:
        """Partitions were assigned again: whoever had them may have been late."""
        self._listened_s.clear()
        self._observed_s.clear()
        self._turned_at_s = None

    def observe(self, partition: int, camera: str) -> None:
        """Tracks came of a camera."""
        self._observed_s[partition, camera] = self._listened_s[partition]

    def forget(self, partition: int, camera: str) -> None:
        """Nothing is remembered of the camera any more."""
        self._observed_s.pop((partition, camera), None)

    def turn(self, caught_up: Collection[int], now_s: float) -> None:
        """Look at the clock; `caught_up` are the partitions of which all that the broker has was counted."""
        if self._turned_at_s is not None:
            for partition in caught_up:
                self._listened_s[partition] += min(now_s - self._turned_at_s, self._longest_turn_s)
        self._turned_at_s = now_s

    def is_idle(self, partition: int, camera: str) -> bool:
        """Whether nothing came of the camera for so long."""
        return self._listened_s[partition] - self._observed_s.get((partition, camera), 0.0) >= self._idle_s
