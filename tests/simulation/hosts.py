"""The services, each as its own `__main__` wires it, but for the bus, the store, the camera and the model."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

from sqlalchemy.exc import OperationalError
from tests.simulation.cameras import FilmedSource
from tests.simulation.footage import RememberedDecoder, RememberedEncoder, ScriptedFinder

import beffroi_ingest.__main__ as ingest_main
import beffroi_masker.__main__ as masker_main
import beffroi_masker.stream as masker_stream
import beffroi_recorder.__main__ as recorder_main
from beffroi_api.authz.scope import Scope
from beffroi_api.bus.intake import IndexIntake
from beffroi_api.bus.positions import Positions
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.modules.alerts.service import Alerts
from beffroi_api.modules.recordings.service import Recordings
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.news.outbox import NewsOutbox
from beffroi_api.workers import Worker
from beffroi_common.bus import StatusReporter, Table, run
from beffroi_common.bus.backlog import Backlog
from beffroi_common.bus.dead_letters import Refusals
from beffroi_common.bus.keyed import executors
from beffroi_common.bus.membership import Membership
from beffroi_common.contracts import Camera
from beffroi_common.media.encoding import encode
from beffroi_common.runtime.health import Health
from beffroi_common.runtime.lifecycle import Runtime
from beffroi_common.runtime.settings import KafkaSettings, StoreSettings
from beffroi_common.topics import CAMERAS as CAMERAS_TOPIC
from beffroi_common.topics import TRACKS
from beffroi_detector.rules.processor import TracksProcessor
from beffroi_detector.vision import __main__ as vision_main
from beffroi_detector.vision import decoding as vision_decoding
from beffroi_detector.vision.configuration import BusConfiguration
from beffroi_detector.vision.settings import VisionSettings
from beffroi_ingest.settings import IngestSettings
from beffroi_masker.decisions import Decisions
from beffroi_masker.settings import MaskerSettings
from beffroi_recorder.keep import retention
from beffroi_recorder.record.work_dir import WorkDir, append_at
from beffroi_recorder.settings import RecorderSettings
from beffroi_rules import registry
from beffroi_rules.fitting import Plans
from beffroi_testing import ManualClock, MemoryBus
from beffroi_testing.faults import Faults, FaultyBus, FaultyStore
from beffroi_testing.turns import Process, Signal

from .rules import RulesProcessor

if TYPE_CHECKING:
    from .world import World

KAFKA = KafkaSettings(bootstrap_servers="nowhere:9092")
STORE = StoreSettings(endpoint="nowhere:9000", access_key="key", secret_key=cast("Any", "secret"))
IDLE_S = 8.0
RETENTION = timedelta(days=14)
YIELDS = 0.1
"""Share of operations after which somebody else may go on."""

EXPELLED_S = 10.0
"""A member that was silent for so long is out of its group."""
AGE_S = 30.0
"""What the rules' configuration may be old."""
POLL_S = 0.7
"""A loop that finds nothing waits longer than a real one does; what arrives wakes it."""
IDLE_LOOK_S = 1.0
"""So do the threads that look whether they are to end."""
SWEEP_S = 5.0
"""A recorder looks so often for what is due for destruction. Nothing is."""
DELIVER_S = 2.0
"""A producer tries what it could not deliver again."""

ENCODER = RememberedEncoder(encode)
RULES = registry.load()
PLANS = Plans(RULES)


class HostClock:
    """See `Clock`: that of one machine, whose wall clock may be wrong."""

    def __init__(self, true: ManualClock) -> None:
        self._true = true
        self.ahead_s = 0.0

    def now(self) -> Any:
        """Wall clock."""
        return self._true.now() + timedelta(seconds=self.ahead_s)

    def now_ns(self) -> int:
        """Wall clock in nanoseconds."""
        return self._true.now_ns() + round(self.ahead_s * 1_000_000_000)

    def monotonic_s(self) -> float:
        """Monotonic seconds."""
        return self._true.monotonic_s()


@dataclass
class Life:
    """What of a process dies with it."""

    process: Process
    bus: FaultyBus
    runtime: Runtime


@dataclass
class Fuse:
    """So many operations, of one sort or of any, and then so many more, until a process dies; and for how long."""

    left: int
    step: str = ""
    then: int = 0
    dead_s: float = 0.0

    def burns_down(self, operation: str) -> bool:
        """Count an operation; whether it was the last one."""
        if self.left <= 0:
            self.then -= 1
        elif self.step in {"", operation}:
            self.left -= 1
        return self.left <= 0 and self.then <= 0


@dataclass
class Host:
    """A machine with one instance of one service, which lives several times."""

    name: str
    world: World
    lot: Random
    clock: HostClock
    faults: Faults = field(default_factory=Faults)
    fuse: Fuse | None = None
    disk_full: bool = False
    database_answers: bool = True
    life: Life | None = None
    lives: int = 0
    _sent: Signal = field(default_factory=Signal)

    def __post_init__(self) -> None:
        self.faults.step = self._step
        self.faults.wait = self._wait

    @property
    def service(self) -> str:
        """Which service it runs."""
        return self.name.rsplit("-", 1)[0]

    def start(self) -> None:
        """Begin a life."""
        turns = self.world.turns
        self.lives += 1
        real = MemoryBus(self.world.broker, clock=self.clock, instance=self.name)
        bus = FaultyBus(real, self.faults, Membership(EXPELLED_S, self.clock))
        health = Health(self.clock, 60.0)
        stop = cast("threading.Event", self.world.threading.Event())
        runtime = Runtime(self.service, self.name, self.clock, health, stop, 0)
        self.life = Life(Process(f"{self.name}#{self.lives}"), bus, runtime)
        cast("Any", self.life.process).host = self
        turns.spawn(self.life.process, "main", partial(SERVICES[self.service], self, self.life))
        turns.spawn(self.life.process, "network", partial(self._deliver, bus))

    def kill(self) -> None:
        """End it where it is."""
        if self.life is not None:
            self.world.turns.kill(self.life.process)

    def _step(self, operation: str) -> None:
        turns = self.world.turns
        if operation.startswith("sent "):
            self._sent.fire()
        if not turns.is_inside:
            return
        if self.fuse is not None and self.fuse.burns_down(operation):
            self.world.died(self, self.fuse.dead_s)
            self.fuse = None
            turns.die()
        if turns.current.process.dead or self.lot.random() < YIELDS:
            turns.pause(0.0)

    def _wait(self, timeout_s: float, topics: Collection[str]) -> None:
        arrivals = self.world.broker.arrivals
        least_s = POLL_S if topics else 0.0
        self.world.turns.pause(max(timeout_s, least_s), [arrivals[topic] for topic in topics])

    def _deliver(self, bus: FaultyBus) -> None:
        while True:
            self.world.turns.pause(DELIVER_S, [self._sent])
            self.world.turns.pause(self.lot.choice((0.0, 0.01, 0.2, 1.5)))
            for producer in bus.producers:
                producer.deliver()


def _ingest(host: Host, life: Life) -> None:
    settings = IngestSettings(kafka=KAFKA, instance=host.name, batch_s=1.0, retry_most_s=2.0)
    ingest_main.Ingest(settings, life.runtime).run()


def _masker(host: Host, life: Life) -> None:
    settings = MaskerSettings(kafka=KAFKA, instance=host.name, workers=2, idle_s=IDLE_S)
    decisions = Decisions(life.bus, host.clock, settings.configuration_age_s)
    decisions.start()
    while not decisions.wait_caught_up(1.0):
        pass
    masker_main._mask(life.bus, decisions, settings, life.runtime)  # type: ignore[arg-type]
    decisions.close()


def _vision(host: Host, life: Life) -> None:
    # Who is behind samples more coarsely, by design; here all is analysed, so that alerts can be compared.
    settings = VisionSettings(
        kafka=KAFKA, instance=host.name, workers=2, idle_s=IDLE_S, catch_up_period_s=0.2, lost_track_s=2.0
    )
    plans = Plans(RULES, ScriptedFinder.classes)
    configuration = BusConfiguration(life.bus, host.clock, plans, settings.configuration_age_s)
    configuration.start()
    while not configuration.wait_caught_up(1.0):
        pass
    finder = cast("Any", ScriptedFinder())
    vision_main._look(life.bus, configuration, finder, settings, life.runtime)  # type: ignore[arg-type]
    configuration.close()


def _rules(host: Host, life: Life) -> None:
    cameras = Table(
        life.bus, CAMERAS_TOPIC, Camera.decode, host.clock, key_of=attrgetter("id"), max_age_s=AGE_S, name="rules"
    )
    cameras.start()
    while not cameras.wait_caught_up(1.0):
        pass
    producer = life.bus.producer()
    status = StatusReporter(producer, "rules", host.name, host.clock)
    refusals = Refusals(producer, "rules", [TRACKS], host.clock)
    processor = TracksProcessor(cameras.get, producer, refusals, status, host.clock, PLANS)
    run(
        life.bus,
        host.world.parts.rules(processor, producer, host.world.states),
        service="rules",
        topics=[TRACKS],
        producer=producer,
        stop=life.runtime.stop,
        clock=host.clock,
    )
    cameras.close()


def _recorder(host: Host, life: Life) -> None:
    settings = RecorderSettings(
        kafka=KAFKA,
        instance=host.name,
        store=STORE,
        work_dir=host.world.folder / host.name,
        segment_s=10,
        idle_s=IDLE_S,
        store_retry_most_s=4.0,
        destroy_interval_s=SWEEP_S,
    )
    producer = life.bus.producer()
    reporter = StatusReporter(producer, "recorder", host.name, host.clock)
    store = FaultyStore(host.world.store, host.faults)
    slots = host.world.broker.slots
    recorder_main._record(settings, life.runtime, life.bus, slots, producer, reporter, store)  # type: ignore[arg-type]


def _api(host: Host, life: Life) -> None:
    database, outbox = host.world.database, NewsOutbox()
    trail = cast("Any", None)  # what comes from the bus leaves no row: nobody looked
    alerts = Alerts(
        database,
        trail,
        host.clock,
        RETENTION,
        timedelta(minutes=15),
        host.world.configuration.get,
        outbox,
        lambda: True,
    )
    recordings = Recordings(database, trail, Stores([host.world.store]), host.clock, RETENTION, outbox)
    positions = Positions(database, host.clock)
    intake = host.world.parts.intake(
        life.bus, alerts, recordings, positions, "api", host.clock, lambda: None, Backlog(host.clock)
    )

    def end_with(bug: BaseException) -> None:
        life.process.failure = bug

    index = Worker("index", intake.run, end_with)
    index.start()
    life.runtime.stop.wait()
    index.ask_to_stop()
    index.join()


SERVICES: Mapping[str, Callable[[Host, Life], None]] = {
    "ingest": _ingest,
    "masker": _masker,
    "vision": _vision,
    "rules": _rules,
    "recorder": _recorder,
    "api": _api,
}


@dataclass(frozen=True)
class Parts:
    """What stands in the place of parts of services; tests of the simulation plant faults here."""

    rules: Callable[..., Any] = RulesProcessor
    intake: Callable[..., Any] = IndexIntake
    patches: tuple[tuple[object, str, Any], ...] = ()
    """Object, attribute, and what is put there while the world runs."""


class SimulatedDatabase(Database):
    """See `Database`: away, or without an answer, when the schedule says so; who writes may die before and after."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.world: World | None = None

    @contextmanager
    def write(self, scope: Scope) -> Iterator[ScopedSession]:
        """See `Database.write`."""
        world = self.world
        assert world is not None
        host = current(world)
        host.faults.step("write")
        if world.database_away:
            raise OperationalError("BEGIN", {}, Exception("the database does not answer"))
        with super().write(scope) as session:
            yield session
        host.faults.step("written")
        if world.database_silent:
            raise OperationalError("COMMIT", {}, Exception("the database's answer was lost"))


def current(world: World) -> Host:
    """The host of whoever asks."""
    return cast("Host", cast("Any", world.turns.current.process).host)


@contextmanager
def wired(world: World) -> Iterator[None]:
    """Put the simulated bus, camera and disk where `__main__` and the masker reach for the real ones."""

    def bus(*_settings: object) -> FaultyBus:
        life = current(world).life
        assert life is not None
        return life.bus

    def source(*arguments: Any) -> FilmedSource:
        return FilmedSource(world.cameras[_camera_of(world)], arguments[-1])

    def append(path: Path, offset: int, data: bytes) -> None:
        host = current(world)
        if host.disk_full:
            raise OSError(errno.ENOSPC, "no space left on device")
        append_at(path, offset, data)
        host.faults.step("appended")

    with ExitStack() as stack:
        for owner, name, value in (
            (ingest_main, "KafkaBus", bus),
            (ingest_main, "open_source", source),
            (masker_stream, "encode", ENCODER),
            (vision_decoding, "Decoder", RememberedDecoder),
            (recorder_main, "WorkDir", partial(WorkDir, append=append)),
            (executors, "WAIT_S", IDLE_LOOK_S),
            (retention, "POLL_S", IDLE_LOOK_S),
            *world.parts.patches,
        ):
            stack.enter_context(patch.object(owner, name, value))
        yield


def _camera_of(world: World) -> str:
    """The thread of a camera bears its name."""
    return world.turns.current.name.removeprefix("camera-")
