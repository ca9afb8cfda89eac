"""What live views need, wired once; the api is made of the same and more. Made without connecting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.authz.territory import EVERYWHERE, Territory
from beffroi_api.bus.live_intake import LiveIntake
from beffroi_api.bus.publisher import MakeSender, Publisher
from beffroi_api.bus.viewers import ViewersSender
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.cameras.service import CameraReader
from beffroi_api.modules.events.news.decisions import DecisionNews
from beffroi_api.modules.events.news.follower import NewsFollower, Tell
from beffroi_api.modules.events.news.outbox import NewsOutbox
from beffroi_api.modules.events.repository import Kind
from beffroi_api.modules.health.schemas import CameraServiceHealth, ServiceHealth
from beffroi_api.modules.health.service import Status, Statuses
from beffroi_api.modules.live.service import Reasons
from beffroi_api.modules.live.streaming.annotated import AnnotatedLeases
from beffroi_api.modules.live.streaming.buffer import LiveBuffer
from beffroi_api.modules.session.service import Sessions
from beffroi_api.modules.users.credentials.passwords import Passwords
from beffroi_api.workers import Worker
from beffroi_common.bus import Bus, Table
from beffroi_common.contracts.status import decode_status
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.health import Health
from beffroi_common.topics import STATUS

from .settings import LiveProcessSettings

STARTING = Scope.system("pictures and events of every camera are filtered in memory")

OnBug = Callable[[BaseException], None]
TerritoryOf = Callable[[str], Territory]
"""Says which cameras a user may know of."""


def everywhere(_user: str) -> Territory:
    """For now everybody may know of the cameras of the whole installation."""
    return EVERYWHERE


@dataclass(kw_only=True)
class LiveServices:
    """What live views reach for; `start` and `close` belong to the lifespan."""

    settings: LiveProcessSettings
    clock: Clock
    database: Database
    trail: Trail
    sessions: Sessions
    cameras: CameraReader
    directory: CameraDirectory
    news: NewsFollower
    buffer: LiveBuffer
    leases: AnnotatedLeases
    reasons: Reasons
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
        self.directory.load(self.cameras.every(STARTING), self.cameras.communes(STARTING))
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
        """Close live views: the process stops."""
        self.buffer.end_views()

    def authenticate(self, token: str | None, address: str, *, is_use: bool = True) -> Identity | None:
        """See `http.access.Authenticator`."""
        return self.sessions.authenticate(token, address, is_use=is_use)

    def record_denial(self, identity: Identity, method: str, path: str) -> None:
        """See `http.access.Authenticator`."""
        self.trail.record(Entry.of(identity, Action.DENIED, subject=f"{method} {path}", role=identity.role.value))


def _services_of(connection: HTTPConnection) -> LiveServices:
    services: LiveServices = connection.app.state.services
    return services


LiveServicesOf = Annotated[LiveServices, Depends(_services_of)]


@dataclass(frozen=True)
class Parts:
    """What any process is made of that serves live views."""

    settings: LiveProcessSettings
    bus: Bus
    clock: Clock
    health: Health
    on_bug: OnBug
    database: Database
    trail: Trail
    outbox: NewsOutbox
    directory: CameraDirectory
    sessions: Sessions
    buffer: LiveBuffer
    leases: AnnotatedLeases
    statuses: Statuses
    table: Table[Status]
    reasons: Reasons
    publisher: Publisher

    @classmethod
    def made(
        cls,
        service: str,
        settings: LiveProcessSettings,
        bus: Bus,
        clock: Clock,
        health: Health,
        on_bug: OnBug,
        territory_of: TerritoryOf,
        *,
        on_status: Callable[[ServiceHealth | CameraServiceHealth], None] = lambda _: None,
        senders: Sequence[MakeSender] = (),
    ) -> Parts:
        """Wire them.

        Args:
            service: its name in statuses and logs.
            settings: its own.
            bus: the broker.
            clock: the time.
            health: hears each loop turn.
            on_bug: ends the process.
            territory_of: see there.
            on_status: hears of each status that differs from the one before.
            senders: what it publishes besides who watches.
        """
        database, directory = Database(settings.database_url, settings.database_pool), CameraDirectory()
        trail = Trail(database, clock)
        publisher = Publisher(
            bus,
            [*senders, lambda producer: ViewersSender(bus, leases, directory, producer, service)],
            service,
            settings.instance,
            clock,
            lambda: health.beat("publisher"),
        )
        leases = AnnotatedLeases(clock, settings.live.annotated_lease_s, publisher.wake)
        own_key = f"service/{service}/{settings.instance}"
        statuses = Statuses(clock, timedelta(seconds=settings.stale_after_s), on_status, own_key)
        statuses.table = table = Table(bus, STATUS, decode_status, on_change=statuses.changed, name=service)
        passwords = Passwords(settings.session.parallel_hashes)
        return cls(
            settings=settings,
            bus=bus,
            clock=clock,
            health=health,
            on_bug=on_bug,
            database=database,
            trail=trail,
            outbox=NewsOutbox(),
            directory=directory,
            sessions=Sessions(database, trail, passwords, clock, settings.session, territory_of),
            buffer=LiveBuffer(settings.live, directory, clock),
            leases=leases,
            statuses=statuses,
            table=table,
            reasons=Reasons(directory, statuses.of_camera, lambda: statuses.broker().reachable),
            publisher=publisher,
        )

    def decision_news(self, cameras: CameraReader) -> DecisionNews:
        """Who must know of a decision before a picture is shown."""
        return DecisionNews(cameras, [self.directory.changed, self.buffer.changed])

    def news(self, tell: Mapping[str, Tell], start_over: Callable[[], None]) -> NewsFollower:
        """Follows what any process changed; see there."""
        return NewsFollower(
            self.database,
            self.outbox,
            tell,
            start_over,
            self.clock,
            self.settings.live.decision_lag_s,
            lambda: self.health.beat("news"),
        )

    def workers(self, news: NewsFollower) -> list[Worker]:
        """Threads that live views need."""
        live = LiveIntake(
            self.bus, self.buffer, self.directory, self.settings.live, self.clock, lambda: self.health.beat("live")
        )
        return [
            Worker("live", live.run, self.on_bug),
            Worker("news", news.run, self.on_bug, nudge=self.outbox.wake),
            Worker("publisher", self.publisher.run, self.on_bug, nudge=self.publisher.wake),
        ]


def build(
    settings: LiveProcessSettings,
    bus: Bus,
    clock: Clock,
    health: Health,
    on_bug: OnBug,
    territory_of: TerritoryOf = everywhere,
) -> LiveServices:
    """Wire a process that serves live views and nothing else. Nothing connects yet."""
    parts = Parts.made("live", settings, bus, clock, health, on_bug, territory_of)
    cameras = CameraReader(parts.database)
    decided = parts.decision_news(cameras)
    news = parts.news({Kind.CAMERA: decided.camera}, decided.start_over)
    return LiveServices(
        settings=settings,
        clock=clock,
        database=parts.database,
        trail=parts.trail,
        sessions=parts.sessions,
        cameras=cameras,
        directory=parts.directory,
        news=news,
        buffer=parts.buffer,
        leases=parts.leases,
        reasons=parts.reasons,
        table=parts.table,
        workers=lambda: parts.workers(news),
    )
