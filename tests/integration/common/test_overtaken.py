"""What a real broker deletes before it is read: it is seen coming, and counted when it came."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from uuid import uuid4

from confluent_kafka import TopicPartition
from tests.integration.processes import SLOTS

from beffroi_common.bus import Backlog, Partition, Processor, Record, run
from beffroi_common.bus.admin import create_topics
from beffroi_common.bus.kafka import KafkaBus, admin_client
from beffroi_common.bus.kafka.configuration import LOWEST_OFFSET_MS
from beffroi_common.contracts import DeadLetter
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import VIEWERS, dead_letter_topic

TIMEOUT_S = 60.0
TOPIC = dead_letter_topic(VIEWERS)
"""Kept for seven days, in one partition, and nobody else writes it here."""


class Reads(Processor):
    """Stops the loop after so many records, or when it is told to."""

    def __init__(self, most: int) -> None:
        self.records: list[Record] = []
        self.stop = threading.Event()
        self._most = most

    def handle(self, record: Record) -> None:
        self.records.append(record)
        if len(self.records) == self._most:
            self.stop.set()

    def tick(self) -> None: ...

    def needed(self) -> Mapping[Partition, int]:
        return {}

    def assigned(self, partitions: Collection[Partition]) -> None: ...

    def revoked(self, partitions: Collection[Partition]) -> None: ...


def test_what_the_broker_deleted_before_it_was_read_is_counted(kafka: str) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka, session_timeout_s=6)
    create_topics(settings, slots=SLOTS)
    bus, backlog, group = KafkaBus(settings, "test", uuid4().hex), Backlog(SystemClock()), uuid4().hex
    producer = bus.producer()

    def read(most: int) -> list[Record]:
        reads = Reads(most)
        run(
            bus,
            reads,
            service="test",
            group=group,
            topics=[TOPIC],
            producer=producer,
            stop=reads.stop,
            clock=SystemClock(),
            backlog=backlog,
        )
        return reads.records

    letter = DeadLetter(topic=VIEWERS.name, partition=0, offset=0, key="gate", reason="a test", service="test",
                        at=SystemClock().now(), size_bytes=0, sha256="0" * 64)  # fmt: skip
    for _ in range(20):
        producer.send(TOPIC, "gate", letter, partition=0)
    assert producer.flush(TIMEOUT_S) == 0
    first = read(5)
    assert backlog.loss is None
    begin = first[-1].offset + 8
    admin = admin_client(settings, "test")
    for future in admin.delete_records([TopicPartition(TOPIC.name, 0, begin)]).values():
        future.result()
    second = read(5)
    assert [each.overtaken for each in second[:2]] == [7, 0]
    assert backlog.loss is not None

    consumer = bus.consumer(uuid4().hex, [TOPIC])
    deadline_s = time.monotonic() + TIMEOUT_S + LOWEST_OFFSET_MS / 1000
    while not (ends := consumer.ends()) or ends[TOPIC.name, 0].begin != begin:
        assert time.monotonic() < deadline_s
        consumer.poll(0.2)
    assert ends[TOPIC.name, 0].end >= begin + 5
    consumer.close()
    producer.close()
