"""What live views need, wired once. Made without connecting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from operator import attrgetter
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.authz.territory import EVERYWHERE, Territory
from beffroi_api.bulkheads.admission import Admission
from beffroi_api.bulkheads.pool import Pool
from beffroi_api.bulkheads.turns import Limits, Turns
from beffroi_api.bus.departures import DeparturesSender
from beffroi_api.bus.live_intake import LiveIntake
from beffroi_api.bus.publisher import MakeSender, Publisher
from beffroi_api.bus.viewers import ViewersSender
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.housekeeping import Chore, Housekeeping
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.cameras.service import CameraReader
from beffroi_api.modules.events.news.decisions import DecisionNews
from beffroi_api.modules.health.schemas import CameraServiceHealth, ServiceHealth
from beffroi_api.modules.health.service import Statuses
from beffroi_api.modules.live.looks.open_views import RENEW_EVERY_S, OpenViews
from beffroi_api.modules.live.service import Reasons
from beffroi_api.modules.live.streaming.annotated import AnnotatedLeases
from beffroi_api.modules.live.streaming.buffer import LiveBuffer
from beffroi_api.modules.session.service import Sessions
from beffroi_api.modules.users.credentials.passwords import Passwords
from beffroi_api.modules.users.second_factor.check import SecondFactors
from beffroi_api.news.follower import NewsFollower, Tell
from beffroi_api.news.outbox import NewsOutbox
from beffroi_api.workers import Worker
from beffroi_common.bus import Bus, Table
from beffroi_common.contracts.status import decode_status
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.health import Health
from beffroi_common.topics import STATUS

from .settings import ProcessSettings, seal_of

STARTING = Scope.system("pictures and events of every camera are filtered in memory")

LASTING = Limits(at_once=4, per_key=2, waiting=4096, waiting_per_key=1024, wait_s=None)
"""Nobody else gives an answer to what asks here, so nothing is refused; it takes milliseconds, and is asked every two
seconds by each of some hundred views and streams."""

OnBug = Callable[[BaseException], None]
TerritoryOf = Callable[[str], Territory]
"""Says which cameras a user may know of."""


def everywhere(_user: str) -> Territory:
    """For now everybody may know of the cameras of the whole installation."""
    return EVERYWHERE


class ProcessServices:
    """What live views reach for, wired when it is made; `start` and `close` belong to the lifespan.

    Whoever derives from it says what `cameras` and `news` are, and adds what it serves besides.

    Args:
        service: the process's name in statuses and logs.
        settings: its own.
        bus: the broker.
        clock: the time.
        health: hears each loop turn.
        on_bug: ends the process.
        territory_of: see there.
        on_status: hears of each status that differs from the one before.
        senders: what it publishes besides who watches.
        second_factors: checks those of whoever signs in; None: nobody does here.
    """

    settings: ProcessSettings
    cameras: CameraReader
    news: NewsFollower

    def __init__(
        self,
        service: str,
        settings: ProcessSettings,
        bus: Bus,
        clock: Clock,
        health: Health,
        on_bug: OnBug,
        territory_of: TerritoryOf,
        *,
        on_status: Callable[[ServiceHealth | CameraServiceHealth], None] = lambda _: None,
        senders: Sequence[MakeSender] = (),
        second_factors: SecondFactors | None = None,
    ) -> None:
        self.settings, self.bus, self.clock, self.on_bug, self.beat = settings, bus, clock, on_bug, health.beat
        self.database = Database(settings.database_url, settings.database_pool)
        self.trail = Trail(self.database, clock, seal_of(settings.trail_key, settings.trail_former_keys))
        self.open_views = OpenViews(self.database, self.trail, clock)
        self.outbox = NewsOutbox()
        self.directory = CameraDirectory()
        self.passwords = Passwords(settings.session.parallel_hashes)
        self.sessions = Sessions(
            self.database, self.trail, self.passwords, clock, settings.session, territory_of, second_factors
        )
        self.buffer = LiveBuffer(settings.live, self.directory, clock)
        self.publisher = Publisher(
            bus,
            [
                *senders,
                lambda producer: ViewersSender(bus, self.leases, self.directory, producer, clock, service),
                lambda producer: DeparturesSender(
                    self.table, self.directory, clock, producer, self.statuses.silent_for
                ),
            ],
            service,
            settings.instance,
            clock,
            lambda: self.beat("publisher"),
        )
        self.leases = AnnotatedLeases(clock, settings.live.annotated_lease_s, self.publisher.wake)
        own_key = f"service/{service}/{settings.instance}"
        self.statuses = Statuses(clock, timedelta(seconds=settings.stale_after_s), on_status, own_key)
        self.table = Table(
            bus, STATUS, decode_status, clock, key_of=attrgetter("key"), on_change=self.statuses.changed, name=service
        )
        self.statuses.table = self.table
        self.reasons = Reasons(self.directory, self.statuses.of_camera, lambda: self.statuses.broker().reachable)
        self.admission = Admission()
        views = Limits(settings.live.max_viewers, settings.live.max_viewers_per_person)
        self.views = Turns("live views", views)
        self.lasting = Pool("lasting", "checks of what goes on", LASTING)
        """For what goes on for long, apart from requests: is its session in force, and its rows in the trail."""
        self._running: list[Worker] = []

    def decision_news(self) -> DecisionNews:
        """Who must know of a decision before a picture is shown."""
        return DecisionNews(self.cameras, [self.directory.changed, self.buffer.changed])

    def follower(self, tell: Mapping[str, Tell], start_over: Callable[[], None]) -> NewsFollower:
        """Of what any process changed; see there."""
        return NewsFollower(
            self.database,
            self.outbox,
            tell,
            start_over,
            self.clock,
            self.settings.live.decision_lag_s,
            lambda: self.beat("news"),
        )

    def workers(self) -> list[Worker]:
        """Its threads."""
        live = LiveIntake(
            self.bus, self.buffer, self.directory, self.settings.live, self.clock, lambda: self.beat("live")
        )
        looks = Housekeeping(
            [Chore(self.open_views.look, RENEW_EVERY_S)], self.clock, lambda: self.beat("looks"), lambda: True
        )
        return [
            Worker("live", live.run, self.on_bug),
            Worker("looks", looks.run, self.on_bug),
            Worker("news", self.news.run, self.on_bug, nudge=self.outbox.wake),
            Worker("publisher", self.publisher.run, self.on_bug, nudge=self.publisher.wake),
        ]

    def start(self) -> None:
        """Bring the database up to date (SQLite) or check that it is (PostgreSQL), then start the threads.

        It makes none: a mistyped address would begin an empty history.

        Raises:
            DatabaseNotReady: it is away or of another version.
            TrailKeyError: the audit trail goes on under another key.
        """
        is_ours = self.database.is_sqlite and self.database.is_there
        (migrations.upgrade if is_ours else migrations.check)(self.database)
        self.trail.require_key()
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
        self.lasting.close()
        self.database.close()

    def end_streams(self) -> None:
        """Close live views: the process stops."""
        self.buffer.end_views()

    def authenticate(self, token: str | None, address: str, *, is_use: bool = True) -> Identity | None:
        """See `http.access.Authenticator`."""
        identity = self.sessions.authenticate(token, address, is_use=is_use)
        self.admission.learn(token, identity.username if identity is not None else None)
        return identity

    def record_denial(self, identity: Identity, method: str, path: str) -> None:
        """See `http.access.Authenticator`."""
        self.trail.record(Entry.of(identity, Action.DENIED, subject=f"{method} {path}", role=identity.role.value))


async def process_services_of(connection: HTTPConnection) -> ProcessServices:
    """The parts of the process that got this request."""
    services: ProcessServices = connection.app.state.services
    return services


ProcessServicesOf = Annotated[ProcessServices, Depends(process_services_of)]
