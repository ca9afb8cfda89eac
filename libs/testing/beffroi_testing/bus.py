"""The bus of one instance of a service, with a broker in memory behind it."""

from __future__ import annotations

from collections.abc import Sequence

from beffroi_common.bus import Consumer, Follower, Listener, PartitionReader, Producer, Start
from beffroi_common.bus.interfaces import BeginAt
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import Topic

from .broker import MemoryBroker
from .producer import MemoryProducer
from .readers import MemoryFollower, MemoryMember, MemoryPartitionReader


class MemoryBus:
    """See `Bus`, of one instance of a service.

    Args:
        broker: to reach.
        clock: that of whoever sends; by default the broker's.
        instance: its name, and that of its members of groups.
    """

    def __init__(self, broker: MemoryBroker, clock: Clock | None = None, instance: str = "only") -> None:
        self._broker = broker
        self._instance = instance
        self._clock = clock

    def producer(self) -> Producer:
        """See `Bus.producer`."""
        return MemoryProducer(self._broker, self._clock)

    def consumer(
        self, group: str, topics: Sequence[Topic], listener: Listener | None = None, *, begin_at: BeginAt | None = None
    ) -> Consumer:
        """See `Bus.consumer`."""
        return MemoryMember(self._broker, group, self._instance, topics, listener, begin_at=begin_at)

    def follower(self, topics: Sequence[Topic], start: Start) -> Follower:
        """See `Bus.follower`."""
        return MemoryFollower(self._broker, topics, start)

    def partition_reader(self) -> PartitionReader:
        """See `Bus.partition_reader`."""
        return MemoryPartitionReader(self._broker)
