"""What was taken of a camera: which batches are repeats, and how many never came."""

from __future__ import annotations

from collections.abc import Mapping

MAX_EPOCHS = 256
"""Epochs remembered. A replay goes back some minutes; a camera would have to reconnect every second to need more."""


class SequenceTracker:
    """The last sequence number taken of each epoch, the epoch seen last at the end."""

    def __init__(self, taken: Mapping[int, int] | None = None) -> None:
        self._last: dict[int, int] = dict(taken or {})

    def is_repeat(self, epoch: int, sequence: int) -> bool:
        """Whether this batch, or one after it in its epoch, was taken before.

        Epochs are not compared: after a clock was set back, or on another instance of ingest, a new one may be lower.
        """
        return sequence <= self._last.get(epoch, -1)

    def take(self, epoch: int, sequence: int) -> int:
        """Remember a batch, and return how many before it never came.

        Before the very first batch of a camera nothing counts as missing: nobody knows what was there.
        """
        missing = sequence - self._last.get(epoch, -1) - 1 if self._last else 0
        self._last.pop(epoch, None)
        self._last[epoch] = sequence
        while len(self._last) > MAX_EPOCHS:
            del self._last[next(iter(self._last))]
        return missing

    def snapshot(self) -> dict[int, int]:
        """A copy: epoch → last sequence number."""
        return dict(self._last)
