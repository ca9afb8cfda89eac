"""All parts of the application, wired once. Made without connecting; `start` and `close` belong to the lifespan."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from beffroi_api.authz.scope import Scope
from beffroi_api.bulkheads.pool import Pool
from beffroi_api.bulkheads.turns import Limits, Turns
from beffroi_api.bus.cameras import LEASE, CamerasSender
from beffroi_api.bus.frames import FrameReader
from beffroi_api.bus.heads import HeadsSender
from beffroi_api.bus.intake import IndexIntake
from beffroi_api.bus.positions import Positions
from beffroi_api.db import installation
from beffroi_api.db.leases import Lease
from beffroi_api.housekeeping import Chore, Housekeeping
from beffroi_api.modules.account.service import Account
from beffroi_api.modules.alerts.service import Alerts
from beffroi_api.modules.cameras.service import Cameras
from beffroi_api.modules.events.news.announcements import Announcements
from beffroi_api.modules.events.service import Fanout
from beffroi_api.modules.health.schemas import CameraServiceHealth, ServiceHealth
from beffroi_api.modules.health.service import HealthReport, StoreProbe, summary
from beffroi_api.modules.live.stills.service import Stills
from beffroi_api.modules.recordings.looks.served_ranges import ServedRanges
from beffroi_api.modules.recordings.reindexing.comparison import Reindexing
from beffroi_api.modules.recordings.service import Recordings
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.modules.rules.service import Rules
from beffroi_api.modules.users.second_factor.check import SecondFactors
from beffroi_api.modules.users.second_factor.codes import Safe
from beffroi_api.news.repository import Kind
from beffroi_api.process.services import OnBug, ProcessServices, TerritoryOf, everywhere
from beffroi_api.process.settings import key_bytes
from beffroi_api.settings import ApiSettings
from beffroi_api.workers import Worker
from beffroi_common.bus import Bus
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.health import Health
from beffroi_rules import registry

STORE_EVERY_S = 15.0
SESSIONS_EVERY_S = 300.0
SERVED_EVERY_S = 10.0
ALERTS_EVERY_S = 3600.0
ORPHANS_EVERY_S = 15.0
RECORDINGS_EVERY_S = 3600.0
NEWS_EVERY_S = 60.0

PLAYING = Limits(at_once=8, per_key=2, wait_s=20.0)
"""Reads of a quarter of a megabyte: two of a person's at once are a player and the one after it. A store that does not
answer holds them up for as long as the client waits for it."""

NAMES = Scope.system("an alert that was found in scope says the name of its camera")


class Services(ProcessServices):
    """What endpoints reach for: live views, and all the rest."""

    settings: ApiSettings
    cameras: Cameras

    def __init__(
        self,
        settings: ApiSettings,
        bus: Bus,
        stores: Stores,
        clock: Clock,
        health: Health,
        on_bug: OnBug,
        territory_of: TerritoryOf = everywhere,
    ) -> None:
        second_factors = SecondFactors(Safe(key_bytes(settings.second_factor_key)), clock)
        super().__init__(
            "api",
            settings,
            bus,
            clock,
            health,
            on_bug,
            territory_of,
            on_status=lambda news: self.fanout.publish("status", news, _camera_of(news)),
            senders=[
                lambda producer: CamerasSender(bus, self.cameras, lease, producer),
                lambda producer: HeadsSender(self.trail, self.database, producer, clock),
            ],
            second_factors=second_factors,
        )
        lease = Lease(self.database, clock, LEASE, settings.instance, settings.publisher_lease_s)
        retention = timedelta(days=settings.retention_days)
        self._stores = stores
        listeners = Turns(
            "open event streams", Limits(settings.max_event_streams, settings.max_event_streams_per_person)
        )
        self.fanout = Fanout(listeners, settings.event_queue, self.directory.commune)
        self.rules = Rules(registry.load())
        self.cameras = Cameras(
            self.database,
            self.trail,
            clock,
            settings.slots,
            settings.addresses,
            self.rules,
            self.statuses.of_camera,
            summary,
            self.outbox,
        )
        self.account = Account(
            self.database,
            self.trail,
            self.passwords,
            clock,
            self.sessions.throttle,
            second_factors,
            self.sessions.refusals,
        )
        self.served = ServedRanges(self.database, self.trail, clock)
        self.trail.before_reading.append(self.served.settle_all)
        self.recordings = Recordings(self.database, self.served, stores, clock, retention, self.outbox)
        self.alerts = Alerts(
            self.database,
            self.trail,
            clock,
            retention,
            timedelta(seconds=settings.alert_silence_s),
            lambda name: self.directory.camera(name) or self.cameras.known(NAMES, name),
            self.outbox,
            self.publisher.is_clock_right,
        )
        self.frames = FrameReader(bus, self.directory, settings.stills, clock)
        self.stills = Stills(
            self.frames,
            self.directory,
            self.recordings,
            stores,
            settings.stills,
            lambda camera: self.reasons.why(camera).message,
        )
        self.still_making = Pool(
            "stills", "pictures", Limits(settings.stills.parallel, per_key=1, wait_s=settings.stills.wait_s)
        )
        self.playing = Pool("playing", "videos", PLAYING)
        self.signing_in = Pool("sign-in", "sign-ins", Limits(settings.session.parallel_hashes, per_key=1))
        self._probe = StoreProbe(stores.every(), clock)
        self.health = HealthReport(self.statuses, self._probe, self.cameras.names)
        self._announcements = self._announce()
        self.news = self.follower(
            {
                Kind.CAMERA: self._announcements.camera,
                Kind.ALERT: self._announcements.alert,
                Kind.RECORDING: self._announcements.recording,
            },
            self._announcements.start_over,
        )

    def workers(self) -> list[Worker]:
        """Its threads: those of live views, and its own."""
        group = f"beffroi-api-{installation.database_id(self.database)}"
        positions = Positions(self.database, self.clock)
        index = IndexIntake(
            self.bus,
            self.alerts,
            self.recordings,
            positions,
            group,
            self.clock,
            lambda: self.beat("index"),
            self.publisher.backlog,
        )
        reindexing = Reindexing(
            self.database, self._stores, self.clock, self.recordings.retention, lambda: self.beat("reindexing")
        )
        house = Housekeeping(
            self.chores(), self.clock, lambda: self.beat("housekeeping"), self.publisher.is_clock_right
        )
        return [
            *super().workers(),
            Worker("index", index.run, self.on_bug),
            Worker("reindexing", reindexing.run, self.on_bug),
            Worker("housekeeping", house.run, self.on_bug),
        ]

    def chores(self) -> list[Chore]:
        """What is asked and what is forgotten now and then: docs/end-of-life.md says what ends when."""
        return [
            Chore(self._probe.ask, STORE_EVERY_S),
            Chore(self.sessions.forget_ended, SESSIONS_EVERY_S),
            Chore(self.sessions.mend_times, SESSIONS_EVERY_S, needs_clock=True),
            Chore(self.served.settle, SERVED_EVERY_S),
            Chore(self.alerts.forget_old, ALERTS_EVERY_S, needs_clock=True),
            Chore(self.alerts.end_orphans, ORPHANS_EVERY_S, needs_clock=True),
            Chore(self.recordings.forget_old, RECORDINGS_EVERY_S, needs_clock=True),
            Chore(self._announcements.forget_old, NEWS_EVERY_S),
        ]

    def _announce(self) -> Announcements:
        # First nothing older is shown, then everybody hears of it by the news, this process too.
        decided = self.decision_news()
        self.cameras.listeners.extend([*decided.gates, self.alerts.camera_changed])
        return Announcements(self.fanout, self.cameras, self.alerts, self.recordings, decided, self.publisher.wake)

    def close(self) -> None:
        """Stop the threads and close every connection."""
        for pool in (self.still_making, self.playing, self.signing_in):
            pool.close()
        self.frames.close()
        super().close()

    def end_streams(self) -> None:
        """Close live views and event streams: the process stops."""
        super().end_streams()
        self.fanout.end_all()


async def services_of(connection: HTTPConnection) -> Services:
    """The parts of the application that got this request."""
    services: Services = connection.app.state.services
    return services


ServicesOf = Annotated[Services, Depends(services_of)]


def _camera_of(status: ServiceHealth | CameraServiceHealth) -> str | None:
    return status.camera if isinstance(status, CameraServiceHealth) else None
