"""Live views and nothing else, wired. Made without connecting."""

from __future__ import annotations

from beffroi_api.modules.cameras.service import CameraReader
from beffroi_api.news.repository import Kind
from beffroi_api.process.services import OnBug, ProcessServices, TerritoryOf, everywhere
from beffroi_common.bus import Bus
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.health import Health

from .settings import LiveProcessSettings


class LiveServices(ProcessServices):
    """What the process of the live views is made of."""

    def __init__(
        self,
        settings: LiveProcessSettings,
        bus: Bus,
        clock: Clock,
        health: Health,
        on_bug: OnBug,
        territory_of: TerritoryOf = everywhere,
    ) -> None:
        super().__init__("live", settings, bus, clock, health, on_bug, territory_of)
        self.cameras = CameraReader(self.database)
        decided = self.decision_news()
        self.news = self.follower({Kind.CAMERA: decided.camera}, decided.start_over)
