"""The whole system in one thread: hosts, cameras, broker, store and database, and a schedule of what goes wrong."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import random
import shutil
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path
from random import Random

import structlog
from sqlalchemy import select
from tests.simulation.cameras import SLOTS, FilmedCamera, configured
from tests.simulation.hosts import EXPELLED_S, Fuse, Host, HostClock, Parts, SimulatedDatabase, wired
from tests.simulation.invariants import LOOK, Broken, Observer
from tests.simulation.rules import States
from tests.simulation.schedule import CAMERAS, CLOCKS, HOSTS, TROUBLE_S, Event, Kind, Schedule

from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.db.tables import PositionRow
from beffroi_common.bus import Partition, Record
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import CAMERAS as CAMERAS_TOPIC
from beffroi_testing import ManualClock, MemoryBroker, MemoryStore
from beffroi_testing.turns import Signal, Threading, Turns

MENDED_S = 8.0
"""After all trouble is over cameras go on for so long."""
STEP_S = 2.0
SLICE_S = 0.5
"""So often it is looked at what has become due since: the end of a fault that began with what a process did."""
LONGEST_END_S = 240.0
"""Then everything is done, or something is stuck."""
RETENTION_DAYS = 14
LOGS = "SIMULATE_LOGS"
"""Set in the environment, and the services' log lines are printed."""

GROUPS = {
    "masker": ("frames.raw.v1",),
    "vision": ("frames.masked.v1",),
    "recorder": ("frames.masked.v1",),
    "rules": ("tracks.v1",),
    "api": ("alerts.v1", "recordings.v1"),
}


class SimulatedBroker(MemoryBroker):
    """See `MemoryBroker`: it tells an observer what arrives and what is committed."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(SLOTS, clock, session_timeout_s=EXPELLED_S, max_poll_interval_s=EXPELLED_S)
        self.arrivals: dict[str, Signal] = defaultdict(Signal)
        """Of each topic."""
        self.observer: Observer | None = None
        self.say: Callable[[str], object] | None = None

    def append(
        self, topic: str, key: str, value: bytes | None, partition: int | None, headers: Mapping[str, bytes]
    ) -> Record:
        """See `MemoryBroker.append`."""
        record = super().append(topic, key, value, partition, headers)
        if self.observer is not None:
            self.observer.arrived(record)
        self.arrivals[topic].fire()
        if self.say is not None:
            self.say(f"{self.clock.monotonic_s():10.3f}  {record!r}")
        return record

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """See `MemoryBroker.commit`."""
        super().commit(group, offsets)
        if self.observer is not None:
            self.observer.committed(group, offsets)


class World:
    """One run."""

    def __init__(
        self, schedule: Schedule, parts: Parts, folder: Path, say: Callable[[str], object] | None = None
    ) -> None:
        self.schedule = schedule
        self.parts = parts
        self.folder = folder
        self.clock = ManualClock()
        self.clocks = {name: HostClock(self.clock) for name in CLOCKS}
        self.start_s = self.clock.monotonic_s()
        self.turns = Turns(self.clock, Random(schedule.seed))
        self.threading = Threading(self.turns)
        self.broker = SimulatedBroker(self.clocks["broker"])
        self.store = MemoryStore(self.clocks["store"])
        self.states = States()
        self.database_away = False
        self.database_silent = False
        self.database = _emptied_database()
        self.database.world = self
        self.configuration = {name: configured(name) for name in CAMERAS}
        self.cameras = {name: FilmedCamera(name, self.clock) for name in CAMERAS}
        self.hosts = {name: Host(name, self, Random(f"{schedule.seed}/{name}"), self.clocks[name]) for name in HOSTS}
        self.observer = Observer(self)
        self.broker.observer = self.observer
        self.broker.say = say
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return self.clock.monotonic_s() - self.start_s

    def run(self) -> None:
        """Live through the schedule, then to the end of all that is under way, and look at what became of it.

        Raises:
            Broken: something that must never be false is.
        """
        random.seed(self.schedule.seed)  # ingest spreads its attempts by it
        with self.threading.installed("beffroi_", but="beffroi_testing"), wired(self), self.observer.watching():
            try:
                self._live()
            finally:
                for host in self.hosts.values():
                    host.kill()
                self.database.close()
                self.database.world = None  # it outlives this world, which else would never be collected

    def _live(self) -> None:
        for name in CAMERAS:
            self._publish(name)
        for host in self.hosts.values():
            host.start()
        for event in self.schedule.events:
            self._at(event.at_s, lambda event=event: self._begin(event))  # type: ignore[misc]
        self._until(TROUBLE_S)
        self._mend()
        self._until(self.now_s + MENDED_S)
        for camera in self.cameras.values():
            camera.films = False
        end_s = self.now_s + LONGEST_END_S
        while not self._is_done():
            if self.now_s > end_s:
                raise Broken(f"not done after {LONGEST_END_S:.0f} s: {list(self._left())}")
            self._until(self.now_s + STEP_S)
        self.observer.check_end()

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        self._later.append((at_s, next(self._numbers), act))

    def died(self, host: Host, for_s: float) -> None:
        """A process died as it was to: it starts again after a while."""
        self._at(self.now_s + for_s, lambda: self._revive(host))

    def _until(self, at_s: float) -> None:
        until_s = self.now_s
        while until_s < at_s:
            until_s = min([at_s, until_s + SLICE_S, *(each[0] for each in self._later if each[0] > until_s)])
            self._run_until(until_s)
            for due in sorted((each for each in self._later if each[0] <= until_s), key=lambda each: each[:2]):
                self._later.remove(due)
                due[2]()

    def _run_until(self, at_s: float) -> None:
        self.turns.run_until(self.start_s + at_s)
        for host in self.hosts.values():
            self._see_end(host)
        self.observer.raise_found()

    def _see_end(self, host: Host) -> None:
        if host.life is not None and host.life.process.failure is not None:
            raise Broken(f"{host.life.process.name} ended: {host.life.process.failure!r}") from (
                host.life.process.failure
            )

    def _publish(self, name: str) -> None:
        camera = self.configuration[name]
        self.broker.append(CAMERAS_TOPIC.name, name, camera.encode(), camera.slot, {})

    def _begin(self, event: Event) -> None:
        if event.kind in KEEPS_FROM_READING:
            self.observer.kept_from_reading(event.target, self.now_s + event.for_s)
        end = self._effect(event)
        if end is not None:
            self._at(self.now_s + event.for_s, end)

    def _effect(self, event: Event) -> Callable[[], None] | None:  # noqa: PLR0911, PLR0912 - a table of what goes wrong
        """Let it happen; return what undoes it."""
        host = self.hosts.get(event.target)
        match event.kind:
            case Kind.BROKER_AWAY:
                self.broker.away = True
                return lambda: setattr(self.broker, "away", False)
            case Kind.DATABASE_AWAY:
                self.database_away = True
                return lambda: setattr(self, "database_away", False)
            case Kind.DATABASE_SILENT:
                self.database_silent = True
                return lambda: setattr(self, "database_silent", False)
            case Kind.CLOCK_SET:
                self.clocks[event.target].ahead_s += event.number
                return None
            case Kind.DISCONNECTED:
                self.cameras[event.target].disconnect()
                return None
            case Kind.MASK_CHANGED:
                self._change_mask(event.target)
                return None
            case Kind.GARBAGE:
                self._send_garbage(event)
                return None
        if host is None:
            raise ValueError(event)
        match event.kind:
            case Kind.KILL:
                host.fuse = Fuse(event.number, event.step, event.then, event.for_s)
                return None
            case Kind.STOP:
                if host.life is not None:
                    host.life.runtime.stop.set()
                return lambda: self._revive(host)
            case Kind.FREEZE:
                return self._freeze(host)
            case Kind.REPEATS:
                host.faults.repeats += event.number
                return None
            case Kind.DISK_FULL:
                host.disk_full = True
                return lambda: setattr(host, "disk_full", False)
        name = FLAGS[event.kind]
        setattr(host.faults, name, False)
        return lambda: setattr(host.faults, name, True)

    def _revive(self, host: Host) -> None:
        """Start again what is dead; what is not yet dies now, as whoever waits for a process in vain kills it."""
        host.fuse = None
        host.kill()
        host.start()

    def _freeze(self, host: Host) -> Callable[[], None] | None:
        life = host.life
        if life is None:
            return None
        life.process.frozen = True
        return lambda: setattr(life.process, "frozen", False)

    def _change_mask(self, name: str) -> None:
        version = (self.configuration[name].masking or configured(name).masking).version + 1  # type: ignore[union-attr]
        self.configuration[name] = configured(name, version)
        self._publish(name)
        self.observer.mask_changed(name, version)

    def _send_garbage(self, event: Event) -> None:
        if not self.broker.away:
            slot = event.number % SLOTS
            self.observer.garbage(event.target, slot)
            self.broker.append(event.target, CAMERAS[0], b"\xff garbage", slot, {})

    def _mend(self) -> None:
        """All trouble ends; clocks stay as they were set."""
        self._later.clear()
        self.observer.mended()
        self.broker.away = False
        self.database_away = self.database_silent = False
        for host in self.hosts.values():
            host.disk_full, host.fuse, host.faults.repeats = False, None, 0
            for flag in FLAGS.values():
                setattr(host.faults, flag, True)
            if host.life is None or host.life.process.dead or host.life.runtime.stop.is_set():
                self._revive(host)
            else:
                host.life.process.frozen = False

    def _is_done(self) -> bool:
        return next(self._left(), None) is None

    def _left(self) -> Iterator[str]:
        """What nobody has done with yet."""
        yield from self.observer.unsent()
        for group, topics in GROUPS.items():
            for topic in topics:
                for slot in range(SLOTS):
                    done, end = self._done_of(group, (topic, slot)), len(self.broker.log((topic, slot)))
                    if done != end:
                        yield f"{group}: {topic}[{slot}] {done}/{end}"

    def _done_of(self, group: str, partition: Partition) -> int:
        """How far a group is; the api keeps that in its database."""
        if group != "api":
            return self.broker.committed(group, partition)
        topic, slot = partition
        with self.database.read(LOOK) as session:
            wanted = select(PositionRow.next_offset).where(PositionRow.topic == topic, PositionRow.partition == slot)
            return session.scalars(wanted).first() or 0


KEEPS_FROM_READING = {Kind.BROKER_AWAY, Kind.CUT_OFF, Kind.FREEZE}

FLAGS = {
    Kind.CUT_OFF: "reads",
    Kind.QUEUE_FULL: "takes",
    Kind.SLOW: "delivers",
    Kind.UNACKNOWLEDGED: "acknowledges",
    Kind.NOT_COMMITTED: "commits",
    Kind.STORE_AWAY: "store_answers",
    Kind.STORE_SILENT: "store_acknowledges",
}
"""What of `Faults` each kind takes away."""


def simulate(schedule: Schedule, parts: Parts | None = None, say: Callable[[str], object] | None = None) -> str | None:
    """Run a schedule; return what it broke, or None. `say` is told of each message on the bus."""
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=_memory_disk()))
    gc.collect()
    gc.freeze()
    gc.disable()  # a quarter of the time, for some megabytes
    try:
        with _silent():
            World(schedule, parts or Parts(), folder, say).run()
    except Broken as broken:
        return str(broken)
    finally:
        shutil.rmtree(folder)
        gc.enable()
    return None


@contextmanager
def _silent() -> Iterator[None]:
    """No log lines: thousands of runs would fill the screen."""
    before = structlog.get_config()
    level = logging.NOTSET if os.environ.get(LOGS) else logging.CRITICAL
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    try:
        yield
    finally:
        structlog.configure(**before)


def _memory_disk() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


@lru_cache
def _database_folder() -> Path:
    """One for all runs of this process: what SQLAlchemy has learnt about the statements is not learnt again."""
    return Path(tempfile.mkdtemp(prefix="simulation-database-", dir=_memory_disk()))


@lru_cache
def _empty_database() -> bytes:
    """A database with every table and no row."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "api.sqlite3"
        database = Database(f"sqlite:///{file}")
        migrations.upgrade(database)
        database.close()
        connection = sqlite3.connect(file)
        content = connection.serialize()
        connection.close()
        return content


@lru_cache
def _one_database() -> SimulatedDatabase:
    atexit.register(shutil.rmtree, _database_folder())
    return SimulatedDatabase(f"sqlite:///{_database_folder() / 'api.sqlite3'}")


def _emptied_database() -> SimulatedDatabase:
    database = _one_database()
    database.close()
    for left in _database_folder().iterdir():
        left.unlink()
    (_database_folder() / "api.sqlite3").write_bytes(_empty_database())
    return database
