"""Cameras and viewers, kept up to date from their topics."""

from __future__ import annotations

from operator import attrgetter

from beffroi_common.bus import Bus, Table
from beffroi_common.contracts import Camera, Viewers
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import CAMERAS, VIEWERS
from beffroi_rules.fitting import Plan, Plans


class BusConfiguration:
    """Reads `cameras.v1` and `viewers.v1` in full and follows them."""

    def __init__(self, bus: Bus, clock: Clock, plans: Plans, max_age_s: float) -> None:
        self._clock = clock
        self._plans = plans
        self._cameras = Table(
            bus,
            CAMERAS,
            Camera.decode,
            clock,
            key_of=attrgetter("id"),
            max_age_s=max_age_s,
            on_change=lambda camera, _now: plans.forget(camera),
            name="vision",
        )
        self._viewers = Table(bus, VIEWERS, Viewers.decode, clock, key_of=attrgetter("camera"), name="vision")

    def start(self) -> None:
        """Begin to follow."""
        self._cameras.start()
        self._viewers.start()

    def close(self) -> None:
        """Stop following."""
        self._cameras.close()
        self._viewers.close()

    def wait_caught_up(self, timeout_s: float) -> bool:
        """Wait until all cameras are known; nobody waits for viewers."""
        return self._cameras.wait_caught_up(timeout_s)

    @property
    def is_stale(self) -> bool:
        """See `processor.Configuration`."""
        return self._cameras.is_stale

    def plan(self, camera: str) -> Plan:
        """See `processor.Configuration`."""
        configured = self._cameras.get(camera)
        return self._plans.of(camera, configured if isinstance(configured, Camera) else None)

    def watched(self, camera: str) -> bool:
        """See `processor.Configuration`."""
        viewers = self._viewers.get(camera)
        return isinstance(viewers, Viewers) and self._clock.now() < viewers.annotated_until
