"""When everything that was due had been destroyed last, and whether that is too long ago."""

from __future__ import annotations

import threading

from beffroi_common.contracts import StoreName
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import LAST_SWEEP_TIMESTAMP

BUDGET_S = 3600.0
"""What is due is destroyed within the hour. The store's own lifecycle, which does it when the recorder does not, looks
once or twice a day."""


class Sweep:
    """The destroyer tells; who reports asks, from another thread. Nobody but the owner of the destroying has an age."""

    def __init__(self, store: StoreName, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._since_s: float | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """This instance destroys from now on. Its first sweep is due as if one had been done just now."""
        with self._lock:
            self._since_s = self._clock.monotonic_s()

    def done(self) -> None:
        """Nothing that is due is left."""
        with self._lock:
            if self._since_s is None:  # another instance took over meanwhile
                return
            self._since_s = self._clock.monotonic_s()
            LAST_SWEEP_TIMESTAMP.labels(store=self._store).set(self._clock.now_ns() / 1e9)

    def leave(self) -> None:
        """Another instance destroys."""
        with self._lock:
            if self._since_s is not None:
                self._since_s = None
                LAST_SWEEP_TIMESTAMP.clear()

    @property
    def age_s(self) -> float | None:
        """How long ago the last one was; None: this instance does not destroy."""
        with self._lock:
            return None if self._since_s is None else self._clock.monotonic_s() - self._since_s

    @property
    def complaint(self) -> str | None:
        """What a person must know and do, from half of the budget on."""
        age_s = self.age_s
        if age_s is None or age_s <= BUDGET_S / 2:
            return None
        return (
            f"what is due was destroyed last {age_s / 60:,.0f} minutes ago, and must be every {BUDGET_S / 60:.0f}: "
            "look at the log for what keeps it, at the store and at the broker"
        )
