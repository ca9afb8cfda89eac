"""Who watches annotated pictures here, as vision reads it from `viewers.v1`."""

from __future__ import annotations

from operator import attrgetter

from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.live.streaming.annotated import AnnotatedLeases
from beffroi_common.bus import Absent, Bus, Producer, RetryLater, Table
from beffroi_common.contracts import Viewers
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import VIEWERS


class ViewersSender:
    """Sends the leases of this process, see `Sender`. It listens too: another process ends what is watched here."""

    def __init__(
        self,
        bus: Bus,
        leases: AnnotatedLeases,
        directory: CameraDirectory,
        producer: Producer,
        clock: Clock,
        process: str,
    ) -> None:
        self._leases = leases
        self._directory = directory
        self._producer = producer
        self._heard = Table(
            bus, VIEWERS, Viewers.decode, clock, key_of=attrgetter("camera"), on_change=self._changed, name=process
        )
        self._heard.start()

    def send(self) -> None:
        """See `Sender.send`."""
        for lease in self._leases.due():
            camera = self._directory.camera(lease.camera)
            if camera is None:
                continue
            try:
                self._producer.send(VIEWERS, lease.camera, lease, partition=camera.slot)
            except RetryLater:
                self._leases.unsent(lease.camera)

    def acknowledged(self) -> None:
        """One that was lost is renewed anyway."""

    def trouble(self) -> None:
        """None that matters: leases end by themselves."""

    def close(self) -> None:
        """See `Sender.close`."""
        self._heard.close()

    def _changed(self, _camera: str, viewers: Viewers | Absent) -> None:
        if isinstance(viewers, Viewers):
            self._leases.observe(viewers)
