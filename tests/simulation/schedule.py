"""What goes wrong, and when: drawn from a seed, and made as short as it can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

SERVICES = ("ingest", "masker", "vision", "rules", "recorder", "api")
INSTANCES = 2
HOSTS = tuple(f"{service}-{number}" for service in SERVICES for number in range(INSTANCES))
CAMERAS = ("gate", "market", "quay")

TROUBLE_S = 32.0
"""Within so long everything goes wrong that will."""
LONGEST_S = 20.0


class Kind(StrEnum):
    """What may go wrong."""

    KILL = "kill"
    """A process dies at one of its next operations, of all or of one sort, and starts again after a while."""
    STOP = "stop"
    """A process is asked to end, and starts again after a while."""
    FREEZE = "freeze"
    """A process stands still; after long enough others have its cameras, and it goes on as if nothing were."""
    BROKER_AWAY = "broker away"
    CUT_OFF = "cut off"
    """A process reads nothing."""
    QUEUE_FULL = "queue full"
    """What a process would send is put off."""
    SLOW = "slow"
    """What a process sends reaches the broker later; until then it dies with the process."""
    UNACKNOWLEDGED = "unacknowledged"
    """What a process sends reaches the broker, and it is not told."""
    NOT_COMMITTED = "not committed"
    """The broker takes no offsets of a process."""
    REPEATS = "repeats"
    """Some of what a process sends reaches the broker twice."""
    STORE_AWAY = "store away"
    STORE_SILENT = "store silent"
    """The store does what it is told, and its answers are lost."""
    DISK_FULL = "disk full"
    DATABASE_AWAY = "database away"
    DATABASE_SILENT = "database silent"
    """The database does what it is told, and its answers are lost."""
    CLOCK_SET = "clock set"
    """The wall clock of a process, of the broker or of the store is set forward or back."""
    DISCONNECTED = "disconnected"
    """A camera breaks off, and is connected to again."""
    MASK_CHANGED = "mask changed"
    """No fault, but what must not go wrong: a person decides on another mask."""
    GARBAGE = "garbage"
    """Something unreadable comes on a topic."""


WEIGHTS = {Kind.KILL: 10, Kind.FREEZE: 3, Kind.SLOW: 2, Kind.UNACKNOWLEDGED: 2}
"""How often a kind is drawn, where it is more than once: most faults are of dying at the wrong moment."""

WITHOUT_HOST = {Kind.BROKER_AWAY, Kind.DATABASE_AWAY, Kind.DATABASE_SILENT}
OF_CAMERA = {Kind.DISCONNECTED, Kind.MASK_CHANGED}
OF_RECORDER = {Kind.STORE_AWAY, Kind.STORE_SILENT, Kind.DISK_FULL}
CLOCKS = (*HOSTS, "broker", "store")
"""Whose clock may be set."""
FAR_S = 20 * 86_400
"""A clock that is set so far says that all is due for destruction, or that nothing ever will be."""
STEPS = {
    "ingest": {"sent frames.raw.v1": 8},
    "masker": {"sent frames.masked.v1": 8, "committed": 8},
    "vision": {"sent tracks.v1": 8, "committed": 8},
    "rules": {"sent alerts.v1": 6, "committed": 8},
    "recorder": {"appended": 8, "put done": 4, "sent recordings.v1": 2, "committed": 4},
    "api": {"write": 8, "written": 8},
}
"""Of each service the operations around which it matters most that a process dies, and at which of them at the latest.
Nearly all others are only looks for more."""
MOST_THEN = 6
"""So many operations it still does after such a one."""
TOPICS = ("frames.raw.v1", "frames.masked.v1", "tracks.v1", "alerts.v1", "recordings.v1")


@dataclass(frozen=True)
class Event:
    """One thing that goes wrong.

    Attributes:
        at_s: seconds after the start.
        kind: what.
        target: of which process, camera or topic.
        for_s: how long it lasts; how long a process that is killed is dead.
        number: how many operations until it dies, messages that come twice, or seconds that a clock is set.
        step: the operations that are counted until it dies; each, where it is empty.
        then: so many operations of any sort it still does after those.
    """

    at_s: float
    kind: Kind
    target: str
    for_s: float = 0.0
    number: int = 0
    step: str = ""
    then: int = 0

    def __str__(self) -> str:
        """In words."""
        words = f"{self.at_s:5.1f} s  {self.kind.value:15} {self.target:16}"
        step = f" {self.step}, then {self.then}" if self.step else ""
        return f"{words} for {self.for_s:4.1f} s  number {self.number}{step}"


@dataclass(frozen=True)
class Schedule:
    """All of a run. `seed` draws who is next as well."""

    seed: int
    events: tuple[Event, ...]

    def __str__(self) -> str:
        """One line an event."""
        return "\n".join(str(event) for event in self.events) or "(nothing goes wrong)"


def drawn(seed: int) -> Schedule:
    """The schedule of a seed."""
    lot = Random(seed)
    changes = [Event(round(lot.uniform(3, 25), 1), Kind.MASK_CHANGED, lot.choice(CAMERAS))]
    kinds = [kind for kind in Kind if kind is not Kind.MASK_CHANGED]
    # A seed has few kinds, and often several times the same: what goes wrong together is found so.
    few = lot.choices(kinds, [WEIGHTS.get(kind, 1) for kind in kinds], k=lot.randint(1, 4))
    events = [_event(lot, lot.choice(few)) for _ in range(lot.randint(2, 10))]
    return Schedule(seed, tuple(sorted(changes + events, key=lambda event: event.at_s)))


def _event(lot: Random, kind: Kind) -> Event:
    at_s = round(lot.uniform(1, TROUBLE_S - 5), 1)
    for_s = round(lot.choice((lot.uniform(0.1, 3), lot.uniform(3, LONGEST_S))), 1)
    number = lot.choice((lot.randint(1, 6), lot.randint(1, 60)))
    target = _target(lot, kind)
    if kind is Kind.CLOCK_SET:
        number = lot.choice((-1, 1)) * (number if lot.random() < 0.8 else FAR_S)
    if kind is Kind.KILL and lot.random() < 0.7:
        step, most = lot.choice(list(STEPS[target.rsplit("-", 1)[0]].items()))
        return Event(at_s, kind, target, for_s, lot.randint(1, most), step, lot.randint(0, MOST_THEN))
    return Event(at_s, kind, target, for_s, number)


def _target(lot: Random, kind: Kind) -> str:
    if kind in WITHOUT_HOST:
        return "-"
    if kind in OF_CAMERA:
        return lot.choice(CAMERAS)
    if kind in OF_RECORDER:
        return f"recorder-{lot.randrange(INSTANCES)}"
    if kind is Kind.CLOCK_SET:
        return lot.choice(CLOCKS)
    return lot.choice(TOPICS) if kind is Kind.GARBAGE else lot.choice(HOSTS)


def shortened(schedule: Schedule, fails: Callable[[Schedule], bool], most_runs: int = 60) -> Schedule:
    """The shortest schedule found that still fails: events are left out, then made shorter, one by one."""
    runs = 0
    found = schedule
    improved = True
    while improved and runs < most_runs:
        improved = False
        for simpler in _simpler(found.events):
            runs += 1
            candidate = replace(found, events=simpler)
            if fails(candidate):
                found, improved = candidate, True
                break
            if runs >= most_runs:
                break
    return found


def _simpler(events: Sequence[Event]) -> Iterator[tuple[Event, ...]]:
    half = len(events) // 2
    if half > 1:
        yield tuple(events[:half])
        yield tuple(events[half:])
    for index in range(len(events)):
        yield (*events[:index], *events[index + 1 :])
    for index, event in enumerate(events):
        if event.for_s >= 1.0:
            shorter = replace(event, for_s=round(event.for_s / 2, 1))
            yield (*events[:index], shorter, *events[index + 1 :])
