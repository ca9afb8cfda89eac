"""A compacted topic as a dictionary that keeps itself up to date."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from typing import Generic, TypeVar

import structlog

from beffroi_common.contracts import InvalidMessageError
from beffroi_common.errors import Fatal
from beffroi_common.topics import Topic

from .interfaces import Bus, Record, Start

log = structlog.get_logger(__name__)

Value = TypeVar("Value")

POLL_TIMEOUT_S = 0.1


class TableDeadError(Fatal):
    """What the table says may be out of date for ever: a bug, which ends the process of whoever relies on it."""


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
        *,
        on_change: Callable[[str, Value | Absent], None] | None = None,
        name: str = "table",
    ) -> None:
        self._bus = bus
        self._topic = topic
        self._decode = decode
        self._on_change = on_change
        self._latest: dict[str, Value | Absent] = {}
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

    def get(self, key: str) -> Value | Absent:
        """Latest value of `key`, or why there is none.

        Raises:
            TableDeadError: it is followed no more.
        """
        self._raise_if_dead()
        with self._lock:
            return self._latest.get(key, Absent.MISSING)

    def values(self) -> dict[str, Value]:
        """All values by key, without what cannot be read.

        Raises:
            TableDeadError: it is followed no more.
        """
        self._raise_if_dead()
        with self._lock:
            return {key: value for key, value in self._latest.items() if not isinstance(value, Absent)}

    def _raise_if_dead(self) -> None:
        if self._death is not None:
            raise TableDeadError(f"{self._topic.name} is followed no more") from self._death

    def _follow(self) -> None:
        try:
            self._read()
        except BaseException as error:  # noqa: BLE001 - it is raised again wherever the table is used
            self._death = error
            self._caught_up.set()

    def _read(self) -> None:
        consumer = self._bus.follower([self._topic], Start.BEGINNING)
        try:
            while not self._stop.is_set():
                record = consumer.poll(POLL_TIMEOUT_S)
                if record is not None:
                    self._take(record)
                elif not self._caught_up.is_set() and consumer.caught_up():
                    self._caught_up.set()
        finally:
            consumer.close()

    def _take(self, record: Record) -> None:
        value = self._decoded(record)
        with self._lock:
            if value is Absent.MISSING:
                self._latest.pop(record.key, None)
            else:
                self._latest[record.key] = value
        if self._on_change is not None:
            self._on_change(record.key, value)

    def _decoded(self, record: Record) -> Value | Absent:
        if record.value is None:
            return Absent.MISSING
        try:
            return self._decode(record.value)
        except InvalidMessageError as reason:
            log.error("unreadable message", record=repr(record), reason=str(reason))
            return Absent.UNREADABLE
