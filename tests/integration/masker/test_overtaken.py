"""A masker that stands still while the broker deletes what it has yet to read says so when it goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from confluent_kafka import TopicPartition
from tests.integration.processes import Bus, Service

from beffroi_common.bus import Record
from beffroi_common.bus.kafka import admin_client
from beffroi_common.contracts import Camera, Level
from beffroi_common.contracts.status import decode_status
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import FRAMES_MASKED, FRAMES_RAW, STATUS


def says(found: list[Record], code: str) -> bool:
    status = decode_status(found[-1].value or b"")
    return status.code == code and status.level is Level.ERROR


def test_what_was_deleted_while_it_was_frozen_is_said_and_counted(
    kafka: str, bus: Bus, start_service: Callable[..., Service], masked_camera: Camera
) -> None:
    bus.configure(masked_camera)
    start_service("ingest")
    masker = start_service("masker", KAFKA__SESSION_TIMEOUT_S="6")
    masked = bus.batches(FRAMES_MASKED, masked_camera.id, lambda found: len(found) >= 4)
    os.kill(masker.pid, signal.SIGSTOP)
    frozen_at = masked[-1].sequence
    raw = bus.read(FRAMES_RAW, masked_camera.id, lambda found: len(found) >= frozen_at + 40, "20 s of pictures")
    admin = admin_client(KafkaSettings(bootstrap_servers=kafka), "test")  # by name: what is asked dies with it
    deleted = TopicPartition(FRAMES_RAW.name, raw[-1].partition, raw[-1].offset)
    for future in admin.delete_records([deleted]).values():
        future.result()
    os.kill(masker.pid, signal.SIGCONT)
    bus.read(STATUS, "service/masker/test", lambda found: says(found, "overtaken"), "word of what was lost")
    assert masker.metric("beffroi_records_overtaken_total", topic=FRAMES_RAW.name) > 0
    bus.batches(FRAMES_MASKED, masked_camera.id, lambda found: found[-1].sequence > frozen_at + 40)
    assert masker.running
