"""Liveness: the loop turns. Readiness: partitions assigned, model loaded, port open. Neither asks a dependency."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from .clock import Clock


@dataclass
class Health:
    """What /healthz and /readyz answer.

    Attributes:
        timeout_s: a loop that did not beat for so long is dead.
    """

    clock: Clock
    timeout_s: float
    _beats: dict[str, float] = field(default_factory=dict)
    _ready: dict[str, bool] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def beat(self, loop: str = "main") -> None:
        """The loop completed a turn."""
        with self._lock:
            self._beats[loop] = self.clock.monotonic_s()

    def forget(self, loop: str) -> None:
        """The loop ended as it should."""
        with self._lock:
            self._beats.pop(loop, None)

    def set_ready(self, condition: str, ready: bool = True) -> None:
        """State whether a condition of readiness holds. All that were ever stated must."""
        with self._lock:
            self._ready[condition] = ready

    def live(self) -> dict[str, bool]:
        """Each loop and whether it turns."""
        now_s = self.clock.monotonic_s()
        with self._lock:
            return {loop: now_s - at_s <= self.timeout_s for loop, at_s in self._beats.items()}

    def ready(self) -> dict[str, bool]:
        """Each condition and whether it holds."""
        with self._lock:
            return dict(self._ready)
