"""A retention is a promise about the disk: expired pictures are gone from it, also when nobody writes any more."""

from __future__ import annotations

import dataclasses
import time
from contextlib import suppress
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from beffroi_common.bus.admin import (
    DEFAULT_BITS_PER_S,
    DEFAULT_CAMERAS,
    check_topics,
    create_topics,
)
from beffroi_common.bus.kafka import KafkaBus, TopicMismatchError, connection
from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, Stream
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import FRAMES_RAW, MAX_FRAME_RECORD_BYTES, Load, every_topic
from beffroi_local.kafka import broker

MARKER = b"what was seen behind the window" * 100
TIMEOUT_S = 120.0


def on_disk(folder: Path) -> bool:
    for path in folder.rglob("*.log"):
        with suppress(FileNotFoundError):  # Kafka renames a segment before it deletes it
            if MARKER in path.read_bytes():
                return True
    return False


def alter(admin: AdminClient, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result()


def difference(admin: AdminClient) -> str:
    """What `check_topics` says, once the broker applied the change, which it does a moment after it took it."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline_s:
        try:
            check_topics(admin, Load.of(DEFAULT_CAMERAS, 2, DEFAULT_BITS_PER_S), 2)
        except TopicMismatchError as error:
            return str(error)
    return "nothing"


def test_pictures_leave_the_disk_when_their_time_is_over_though_the_camera_died(tmp_path: Path) -> None:
    with broker(tmp_path) as running:
        settings = KafkaSettings(bootstrap_servers=running.bootstrap_servers)
        create_topics(settings, slots=1)
        # The registry's own settings but for the time itself, so that the test need not wait ten minutes.
        short = dataclasses.replace(FRAMES_RAW, retention=timedelta(seconds=3))
        admin = AdminClient(connection(settings, "test"))
        alter(admin, FRAMES_RAW.name, "retention.ms", short.config["retention.ms"])
        producer = KafkaBus(settings, "test", "test").producer()
        unit = AccessUnit(0, 0, 1, True, MARKER)
        batch = FrameBatch("place", Stream.MAIN, 1, 0, Fraction(1, 90000), Codec.H264, 640, 360, 0, (unit,))
        producer.send(FRAMES_RAW, "place", batch, partition=0)
        assert producer.flush(TIMEOUT_S) == 0
        partition = running.data / f"{FRAMES_RAW.name}-0"
        assert on_disk(partition)
        deadline_s = time.monotonic() + TIMEOUT_S
        while on_disk(partition):
            assert time.monotonic() < deadline_s, "expired pictures still lie on the disk"
            time.sleep(1)


def test_the_broker_is_as_the_registry_says_and_a_difference_is_told(kafka: str) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka)
    create_topics(settings, slots=2)
    assert create_topics(settings, slots=2) == []
    admin = AdminClient(connection(settings, "test"))
    alter(admin, FRAMES_RAW.name, "retention.ms", "604800000")
    try:
        told = difference(admin)
        assert "frames.raw.v1: retention.ms is 604800000, must be 600000" in told
    finally:
        alter(admin, FRAMES_RAW.name, "retention.ms", FRAMES_RAW.config["retention.ms"])


def test_one_limit_drives_broker_topic_producer_and_consumer(kafka: str) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka)
    create_topics(settings, slots=2)
    admin = AdminClient(connection(settings, "test"))
    brokers = ConfigResource(ResourceType.BROKER, "1")
    (found,) = (future.result() for future in admin.describe_configs([brokers]).values())
    client = connection(settings, "test")
    assert max(topic.max_record_bytes for topic in every_topic()) == MAX_FRAME_RECORD_BYTES
    assert int(found["message.max.bytes"].value) > MAX_FRAME_RECORD_BYTES
    assert client["message.max.bytes"] > MAX_FRAME_RECORD_BYTES
    assert client["receive.message.max.bytes"] > client["message.max.bytes"]
