"""What a process does with the news: what it knows is brought up to date, and its consoles hear of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from beffroi_api.errors import NotFound
from beffroi_api.modules.alerts.service import Alerts
from beffroi_api.modules.cameras.service import Cameras
from beffroi_api.modules.events.schemas import CameraRemoved, RecordingNews
from beffroi_api.modules.events.service import Fanout
from beffroi_api.modules.recordings.service import Recordings
from beffroi_api.news import repository
from beffroi_api.news.follower import SCOPE

from .decisions import DecisionNews


@dataclass(frozen=True)
class Announcements:
    """Looks at the database for what the news are about, and passes on what is there."""

    fanout: Fanout
    cameras: Cameras
    alerts: Alerts
    recordings: Recordings
    decisions: DecisionNews
    """Those who must know of a decision before anybody else hears of it."""
    publish: Callable[[], None]
    """A camera changed: it may have to be sent."""

    def camera(self, camera: str) -> None:
        """A camera was made, changed or removed."""
        self.decisions.camera(camera)
        self.publish()
        try:
            self.fanout.publish("camera", self.cameras.news(camera), camera)
        except NotFound:
            self.fanout.publish("camera", CameraRemoved(id=camera), camera)

    def alert(self, alert: str) -> None:
        """An alert opened, went on, closed, or was taken."""
        try:
            view = self.alerts.get(SCOPE, alert)
        except NotFound:
            return  # its time was over in the meantime
        self.fanout.publish("alert", view, view.camera)

    def recording(self, recording: str) -> None:
        """A segment was stored, held or destroyed."""
        row = self.recordings.find(SCOPE, recording)
        if row is not None:
            news = RecordingNews(camera=row.camera, segment=row.id, state=row.state)
            self.fanout.publish("recording", news, row.camera)

    def start_over(self) -> None:
        """News were missed: know every camera anew, and let each console ask for everything."""
        self.decisions.start_over()
        self.publish()
        self.fanout.end_all()

    def forget_old(self) -> None:
        """Housekeeping: whoever is further behind than this starts over."""
        with self.cameras.database.write(SCOPE) as session:
            repository.forget_old(session)
