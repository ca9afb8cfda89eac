"""What was taken of a camera: what is a repeat, what comes of a connection that is over, and how much never came."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

MAX_EPOCHS = 256
"""Epochs remembered. A replay goes back some minutes; a camera would have to reconnect every second to need more."""

SILENT_MS = 10_000
"""Nothing came of an epoch for so long: it may be over, and one that was taken for over may go on. So whatever two
clocks or a restart made of the order of epochs, no camera stays refused."""


class Stale(StrEnum):
    """Why a batch is left out."""

    REPEATED = "repeated"
    """It, or one after it in its epoch, was taken before."""
    EPOCH_OVER = "epoch_over"
    """Another connection took its camera's place: who sends it was frozen, or cut off, and films the same seconds."""


class SequenceTracker:
    """The last sequence number taken of each epoch, the epoch that goes on at the end."""

    def __init__(self, taken: Mapping[int, int] | None = None) -> None:
        self._last: dict[int, int] = dict(taken or {})
        self._asked_ms: int | None = None
        self._heard_ms: int | None = None

    def stale(self, epoch: int, sequence: int, at_ms: int) -> Stale | None:
        """Why this batch is to be left out; None: it is the next one, or begins what comes next.

        Args:
            epoch: of the batch.
            sequence: of the batch.
            at_ms: when it came, by one clock for all batches. By the record's own a replay decides alike.
        """
        self._asked_ms = at_ms
        if self.is_repeat(epoch, sequence):
            return Stale.REPEATED
        if self._is_over(epoch, sequence, at_ms):
            return Stale.EPOCH_OVER
        return None

    def is_repeat(self, epoch: int, sequence: int) -> bool:
        """Whether this batch, or one after it in its epoch, was taken before."""
        return sequence <= self._last.get(epoch, -1)

    def missing_before(self, epoch: int, sequence: int) -> int:
        """How many batches before this one, which is no repeat, never came; see `take`."""
        return sequence - self._last.get(epoch, -1) - 1 if self._last else 0

    def take(self, epoch: int, sequence: int) -> int:
        """Remember a batch, and return how many before it never came.

        Before the very first batch of a camera nothing counts as missing: nobody knows what was there.
        """
        missing = self.missing_before(epoch, sequence)
        self._last.pop(epoch, None)
        self._last[epoch] = sequence
        self._heard_ms = self._asked_ms
        while len(self._last) > MAX_EPOCHS:
            del self._last[next(iter(self._last))]
        return missing

    def snapshot(self) -> dict[int, int]:
        """A copy: epoch → last sequence number."""
        return dict(self._last)

    @property
    def _current(self) -> int | None:
        return next(reversed(self._last), None)

    def _is_over(self, epoch: int, sequence: int, at_ms: int) -> bool:
        """Whether this epoch ended before the one that goes on began.

        Numbers alone do not say: after a clock was set back, or on another instance of ingest, a new epoch may be
        lower. But it begins at its beginning, and the one before it falls silent.
        """
        current = self._current
        if current is None or epoch == current:
            return False
        if epoch not in self._last and (epoch > current or sequence == 0):
            return False
        if self._heard_ms is None:
            self._heard_ms = at_ms
        return at_ms - self._heard_ms < SILENT_MS
