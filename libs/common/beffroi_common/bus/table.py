"""A compacted topic as a dictionary that keeps itself up to date, and knows how old what it says may be."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection
from enum import Enum
from typing import Generic, TypeVar

import structlog

from beffroi_common.contracts import InvalidMessageError
from beffroi_common.errors import Fatal, RetryLater, is_unforeseen
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import RECORD_CRASHES
from beffroi_common.topics import Topic

from .age import TopicAge
from .interfaces import Bus, Record, Start

log = structlog.get_logger(__name__)

Value = TypeVar("Value")

POLL_TIMEOUT_S = 0.1


class TableDeadError(Fatal):
    """What the table says may be out of date for ever: a bug, which ends the process of whoever relies on it."""


class TableStaleError(RetryLater):
    """The broker was not heard for so long that what the table says may be out of date: wait until it is again."""


class Absent(Enum):
    """Why a key has no value."""

    MISSING = "missing"
    """It never was there, or was removed."""
    UNREADABLE = "unreadable"
    """Its latest message breaks its contract. The value before it is not in force any more: who reads fails closed."""


class Table(Generic[Value]):
    """Follows all partitions of a compacted topic from the beginning, in a thread of its own."""

    def __init__(
        self,
        bus: Bus,
        topic: Topic,
        decode: Callable[[bytes], Value],
        clock: Clock,
        *,
        key_of: Callable[[Value], str],
        max_age_s: float = math.inf,
        on_change: Callable[[str, Value | Absent], None] | None = None,
        name: str = "table",
    ) -> None:
        """Wire it.

        Args:
            bus: the broker.
            topic: is followed.
            decode: reads a message.
            clock: for the age.
            key_of: the key under which a message belongs. What is said under another's key is not read: whoever asks
                by key would else take it for another's.
            max_age_s: older than this, it says nothing. Infinite where what it says carries a time of its own; then it
                does no harm either that the topic has lost something.
            on_change: hears of each message, on the table's thread. An error in it is said, and ends nothing.
            name: of the thread.
        """
        self._bus = bus
        self._max_age_s = max_age_s
        self._age = TopicAge(topic, clock, may_be_truncated=max_age_s == math.inf)
        self._topic = topic
        self._decode = decode
        self._key_of = key_of
        self._on_change = on_change
        self._latest: dict[str, dict[int, tuple[int, Value | Absent]]] = {}
        self._lock = threading.Lock()
        self._caught_up = threading.Event()
        self._stop = threading.Event()
        self._death: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, name=f"{name}-{topic.name}", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        self._thread.join()

    def wait_caught_up(self, timeout_s: float | None = None) -> bool:
        """Wait until everything that was on the topic at the start was read.

        Raises:
            TableDeadError: it is followed no more.
        """
        caught_up = self._caught_up.wait(timeout_s)
        self._raise_if_dead()
        return caught_up

    @property
    def age_s(self) -> float:
        """How long ago all that is on the topic was known for sure; infinite before it was for the first time."""
        return self._age.age_s

    @property
    def is_stale(self) -> bool:
        """Whether it is older than it may be."""
        return self.age_s > self._max_age_s

    def get(self, key: str) -> Value | Absent:
        """Latest value of `key`, or why there is none.

        Raises:
            TableDeadError: it is followed no more.
            TableStaleError: what it says may be out of date at present.
        """
        self._raise_if_dead()
        self._raise_if_stale()
        with self._lock:
            return self._newest(key)

    def values(self) -> dict[str, Value]:
        """All values by key, without what cannot be read.

        Raises:
            TableDeadError: it is followed no more.
            TableStaleError: what it says may be out of date at present.
        """
        self._raise_if_dead()
        self._raise_if_stale()
        with self._lock:
            found = {key: self._newest(key) for key in self._latest}
        return {key: value for key, value in found.items() if not isinstance(value, Absent)}

    def partitions_of(self, key: str) -> Collection[int]:
        """Where something is said of `key`. Elsewhere than in its own partition nobody should: see `_newest`."""
        with self._lock:
            return frozenset(self._latest.get(key, ()))

    def _raise_if_dead(self) -> None:
        if self._death is not None:
            raise TableDeadError(f"{self._topic.name} is followed no more") from self._death

    def _raise_if_stale(self) -> None:
        if self.is_stale:
            raise TableStaleError(
                f"{self._topic.name} was last known to be read to its end {self.age_s:.0f} s ago, more than the "
                f"{self._max_age_s:.0f} allowed: does the broker answer, and may this service read it?"
            )

    def _follow(self) -> None:
        try:
            self._read()
        except BaseException as error:  # noqa: BLE001 - it is raised again wherever the table is used
            self._death = error
            self._caught_up.set()

    def _read(self) -> None:
        follower = self._bus.follower([self._topic], Start.BEGINNING)
        try:
            while not self._stop.is_set():
                record = follower.poll(POLL_TIMEOUT_S)
                if record is not None:
                    self._take(record)
                self._age.measure(follower)
                if record is None and not self._caught_up.is_set() and follower.caught_up() and self.age_s < math.inf:
                    self._caught_up.set()
        finally:
            follower.close()

    def _take(self, record: Record) -> None:
        value = self._decoded(record)
        with self._lock:
            places = self._latest.setdefault(record.key, {})
            places.pop(record.partition, None)  # what came last is last
            if value is not Absent.MISSING:
                places[record.partition] = (record.timestamp_ms, value)
            if not places:
                del self._latest[record.key]
            newest = self._newest(record.key)
        if self._on_change is not None:
            try:
                self._on_change(record.key, newest)
            except Exception as bug:
                if not is_unforeseen(bug):
                    raise
                _say_unforeseen(record, bug)

    def _newest(self, key: str) -> Value | Absent:
        """Of what several partitions say, the newest by the broker's clock: after a restart they come in any order."""
        said = list(self._latest.get(key, {}).values())
        return max(reversed(said), key=lambda each: each[0])[1] if said else Absent.MISSING

    def _decoded(self, record: Record) -> Value | Absent:
        if record.value is None:
            return Absent.MISSING
        try:
            return self._readable(record.key, record.value)
        except InvalidMessageError as reason:
            log.error("unreadable message", record=repr(record), reason=str(reason))
        except Exception as bug:
            if not is_unforeseen(bug):
                raise
            _say_unforeseen(record, bug)
        return Absent.UNREADABLE

    def _readable(self, key: str, payload: bytes) -> Value:
        value = self._decode(payload)
        if self._key_of(value) != key:
            raise InvalidMessageError(f"it stands under the key {key!r}, and belongs under {self._key_of(value)!r}")
        return value


def _say_unforeseen(record: Record, bug: Exception) -> None:
    """It came of this record, which stays on the topic: to end for it would be to end at each start."""
    RECORD_CRASHES.labels(topic=record.topic).inc()
    log.error("unexpected error about a record", record=repr(record), exc_info=bug)
