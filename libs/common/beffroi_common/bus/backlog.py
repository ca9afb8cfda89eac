"""How far a reader is behind, and how long until what it still needs is gone from the broker.

The broker deletes by age and by bytes, read or not. Whoever falls behind loses the oldest without an error: so it is
measured while there is time, by the broker's own stamps, and said as an error at half of what the topic keeps.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from beffroi_common.runtime import metrics
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import TOPICS, Topic

from .interfaces import Offsets, Partition, Record

log = structlog.get_logger(__name__)

BUDGET_SHARE = 0.5
"""From this share of what the topic keeps on, being behind is an error: whoever is called needs the other half."""

MARK_MS = 1000
"""Between two records whose stamps are remembered: as exact as anybody needs it."""

DELETION_S = 300.0
"""The broker's deleting is watched for so long: it deletes log segments, of a minute or more, at a time."""

LOSS_SAID_S = 900.0
"""So long the status goes on saying that something was lost."""

BY_NAME: Mapping[str, Topic] = {topic.name: topic for topic in TOPICS}


@dataclass(frozen=True, slots=True)
class Lag:
    """Of the partition that is worst off.

    Attributes:
        behind_s: age of the oldest message that is still needed; 0: none waits.
        headroom_s: until it goes from the broker; infinite where nothing goes.
    """

    behind_s: float = 0.0
    headroom_s: float = math.inf

    @property
    def is_error(self) -> bool:
        """Whether half of what the topic keeps is used up."""
        return self.behind_s > 0 and self.headroom_s < self.behind_s * (1 - BUDGET_SHARE) / BUDGET_SHARE


@dataclass
class _Read:
    """What is known of one partition.

    Attributes:
        marks: offsets and stamps of records read, the oldest needed one first.
        all_read_ms: when everything was read last: what is unread came after it.
        lowest: what the broker had lowest, and since when, while it is watched.
    """

    all_read_ms: float
    marks: deque[tuple[int, int]] = field(default_factory=deque)
    lowest: deque[tuple[float, int]] = field(default_factory=deque)


class Backlog:
    """Of one reader: what it has yet to be done with. Fed by its loop; asked by whoever reports, from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._partitions: dict[Partition, _Read] = {}
        self._lags: dict[str, Lag] = {}
        self._lost: tuple[str, int, datetime, float] | None = None
        self._lock = threading.Lock()

    def observe(self, record: Record) -> None:
        """A record was read."""
        with self._lock:
            read = self._of(record.source)
            if not read.marks or record.timestamp_ms >= read.marks[-1][1] + MARK_MS:
                read.marks.append((record.offset, record.timestamp_ms))

    def drop(self, partitions: Collection[Partition]) -> None:
        """These are somebody else's now; should they come back, they begin where the last commit says."""
        with self._lock:
            for each in partitions:
                self._partitions.pop(each, None)

    def overtaken(self, source: Partition, count: int) -> None:
        """So many records of a partition were gone before they were read."""
        metrics.RECORDS_OVERTAKEN.labels(topic=source[0]).inc(count)
        log.error("messages were gone before they were read", topic=source[0], partition=source[1], messages=count)
        with self._lock:
            before = self._lost[1] if self._lost is not None and self._lost[0] == source[0] else 0
            self._lost = source[0], before + count, self._clock.now(), self._clock.monotonic_s()

    def measure(self, needed: Mapping[Partition, int], ends: Mapping[Partition, Offsets]) -> None:
        """Take stock.

        Args:
            needed: the lowest offset not done with, of each partition that is read.
            ends: what the broker has of them, as far as that is known.
        """
        lags: dict[str, Lag] = {}
        with self._lock:
            read_still = ends.keys() | needed.keys()
            self._partitions = {each: read for each, read in self._partitions.items() if each in read_still}
            for source, offsets in ends.items():
                lag = self._lag(source, needed.get(source), offsets)
                worst = lags.get(source[0], Lag())
                lags[source[0]] = Lag(max(lag.behind_s, worst.behind_s), min(lag.headroom_s, worst.headroom_s))
            gone, self._lags = self._lags.keys() - lags.keys(), lags
        for topic, lag in lags.items():
            metrics.BEHIND_SECONDS.labels(topic=topic).set(lag.behind_s)
            metrics.HEADROOM_SECONDS.labels(topic=topic).set(lag.headroom_s)
        for topic in gone:
            metrics.BEHIND_SECONDS.remove(topic)
            metrics.HEADROOM_SECONDS.remove(topic)

    @property
    def worst(self) -> tuple[str, Lag] | None:
        """The topic with the least headroom, and how far it is behind; None: nothing is read."""
        with self._lock:
            return min(self._lags.items(), key=lambda each: (each[1].headroom_s, -each[1].behind_s), default=None)

    @property
    def loss(self) -> str | None:
        """What a person must know of what was lost lately."""
        with self._lock:
            lost = self._lost
        if lost is None or self._clock.monotonic_s() - lost[3] > LOSS_SAID_S:
            return None
        return (
            f"{lost[1]} messages of {lost[0]} were gone before they were read, as was seen at {lost[2]:%H:%M:%S} UTC: "
            "what they said is lost to this service. Was it stopped, frozen or too slow?"
        )

    @property
    def complaint(self) -> str | None:
        """What a person must know and do before something is lost; None while half of the time is left."""
        worst = self.worst
        if worst is None or not worst[1].is_error:
            return None
        topic, lag = worst
        return (
            f"{lag.behind_s:,.0f} s behind on {topic}, and in {max(0.0, lag.headroom_s):,.0f} s the oldest of it is "
            "gone: is this service too slow, or what it writes to away?"
        )

    def _of(self, source: Partition) -> _Read:
        return self._partitions.setdefault(source, _Read(self._now_ms()))

    def _now_ms(self) -> float:
        return self._clock.now_ns() / 1e6

    def _lag(self, source: Partition, needed: int | None, ends: Offsets) -> Lag:
        read = self._of(source)
        behind_s = self._behind_s(read, needed, ends)
        return Lag(behind_s, self._headroom_s(source[0], read, behind_s, needed, ends))

    def _behind_s(self, read: _Read, needed: int | None, ends: Offsets) -> float:
        now_ms = self._now_ms()
        if needed is None:  # nothing was heard of it yet: its oldest record, if it has any, may be as old as the wait
            return 0.0 if ends.end == (ends.begin or 0) else max(0.0, now_ms - read.all_read_ms) / 1000
        if needed >= ends.end:
            read.marks.clear()
            read.all_read_ms = now_ms
            return 0.0
        while len(read.marks) > 1 and read.marks[1][0] <= needed:
            read.marks.popleft()
        oldest_ms = read.marks[0][1] if read.marks and read.marks[0][0] <= needed else read.all_read_ms
        return max(0.0, now_ms - oldest_ms) / 1000

    def _headroom_s(self, topic: str, read: _Read, behind_s: float, needed: int | None, ends: Offsets) -> float:
        retention = BY_NAME[topic].retention if topic in BY_NAME else None
        if retention is None:
            return math.inf
        by_age_s = retention.total_seconds() - behind_s
        if needed is None or needed >= ends.end:
            return by_age_s
        return min(by_age_s, self._until_deleted_s(read, needed, ends.begin))

    def _until_deleted_s(self, read: _Read, needed: int, begin: int | None) -> float:
        """How long until the broker's deleting reaches an offset, if it goes on as it does."""
        now_s = self._clock.monotonic_s()
        if begin is None:
            return math.inf
        read.lowest.append((now_s, begin))
        while now_s - read.lowest[0][0] > DELETION_S:
            read.lowest.popleft()
        since_s, lowest = read.lowest[0]
        if begin <= lowest or now_s <= since_s:
            return math.inf
        return max(0, needed - begin) * (now_s - since_s) / (begin - lowest)
