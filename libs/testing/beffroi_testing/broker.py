"""A broker in memory: topics, partitions, groups of several members, committed offsets."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping

from beffroi_common.bus import Partition, Record, RetryLater
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import Topic

from .clock import ManualClock
from .groups import Group


class MemoryBroker:
    """Keeps what was sent. `away` makes producers say "retry later" and readers read nothing.

    Away for longer than `session_timeout_s` by `clock`, it is a loss to the members of groups. A member that does not
    poll for `max_poll_interval_s` is expelled, as one that was frozen or killed is; by default none ever is.
    """

    def __init__(
        self,
        slots: int = 2,
        clock: Clock | None = None,
        session_timeout_s: float = 10.0,
        max_poll_interval_s: float = math.inf,
    ) -> None:
        self.slots = slots
        self.clock = clock or ManualClock()
        self.denied: set[str] = set()
        """Topics of which nobody has the right to read any more."""
        self.tells_ends = False
        """Whether it tells all the same where those end."""
        self._session_timeout_s = session_timeout_s
        self._max_poll_interval_s = max_poll_interval_s
        self._groups: dict[str, Group] = {}
        self._away_since_s: float | None = None
        self._arrived = threading.Condition()
        self._logs: dict[Partition, list[Record]] = defaultdict(list)
        self._committed: dict[tuple[str, Partition], int] = {}
        self._begins: dict[Partition, int] = {}

    @property
    def away(self) -> bool:
        """Whether nobody reaches it."""
        return self._away_since_s is not None

    @away.setter
    def away(self, away: bool) -> None:
        if away != self.away:
            self._away_since_s = self.clock.monotonic_s() if away else None

    @property
    def sessions_ended(self) -> bool:
        """Whether it has been away for so long that whoever is in a group has lost its partitions."""
        since_s = self._away_since_s
        return since_s is not None and self.clock.monotonic_s() - since_s > self._session_timeout_s

    def append(
        self, topic: str, key: str, value: bytes | None, partition: int | None, headers: Mapping[str, bytes]
    ) -> Record:
        """Add a record, and return it."""
        number = sum(key.encode()) % self.slots if partition is None else partition
        if not 0 <= number < self.slots:
            raise RetryLater(f"{topic}: there is no partition {number}")
        with self._arrived:
            log = self._logs[topic, number]
            stamp_ms = self.clock.now_ns() // 1_000_000
            log.append(Record(topic, number, len(log), key, value, stamp_ms, headers))
            self._arrived.notify_all()
            return log[-1]

    def wait_for(self, take: Callable[[], Record | None], timeout_s: float) -> Record | None:
        """What `take` finds, now or once something has arrived; a test does not wait long for nothing."""
        record = take()
        if record is None:
            with self._arrived:
                self._arrived.wait(min(timeout_s, 0.01))
            record = take()
        return record

    def records(self, topic: Topic | str) -> list[Record]:
        """All records of a topic, partition by partition."""
        name = topic if isinstance(topic, str) else topic.name
        return [record for number in range(self.slots) for record in self._logs[name, number]]

    def log(self, partition: Partition) -> list[Record]:
        """The records of one partition."""
        return self._logs[partition]

    def group(self, name: str) -> Group:
        """The group of that name, with or without members."""
        with self._arrived:
            if name not in self._groups:
                self._groups[name] = Group(self.clock, self._session_timeout_s, self._max_poll_interval_s)
            return self._groups[name]

    def begin(self, partition: Partition) -> int:
        """Offset of the oldest record that is not deleted."""
        return self._begins.get(partition, 0)

    def delete_before(self, partition: Partition, offset: int) -> None:
        """Let the oldest records go, as retention does."""
        self._begins[partition] = offset

    def committed(self, group: str, partition: Partition) -> int:
        """Offset at which the group begins after a restart."""
        return self._committed.get((group, partition), 0)

    def commit(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """Store offsets of a group."""
        self._committed.update({(group, partition): offset for partition, offset in offsets.items()})
