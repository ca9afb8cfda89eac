"""The bus on Kafka, by confluent-kafka. librdkafka's defaults that bite are set here, once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import takewhile
from typing import Any, cast

import structlog
from confluent_kafka import Consumer as KafkaConsumerClient
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka import Producer as KafkaProducerClient
from confluent_kafka.admin import AdminClient

from beffroi_common.contracts import Contract, FrameBatch
from beffroi_common.errors import RetryLater
from beffroi_common.runtime import tracing
from beffroi_common.runtime.clock import Clock, SystemClock
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import MAX_FRAME_RECORD_BYTES, MAX_SMALL_RECORD_BYTES, RECORD_OVERHEAD_BYTES, Topic

from .errors import DeliveryError, TooLarge
from .interfaces import Consumer, Listener, Partition, PartitionReader, Producer, Record, Start

log = structlog.get_logger(__name__)

PARTITION_UA = -1
"""librdkafka: chosen by key."""

LINGER_MS = 5
"""Wait for company: a batch is half a second old already, five milliseconds more cost nothing."""

BATCH_BYTES = MAX_SMALL_RECORD_BYTES // 2
"""What travels together, where librdkafka's default is a megabyte: a topic's size limit applies to the batch, and one
beyond it is refused for good. A single record larger than this travels alone. Half: it counts before compression."""

METADATA_TIMEOUT_S = 5.0
"""How long a broker may be away before that is reported and tried again."""

CLOSE_FLUSH_S = 5.0

FLUSH_STEP_S = 0.05
"""librdkafka waits until its queue is empty, which it hardly ever is while several threads send: so it is looked after
each step whether the messages that are waited for are acknowledged."""

QUIET_S = 30.0
"""Between two lines of one kind from librdkafka, which would write some sixty a second while a broker is away."""


def connection(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """librdkafka's settings to reach the broker, without anything about producing or consuming."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "security.protocol": settings.security_protocol,
        "client.id": client_id,
        "message.max.bytes": MAX_FRAME_RECORD_BYTES + RECORD_OVERHEAD_BYTES,
        "receive.message.max.bytes": 2 * (MAX_FRAME_RECORD_BYTES + RECORD_OVERHEAD_BYTES),
        "allow.auto.create.topics": False,
        "reconnect.backoff.max.ms": 2000,
        "socket.keepalive.enable": True,
    }
    optional = {
        "sasl.mechanism": settings.sasl_mechanism,
        "sasl.username": settings.username,
        "sasl.password": settings.password.get_secret_value() if settings.password else None,
        "ssl.ca.location": settings.ca_file and str(settings.ca_file),
        "ssl.certificate.location": settings.certificate_file and str(settings.certificate_file),
        "ssl.key.location": settings.key_file and str(settings.key_file),
    }
    return config | {name: value for name, value in optional.items() if value is not None}


def admin_client(settings: KafkaSettings, client_id: str) -> AdminClient:
    """Whoever asks the broker about topics, or makes them."""
    return AdminClient(connection(settings, client_id), logger=_RdkafkaLog())


def producer_config(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Settings of a producer: bounded in bytes, nothing lost or doubled by a retry."""
    return connection(settings, client_id) | {
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": LINGER_MS,
        "batch.size": BATCH_BYTES,
        "queue.buffering.max.kbytes": settings.queue_bytes // 1024,
        "delivery.timeout.ms": int(settings.delivery_timeout_s * 1000),
    }


def consumer_config(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Settings of any reader: bounded in bytes, checksums on, no automatic commits."""
    return connection(settings, client_id) | {
        "check.crcs": True,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "fetch.message.max.bytes": MAX_FRAME_RECORD_BYTES + RECORD_OVERHEAD_BYTES,
        "fetch.max.bytes": MAX_FRAME_RECORD_BYTES + RECORD_OVERHEAD_BYTES,
        "queued.max.messages.kbytes": settings.prefetch_bytes // 1024,
        "fetch.wait.max.ms": 100,
    }


def group_config(settings: KafkaSettings, group: str, instance: str) -> dict[str, Any]:
    """Settings of a member of a group: cooperative hand-over, known by name after a restart."""
    return {
        "group.id": group,
        "group.instance.id": f"{group}-{instance}",
        "partition.assignment.strategy": "cooperative-sticky",
        "auto.offset.reset": Start.BEGINNING.value,
        "session.timeout.ms": int(settings.session_timeout_s * 1000),
    }


class KafkaBus:
    """Makes producers and consumers for one instance of a service."""

    def __init__(self, settings: KafkaSettings, service: str, instance: str) -> None:
        self._settings = settings
        self._instance = instance
        self._client_id = f"beffroi-{service}-{instance}"

    def producer(self) -> Producer:
        """A new producer."""
        return KafkaProducer(producer_config(self._settings, self._client_id))

    def consumer(
        self, group: str, topics: Sequence[Topic], listener: Listener | None = None, *, reread: bool = False
    ) -> Consumer:
        """A member of `group`."""
        config = consumer_config(self._settings, self._client_id) | group_config(self._settings, group, self._instance)
        return GroupConsumer(config, topics, listener, reread=reread)

    def follower(self, topics: Sequence[Topic], start: Start) -> Consumer:
        """A reader of all partitions."""
        # librdkafka wants a group even where none is joined and nothing is committed.
        config = consumer_config(self._settings, self._client_id) | {"group.id": f"{self._client_id}-follower"}
        return Follower(config, topics, start)

    def partition_reader(self) -> PartitionReader:
        """A reader of chosen partitions."""
        config = consumer_config(self._settings, self._client_id) | {"group.id": f"{self._client_id}-reader"}
        return KafkaPartitionReader(config)


class KafkaProducer:
    """See `Producer`."""

    def __init__(self, config: dict[str, Any], clock: Clock | None = None) -> None:
        self._client = KafkaProducerClient(config, logger=_RdkafkaLog())
        self._clock = clock or SystemClock()
        self._refused: str | None = None
        self._lock = threading.Lock()
        self._sent = 0
        self._unacknowledged: dict[int, None] = {}

    def send(
        self, topic: Topic, key: str, value: Contract | FrameBatch | None, *, partition: int | None = None
    ) -> None:
        """See `Producer.send`."""
        self._raise_if_refused()
        payload = None if value is None else value.encode()
        if payload is not None and len(payload) > topic.max_record_bytes:
            raise TooLarge(f"{topic.name}: {len(payload)} bytes, more than the {topic.max_record_bytes} allowed")
        number = self._next_number()
        try:
            self._client.produce(
                topic.name,
                payload,
                key.encode(),
                PARTITION_UA if partition is None else partition,
                headers=list(tracing.headers().items()),
                on_delivery=partial(self._done, number),
            )
        except BufferError:
            self._acknowledge(number)
            self._serve(lambda: self._client.poll(0))
            raise RetryLater("the queue to the broker is full; it is away or too slow") from None
        except KafkaException as error:
            self._acknowledge(number)
            reason: KafkaError = error.args[0]
            if reason.code() == KafkaError._FATAL:
                self._refuse(reason.str())
                raise self._refusal() from None
            raise RetryLater(f"{topic.name}: {reason.str()}") from None
        self._serve(lambda: self._client.poll(0))

    def flush(self, timeout_s: float) -> int:
        """See `Producer.flush`. Others may send meanwhile; nobody waits for what they send."""
        with self._lock:
            end = self._sent
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            wait_s = min(FLUSH_STEP_S, max(0.0, deadline_s - self._clock.monotonic_s()))
            self._serve(lambda wait_s=wait_s: self._client.flush(wait_s))  # type: ignore[misc]
            self._raise_if_refused()
            left = self._unacknowledged_before(end)
            if not left or self._clock.monotonic_s() >= deadline_s:
                return left

    def close(self) -> None:
        """See `Producer.close`."""
        with suppress(DeliveryError):  # the sender has been called back
            left = self._serve(lambda: self._client.flush(CLOSE_FLUSH_S))
            if left:
                log.warning("messages not delivered at the end", messages=left)

    def _serve(self, ask: Callable[[], int]) -> int:
        """Serve the client's delivery callbacks. One that broke for good raises, at times without saying what."""
        try:
            return ask()
        except (KafkaException, SystemError) as error:
            self._refuse(str(error.__cause__ or error))
            raise self._refusal() from None

    def _next_number(self) -> int:
        with self._lock:
            number = self._sent
            self._sent += 1
            self._unacknowledged[number] = None
            return number

    def _acknowledge(self, number: int) -> None:
        with self._lock:
            self._unacknowledged.pop(number, None)

    def _unacknowledged_before(self, end: int) -> int:
        """How many of the messages numbered below `end` nobody acknowledged. The numbers lie there in their order."""
        with self._lock:
            return sum(1 for _ in takewhile(lambda number: number < end, self._unacknowledged))

    def _done(self, number: int, error: KafkaError | None, message: Message) -> None:
        self._acknowledge(number)
        if error is not None:
            log.error("message refused", topic=message.topic(), reason=error.str())
            self._refuse(error.str())

    def _refuse(self, reason: str) -> None:
        self._refused = self._refused or reason

    def _raise_if_refused(self) -> None:
        if self._refused is not None:
            raise self._refusal()

    def _refusal(self) -> DeliveryError:
        return DeliveryError(f"the broker did not take a message: {self._refused}")


class _KafkaReader:
    """What a member of a group and a follower share: reading, pausing, knowing the end."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._client = KafkaConsumerClient(config, logger=_RdkafkaLog())
        self._assigned: set[Partition] = set()
        self._at_end: set[Partition] = set()

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        message = self._client.poll(timeout_s)
        if message is None:
            return None
        error = message.error()
        if error is None:
            return _record(message)
        if error.code() == KafkaError._PARTITION_EOF:
            self._at_end.add((str(message.topic()), int(message.partition() or 0)))
        elif error.fatal():
            raise KafkaException(error)
        else:
            log.warning("broker", reason=error.str())
        return None

    def pause(self) -> None:
        """See `Consumer.pause`."""
        self._client.pause(self._client.assignment())

    def resume(self) -> None:
        """See `Consumer.resume`."""
        self._client.resume(self._client.assignment())

    def assignment(self) -> Collection[Partition]:
        """See `Consumer.assignment`."""
        return frozenset(self._assigned)

    def caught_up(self) -> bool:
        """See `Consumer.caught_up`."""
        return bool(self._assigned) and self._at_end >= self._assigned

    def close(self) -> None:
        """See `Consumer.close`."""
        self._client.close()


class GroupConsumer(_KafkaReader):
    """A member of a consumer group."""

    def __init__(
        self, config: dict[str, Any], topics: Sequence[Topic], listener: Listener | None, *, reread: bool
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._reread = reread
        self._client.subscribe([topic.name for topic in topics], self._on_assign, self._on_revoke, self._on_lost)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `Consumer.commit`."""
        wanted = [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
        try:
            self._client.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            raise RetryLater(f"offsets not committed: {error.args[0].str()}") from None

    def _on_assign(self, client: KafkaConsumerClient, partitions: list[TopicPartition]) -> None:
        if self._reread:
            for each in partitions:
                each.offset = 0
            client.incremental_assign(partitions)
        names = _names(partitions)
        self._assigned |= names
        self._at_end -= names
        if self._listener is not None:
            self._listener.assigned(names)

    def _on_revoke(self, _client: KafkaConsumerClient, partitions: list[TopicPartition]) -> None:
        names = _names(partitions)
        if self._listener is not None:
            self._listener.revoked(names)
        self._drop(names)

    def _on_lost(self, _client: KafkaConsumerClient, partitions: list[TopicPartition]) -> None:
        # Also while the broker is away: librdkafka minds the session's end by its own clock.
        names = _names(partitions)
        if self._listener is not None:
            self._listener.lost(names)
        self._drop(names)

    def _drop(self, names: set[Partition]) -> None:
        self._assigned -= names
        self._at_end -= names


class Follower(_KafkaReader):
    """A reader of all partitions. While the broker or a topic is not there, `poll` returns nothing and tries again."""

    def __init__(self, config: dict[str, Any], topics: Sequence[Topic], start: Start) -> None:
        super().__init__(config | {"auto.offset.reset": start.value})
        self._topics = [topic.name for topic in topics]
        self._start = start

    def poll(self, timeout_s: float) -> Record | None:
        """See `Consumer.poll`."""
        if not self._assigned and not self._assign():
            return None
        return super().poll(timeout_s)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """A follower has nothing to commit."""
        raise NotImplementedError("a follower commits nothing")

    def _assign(self) -> bool:
        try:
            found = {topic: self._partitions(topic) for topic in self._topics}
        except KafkaException as error:
            log.warning("waiting for the broker", topics=self._topics, reason=error.args[0].str())
            return False
        if missing := [topic for topic, partitions in found.items() if not partitions]:
            log.warning("waiting for topics to be made", topics=missing)
            return False
        partitions = [each for of_topic in found.values() for each in of_topic]
        self._client.assign(partitions)
        self._assigned = _names(partitions)
        return True

    def _partitions(self, topic: str) -> list[TopicPartition]:
        metadata = self._client.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic]
        numbers = () if metadata.error else metadata.partitions
        return [TopicPartition(topic, number, self._first_offset(topic, number)) for number in numbers]

    def _first_offset(self, topic: str, number: int) -> int:
        # Asked for now, not at the first fetch: what is sent after the follower was made must reach it.
        low, high = self._client.get_watermark_offsets(TopicPartition(topic, number), timeout=METADATA_TIMEOUT_S)
        return low if self._start is Start.BEGINNING else high


class KafkaPartitionReader:
    """See `PartitionReader`."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._client = KafkaConsumerClient(config, logger=_RdkafkaLog())
        self._followed: set[Partition] = set()
        self._caught_up: set[Partition] = set()

    def follow(self, partition: Partition, since_ms: int) -> None:
        """See `PartitionReader.follow`."""
        try:
            offset = self._offset(partition, since_ms)
        except KafkaException as error:
            raise RetryLater(f"{partition[0]}: {error.args[0].str()}") from None
        self._client.incremental_assign([TopicPartition(*partition, offset)])
        self._followed.add(partition)

    def leave(self, partition: Partition) -> None:
        """See `PartitionReader.leave`."""
        self._client.incremental_unassign([TopicPartition(*partition)])
        self._followed.discard(partition)
        self._caught_up.discard(partition)

    def poll(self, timeout_s: float) -> Record | None:
        """See `PartitionReader.poll`."""
        message = self._client.poll(timeout_s)
        if message is None:
            return None
        error = message.error()
        source = (str(message.topic()), int(message.partition() or 0))
        if error is None:
            return _record(message) if source in self._followed else None
        if error.code() == KafkaError._PARTITION_EOF:
            self._caught_up |= {source} & self._followed
        elif error.fatal():
            raise KafkaException(error)
        else:
            log.warning("broker", reason=error.str())
        return None

    def followed(self) -> Collection[Partition]:
        """See `PartitionReader.followed`."""
        return frozenset(self._followed)

    def caught_up(self) -> Collection[Partition]:
        """See `PartitionReader.caught_up`."""
        return frozenset(self._caught_up)

    def close(self) -> None:
        """See `PartitionReader.close`."""
        self._client.close()

    def _offset(self, partition: Partition, since_ms: int) -> int:
        (found,) = self._client.offsets_for_times([TopicPartition(*partition, since_ms)], timeout=METADATA_TIMEOUT_S)
        if found.error is not None:
            raise KafkaException(found.error)
        if found.offset >= 0:
            return int(found.offset)
        # The end is asked for now, not at the first fetch: what is sent from here on must be read.
        _, high = self._client.get_watermark_offsets(TopicPartition(*partition), timeout=METADATA_TIMEOUT_S)
        return int(high)


def _names(partitions: Sequence[TopicPartition]) -> set[Partition]:
    return {(each.topic, each.partition) for each in partitions}


def _record(message: Message) -> Record:
    return Record(
        topic=str(message.topic()),
        partition=int(message.partition() or 0),
        offset=int(message.offset() or 0),
        key=(message.key() or b"").decode("utf-8", "replace"),
        value=message.value(),
        timestamp_ms=message.timestamp()[1],
        headers=_headers(message),
    )


def _headers(message: Message) -> dict[str, bytes]:
    pairs = cast("list[tuple[str, str | bytes | None]]", message.headers() or [])
    return {name: value for name, value in pairs if isinstance(value, bytes)}


class _RdkafkaLog:
    """librdkafka's own lines, as ours: those of one kind at most once in a while, since it repeats itself at each try.

    A broker that is away is no error of ours, and whoever waits for it says so: its lines are warnings at most.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._quiet_until_s: dict[str, float] = {}

    def log(self, level: int, text: str, *args: object) -> None:
        line = text % args if args else text
        kind = line.split("[", 1)[0]
        now_s = self._clock.monotonic_s()
        if now_s < self._quiet_until_s.get(kind, 0.0):
            return
        self._quiet_until_s[kind] = now_s + QUIET_S
        log.log(min(level, logging.WARNING), "librdkafka", text=line)
