"""All parts of the application, wired once. Made without connecting; `start` and `close` belong to the lifespan."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from beffroi_api.authz.scope import Scope
from beffroi_api.bus.cameras import LEASE, CamerasSender
from beffroi_api.bus.frames import FrameReader
from beffroi_api.bus.intake import IndexIntake
from beffroi_api.db import installation
from beffroi_api.db.leases import Lease
from beffroi_api.housekeeping import Chore, Housekeeping
from beffroi_api.live.services import LiveServices, OnBug, Parts, TerritoryOf, everywhere
from beffroi_api.modules.alerts.service import Alerts
from beffroi_api.modules.cameras.service import Cameras
from beffroi_api.modules.events.news.announcements import Announcements
from beffroi_api.modules.events.repository import Kind
from beffroi_api.modules.events.service import Fanout
from beffroi_api.modules.health.schemas import CameraServiceHealth, ServiceHealth
from beffroi_api.modules.health.service import HealthReport, StoreProbe, summary
from beffroi_api.modules.live.stills.service import Stills
from beffroi_api.modules.recordings.service import Recordings
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.modules.rules.service import Rules
from beffroi_api.settings import ApiSettings
from beffroi_api.workers import Worker
from beffroi_common.bus import Bus
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.health import Health
from beffroi_rules import registry

STORE_EVERY_S = 15.0
SESSIONS_EVERY_S = 300.0
ALERTS_EVERY_S = 3600.0
NEWS_EVERY_S = 60.0

NAMES = Scope.system("an alert that was found in scope says the name of its camera")


@dataclass(kw_only=True)
class Services(LiveServices):
    """What endpoints reach for: live views, and all the rest."""

    settings: ApiSettings
    cameras: Cameras
    rules: Rules
    frames: FrameReader
    stills: Stills
    alerts: Alerts
    recordings: Recordings
    health: HealthReport
    fanout: Fanout

    def close(self) -> None:
        """Stop the threads and close every connection."""
        self.frames.close()
        super().close()

    def end_streams(self) -> None:
        """Close live views and event streams: the process stops."""
        super().end_streams()
        self.fanout.end_all()


def services_of(connection: HTTPConnection) -> Services:
    """The parts of the application that got this request."""
    services: Services = connection.app.state.services
    return services


ServicesOf = Annotated[Services, Depends(services_of)]


def build(
    settings: ApiSettings,
    bus: Bus,
    stores: Stores,
    clock: Clock,
    health: Health,
    on_bug: OnBug,
    territory_of: TerritoryOf = everywhere,
) -> Services:
    """Wire everything. Nothing connects yet."""
    parts = Parts.made(
        "api",
        settings,
        bus,
        clock,
        health,
        on_bug,
        territory_of,
        on_status=lambda news: fanout.publish("status", news, _camera_of(news)),
        senders=[lambda producer: CamerasSender(bus, cameras, lease, producer)],
    )
    database, trail, outbox, directory = parts.database, parts.trail, parts.outbox, parts.directory
    retention = timedelta(days=settings.retention_days)
    fanout = Fanout(settings.max_event_streams, settings.event_queue, directory.commune)
    lease = Lease(database, clock, LEASE, settings.instance, settings.publisher_lease_s)
    rules = Rules(registry.load())
    cameras = Cameras(
        database,
        trail,
        clock,
        settings.slots,
        rules,
        parts.statuses.of_camera,
        lambda camera, said: summary(camera, said, clock.now()),
        outbox,
    )
    recordings = Recordings(database, trail, stores, clock, retention, outbox)
    alerts = Alerts(
        database,
        trail,
        clock,
        retention,
        lambda name: directory.camera(name) or cameras.known(NAMES, name),
        outbox,
    )
    frames = FrameReader(bus, directory, settings.stills, clock)
    stills = Stills(
        frames,
        directory,
        recordings,
        stores,
        settings.stills,
        threading.BoundedSemaphore(settings.stills.parallel),
        lambda camera: parts.reasons.why(camera).message,
    )
    probe = StoreProbe(stores.every(), clock)

    # First nothing older is shown, then everybody hears of it by the news, this process too.
    decided = parts.decision_news(cameras)
    cameras.listeners.extend([*decided.gates, alerts.camera_changed])
    announcements = Announcements(fanout, cameras, alerts, recordings, decided, parts.publisher.wake)
    news = parts.news(
        {
            Kind.CAMERA: announcements.camera,
            Kind.ALERT: announcements.alert,
            Kind.RECORDING: announcements.recording,
        },
        announcements.start_over,
    )

    def workers() -> list[Worker]:
        group = f"beffroi-api-{installation.database_id(database)}"
        index = IndexIntake(bus, alerts, recordings, group, clock, lambda: health.beat("index"))
        chores = [
            Chore(probe.ask, STORE_EVERY_S),
            Chore(parts.sessions.forget_ended, SESSIONS_EVERY_S),
            Chore(alerts.forget_old, ALERTS_EVERY_S),
            Chore(announcements.forget_old, NEWS_EVERY_S),
        ]
        house = Housekeeping(chores, clock, lambda: health.beat("housekeeping"))
        return [
            *parts.workers(news),
            Worker("index", index.run, on_bug),
            Worker("housekeeping", house.run, on_bug),
        ]

    return Services(
        settings=settings,
        clock=clock,
        database=database,
        trail=trail,
        sessions=parts.sessions,
        cameras=cameras,
        rules=rules,
        directory=directory,
        news=news,
        buffer=parts.buffer,
        leases=parts.leases,
        reasons=parts.reasons,
        frames=frames,
        stills=stills,
        alerts=alerts,
        recordings=recordings,
        health=HealthReport(parts.statuses, probe, cameras.every),
        fanout=fanout,
        table=parts.table,
        workers=workers,
    )


def _camera_of(status: ServiceHealth | CameraServiceHealth) -> str | None:
    return status.camera if isinstance(status, CameraServiceHealth) else None
