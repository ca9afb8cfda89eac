"""Which pictures are analysed: the first of each slot of capture time, so that a replay chooses the same ones."""

from __future__ import annotations

from beffroi_common.contracts.frames import NS_PER_S


class Sampler:
    """Chooses pictures of one camera by their capture time."""

    def __init__(self) -> None:
        self._last_ns: int | None = None

    def take(self, time_ns: int, period_s: float) -> bool:
        """Whether the picture captured at `time_ns` is to be analysed; pictures come in order."""
        period_ns = round(period_s * NS_PER_S)
        last_ns = self._last_ns
        if last_ns is not None and last_ns <= time_ns and time_ns // period_ns == last_ns // period_ns:
            return False
        self._last_ns = time_ns
        return True
