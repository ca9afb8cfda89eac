"""What one instance of a service uses of Kafka."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka.admin import AdminClient

from beffroi_common.bus.interfaces import BeginAt, Consumer, Follower, Listener, PartitionReader, Producer, Start
from beffroi_common.bus.membership import Membership
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import Topic

from .configuration import connection, consumer_config, group_config, producer_config
from .consumers import GroupConsumer, KafkaFollower
from .partition_reader import KafkaPartitionReader
from .producer import KafkaProducer
from .rdkafka_log import RdkafkaLog


class KafkaBus:
    """Makes producers and consumers for one instance of a service."""

    def __init__(self, settings: KafkaSettings, service: str, instance: str) -> None:
        self._settings = settings
        self._instance = instance
        self._client_id = f"beffroi-{service}-{instance}"
        self.membership = Membership(settings.session_timeout_s, SystemClock())

    def producer(self) -> Producer:
        """A new producer."""
        return KafkaProducer(producer_config(self._settings, self._client_id), membership=self.membership)

    def consumer(
        self, group: str, topics: Sequence[Topic], listener: Listener | None = None, *, begin_at: BeginAt | None = None
    ) -> Consumer:
        """A member of `group`."""
        config = consumer_config(self._settings, self._client_id) | group_config(self._settings, group, self._instance)
        return GroupConsumer(config, topics, listener, self.membership, begin_at=begin_at)

    def follower(self, topics: Sequence[Topic], start: Start) -> Follower:
        """A reader of all partitions."""
        # librdkafka wants a group even where none is joined and nothing is committed.
        config = consumer_config(self._settings, self._client_id) | {"group.id": f"{self._client_id}-follower"}
        return KafkaFollower(config, topics, start)

    def partition_reader(self) -> PartitionReader:
        """A reader of chosen partitions."""
        config = consumer_config(self._settings, self._client_id) | {"group.id": f"{self._client_id}-reader"}
        return KafkaPartitionReader(config)


def admin_client(settings: KafkaSettings, client_id: str) -> AdminClient:
    """Whoever asks the broker about topics, or makes them."""
    return AdminClient(connection(settings, client_id), logger=RdkafkaLog())
