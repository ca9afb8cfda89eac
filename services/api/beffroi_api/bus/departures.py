"""Who left is gone: statuses of instances and cameras that are no more, and what was counted of such cameras."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.health.service import left
from beffroi_common.bus import Producer, RetryLater, Table
from beffroi_common.contracts import CameraStatus, ServiceStatus
from beffroi_common.runtime.camera_series import CameraSeries
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import STATUS

EVERY_S = 60.0

CAMERA_LEFT_AFTER = timedelta(hours=1)
"""So long after it was said last the status of a camera that is not configured goes: its settings may only be late."""

INSTANCE_LEFT_AFTER = timedelta(days=1)
"""Not shown any more for long, and of no use to whoever looks back either."""


class DeparturesSender:
    """Takes such statuses off the bus, see `Sender`. Each process does: a tombstone twice says no more than once."""

    def __init__(
        self,
        table: Table[CameraStatus | ServiceStatus],
        directory: CameraDirectory,
        clock: Clock,
        producer: Producer,
        silent_for: Callable[[CameraStatus | ServiceStatus], timedelta],
    ) -> None:
        self._silent_for = silent_for
        self._table = table
        self._directory = directory
        self._clock = clock
        self._producer = producer
        self._series = CameraSeries(clock)
        self._next_s = clock.monotonic_s() + EVERY_S

    def send(self) -> None:
        """See `Sender.send`."""
        self._series.retain(self._directory.names())
        now_s = self._clock.monotonic_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + EVERY_S
        try:
            for key in self._left():
                self._producer.send(STATUS, key, None)
        except RetryLater:
            return  # it is tried again in a minute

    def acknowledged(self) -> None:
        """One that was lost is sent again: its status is still there."""

    def trouble(self) -> None:
        """None of its own."""

    def close(self) -> None:
        """See `Sender.close`."""

    def _left(self) -> list[str]:
        said = self._table.values()
        instances = (each for each in said.values() if isinstance(each, ServiceStatus))
        gone = left(instances, self._silent_for, INSTANCE_LEFT_AFTER)
        cameras = [each for each in said.values() if isinstance(each, CameraStatus)]
        gone |= {
            each.key
            for each in cameras
            if self._directory.camera(each.camera) is None and self._silent_for(each) > CAMERA_LEFT_AFTER
        }
        return sorted(gone)
