"""A compacted topic as a dictionary that keeps itself up to date."""

from __future__ import annotations

import threading
from collections.abc import Callable
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


class Table(Generic[Value]):
    """Follows all partitions of a compacted topic from the beginning, in a thread of its own.

    A message that cannot be read removes its key and is reported through `on_invalid`: who reads fails closed, as
    with a key that never was there.
    """

    def __init__(
        self,
        bus: Bus,
        topic: Topic,
        decode: Callable[[bytes], Value],
        *,
        on_change: Callable[[str, Value | None], None] | None = None,
        on_invalid: Callable[[Record, str], None] | None = None,
        name: str = "table",
    ) -> None:
        self._bus = bus
        self._topic = topic
        self._decode = decode
        self._on_change = on_change
        self._on_invalid = on_invalid
        self._values: dict[str, Value] = {}
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

    def get(self, key: str) -> Value | None:
        """Latest value of `key`.

        Raises:
            TableDeadError: it is followed no more.
        """
        self._raise_if_dead()
        with self._lock:
            return self._values.get(key)

    def values(self) -> dict[str, Value]:
        """A copy of all values by key.

        Raises:
            TableDeadError: it is followed no more.
        """
        self._raise_if_dead()
        with self._lock:
            return dict(self._values)

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
        value: Value | None = None
        if record.value is not None:
            try:
                value = self._decode(record.value)
            except InvalidMessageError as reason:
                log.error("unreadable configuration", record=repr(record), reason=str(reason))
                if self._on_invalid is not None:
                    self._on_invalid(record, str(reason))
        with self._lock:
            if value is None:
                self._values.pop(record.key, None)
            else:
                self._values[record.key] = value
        if self._on_change is not None:
            self._on_change(record.key, value)
