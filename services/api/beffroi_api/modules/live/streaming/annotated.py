"""Who watches annotated pictures, so that vision draws for them and for nobody else."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from beffroi_common.contracts import Viewers
from beffroi_common.runtime.clock import Clock


class AnnotatedLeases:
    """Counts open annotated views by camera, and says which leases are due on `viewers.v1`."""

    def __init__(self, clock: Clock, lease_s: float, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._lease_s = lease_s
        self._wake = wake
        self._watching: Counter[str] = Counter()
        self._said_s: dict[str, float] = {}
        self._lock = threading.Lock()

    def open(self, camera: str) -> None:
        """Somebody begins to watch."""
        with self._lock:
            self._watching[camera] += 1
        self._wake()

    def close(self, camera: str) -> None:
        """Somebody stops watching."""
        with self._lock:
            self._watching[camera] -= 1
        self._wake()

    def due(self) -> list[Viewers]:
        """Leases to be sent: new ones, those a third of the way to their end, and ends of those nobody needs."""
        now, now_s = self._clock.now(), self._clock.monotonic_s()
        messages = []
        with self._lock:
            for camera, count in self._watching.items():
                said_s = self._said_s.get(camera)
                if count > 0 and (said_s is None or now_s - said_s >= self._lease_s / 3):
                    messages.append(Viewers(camera=camera, annotated_until=now + timedelta(seconds=self._lease_s)))
                    self._said_s[camera] = now_s
                elif count <= 0 and said_s is not None:
                    messages.append(Viewers(camera=camera, annotated_until=now))
                    del self._said_s[camera]
            self._watching = +self._watching
        return messages

    def observe(self, viewers: Viewers) -> None:
        """Somebody said until when a camera is watched: another process may have ended a lease that is needed here."""
        with self._lock:
            is_ended = viewers.annotated_until <= self._clock.now() and self._watching[viewers.camera] > 0
            if is_ended:
                self._said_s.pop(viewers.camera, None)
        if is_ended:
            self._wake()

    def unsent(self, camera: str) -> None:
        """A lease could not be sent: it is due again."""
        with self._lock:
            self._said_s.pop(camera, None)
