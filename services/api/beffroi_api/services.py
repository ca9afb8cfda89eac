"""All parts of the application, wired once. Made without connecting; `start` and `close` belong to the lifespan."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.authz.territory import EVERYWHERE, Territory
from beffroi_api.bus.cameras import LEASE, CamerasSender
from beffroi_api.bus.intake import IndexIntake, LiveIntake
from beffroi_api.bus.publisher import Publisher
from beffroi_api.bus.viewers import ViewersSender
from beffroi_api.db import installation, migrations
from beffroi_api.db.database import Database
from beffroi_api.db.leases import Lease
from beffroi_api.housekeeping import Chore, Housekeeping
from beffroi_api.modules.alerts.service import Alerts
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_api.modules.cameras.registry.decisions import Decisions
from beffroi_api.modules.cameras.service import Cameras
from beffroi_api.modules.events.news.announcements import Announcements
from beffroi_api.modules.events.news.follower import NewsFollower
from beffroi_api.modules.events.news.outbox import NewsOutbox
from beffroi_api.modules.events.repository import Kind
from beffroi_api.modules.events.service import Fanout
from beffroi_api.modules.health.schemas import CameraServiceHealth, ServiceHealth
from beffroi_api.modules.health.service import HealthReport, Status, Statuses, StoreProbe, summary
from beffroi_api.modules.live.service import Reasons
from beffroi_api.modules.live.stills.service import Stills
from beffroi_api.modules.live.streaming.annotated import AnnotatedLeases
from beffroi_api.modules.live.streaming.buffer import LiveBuffer
from beffroi_api.modules.recordings.service import Recordings
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.modules.rules.service import Rules
from beffroi_api.modules.session.service import Sessions
from beffroi_api.modules.users.credentials.passwords import Passwords
from beffroi_api.settings import ApiSettings
from beffroi_api.workers import Worker
from beffroi_common.bus import Bus, Table
from beffroi_common.contracts.status import decode_status
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.health import Health
from beffroi_common.topics import STATUS
from beffroi_rules import registry

STORE_EVERY_S = 15.0
SESSIONS_EVERY_S = 300.0
ALERTS_EVERY_S = 3600.0
NEWS_EVERY_S = 60.0

STARTING = Scope.system("pictures and events of every camera are filtered in memory")
NAMES = Scope.system("an alert that was found in scope says the name of its camera")


@dataclass
class Services:
    """What endpoints reach for."""

    settings: ApiSettings
    clock: Clock
    database: Database
    trail: Trail
    sessions: Sessions
    cameras: Cameras
    rules: Rules
    decisions: Decisions
    news: NewsFollower
    buffer: LiveBuffer
    leases: AnnotatedLeases
    reasons: Reasons
    stills: Stills
    alerts: Alerts
    recordings: Recordings
    health: HealthReport
    fanout: Fanout
    table: Table[Status]
    workers: Callable[[], list[Worker]]
    open_views: int = 0
    """Touched on the event loop alone."""
    _running: list[Worker] = field(default_factory=list)

    def start(self) -> None:
        """Bring the database up to date (SQLite) or check that it is (PostgreSQL), then start the threads.

        Raises:
            DatabaseNotReady: it is away or of another version.
        """
        (migrations.upgrade if self.database.is_sqlite else migrations.check)(self.database)
        self.news.begin()
        self.decisions.load(self.cameras.every(STARTING), self.cameras.communes(STARTING))
        self.table.start()
        self._running = self.workers()
        for worker in self._running:
            worker.start()

    def close(self) -> None:
        """Stop the threads and close every connection."""
        for worker in self._running:
            worker.ask_to_stop()
        if self._running:
            self.table.close()
        for worker in self._running:
            worker.join()
        self.database.close()

    def end_streams(self) -> None:
        """Close live views and event streams: the process stops."""
        self.buffer.end_views()
        self.fanout.end_all()

    def authenticate(self, token: str | None, address: str, *, is_use: bool = True) -> Identity | None:
        """See `authz.roles.Authenticator`."""
        return self.sessions.authenticate(token, address, is_use=is_use)

    def record_denial(self, identity: Identity, method: str, path: str) -> None:
        """See `authz.roles.Authenticator`."""
        self.trail.record(Entry.of(identity, Action.DENIED, subject=f"{method} {path}", role=identity.role.value))


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
    on_bug: Callable[[BaseException], None],
    territory_of: Callable[[str], Territory] = lambda _user: EVERYWHERE,
) -> Services:
    """Wire everything. Nothing connects yet.

    `territory_of` says which cameras a user may know of: for now everybody those of the whole installation.
    """
    database = Database(settings.database_url, settings.database_pool)
    trail = Trail(database, clock)
    decisions = Decisions()
    retention = timedelta(days=settings.retention_days)
    outbox = NewsOutbox()
    fanout = Fanout(settings.max_event_streams, settings.event_queue, decisions.commune)
    buffer = LiveBuffer(settings.live, decisions, clock)
    lease = Lease(database, clock, LEASE, settings.instance, settings.publisher_lease_s)
    publisher = Publisher(
        bus,
        [
            lambda producer: CamerasSender(bus, cameras, lease, producer),
            lambda producer: ViewersSender(bus, leases, decisions, producer),
        ],
        settings.instance,
        clock,
        lambda: health.beat("publisher"),
    )
    leases = AnnotatedLeases(clock, settings.live.annotated_lease_s, publisher.wake)
    statuses = Statuses(
        clock,
        timedelta(seconds=settings.stale_after_s),
        lambda news: fanout.publish("status", news, _camera_of(news)),
        own_key=f"service/api/{settings.instance}",
    )
    statuses.table = Table(bus, STATUS, decode_status, on_change=statuses.changed, name="api")
    reasons = Reasons(decisions, statuses.of_camera, lambda: statuses.broker().reachable)
    rules = Rules(registry.load())
    cameras = Cameras(
        database,
        trail,
        clock,
        settings.slots,
        rules,
        lambda camera: summary(camera, statuses.of_camera(camera.id), clock.now()),
        outbox,
    )
    recordings = Recordings(database, trail, stores, clock, retention, outbox)
    alerts = Alerts(
        database,
        trail,
        clock,
        retention,
        lambda name: decisions.camera(name) or cameras.known(NAMES, name),
        outbox,
    )
    stills = Stills(
        buffer,
        recordings,
        stores,
        settings.live,
        threading.BoundedSemaphore(settings.live.parallel_stills),
        lambda camera: reasons.why(camera).message,
    )
    sessions = Sessions(
        database, trail, Passwords(settings.session.parallel_hashes), clock, settings.session, territory_of
    )
    probe = StoreProbe(stores.every(), clock)

    # First nothing older is shown, then everybody hears of it by the news, this process too.
    cameras.listeners.extend([decisions.changed, buffer.changed, alerts.camera_changed])
    announcements = Announcements(
        fanout, cameras, alerts, recordings, [decisions.changed, buffer.changed], publisher.wake
    )
    news = NewsFollower(
        database,
        outbox,
        {
            Kind.CAMERA: announcements.camera,
            Kind.ALERT: announcements.alert,
            Kind.RECORDING: announcements.recording,
        },
        announcements.start_over,
        clock,
        settings.live.decision_lag_s,
        lambda: health.beat("news"),
    )

    def workers() -> list[Worker]:
        group = f"beffroi-api-{installation.database_id(database)}"
        live = LiveIntake(bus, buffer, clock, lambda: health.beat("live"))
        index = IndexIntake(bus, alerts, recordings, group, clock, lambda: health.beat("index"))
        chores = [
            Chore(probe.ask, STORE_EVERY_S),
            Chore(sessions.forget_ended, SESSIONS_EVERY_S),
            Chore(alerts.forget_old, ALERTS_EVERY_S),
            Chore(announcements.forget_old, NEWS_EVERY_S),
        ]
        house = Housekeeping(chores, clock, lambda: health.beat("housekeeping"))
        return [
            Worker("live", live.run, on_bug),
            Worker("index", index.run, on_bug),
            Worker("news", news.run, on_bug, nudge=outbox.wake),
            Worker("publisher", publisher.run, on_bug, nudge=publisher.wake),
            Worker("housekeeping", house.run, on_bug),
        ]

    return Services(
        settings=settings,
        clock=clock,
        database=database,
        trail=trail,
        sessions=sessions,
        cameras=cameras,
        rules=rules,
        decisions=decisions,
        news=news,
        buffer=buffer,
        leases=leases,
        reasons=reasons,
        stills=stills,
        alerts=alerts,
        recordings=recordings,
        health=HealthReport(statuses, probe, cameras.every),
        fanout=fanout,
        table=statuses.table,
        workers=workers,
    )


def _camera_of(status: ServiceHealth | CameraServiceHealth) -> str | None:
    return status.camera if isinstance(status, CameraServiceHealth) else None
