"""How long to leave alone whoever just failed."""

from __future__ import annotations

from .clock import Clock


class Backoff:
    """A wait that doubles with each failure.

    It counts from the end of an attempt: one at a store that hangs takes longer than the longest wait, which would be
    over before it began.
    """

    def __init__(self, clock: Clock, first_s: float, most_s: float) -> None:
        self._clock = clock
        self._first_s = first_s
        self._most_s = most_s
        self._wait_s = first_s
        self._until_s = 0.0

    def is_due(self) -> bool:
        """Whether it is time to try again."""
        return self._clock.monotonic_s() >= self._until_s

    def failed(self) -> float:
        """An attempt failed just now; return how long to wait, in seconds."""
        wait_s = self._wait_s
        self._until_s = self._clock.monotonic_s() + wait_s
        self._wait_s = min(2 * wait_s, self._most_s)
        return wait_s

    def reset(self) -> None:
        """All is well, or somebody else is tried: at once, and the next failure is a first one."""
        self._wait_s = self._first_s
        self._until_s = 0.0
