"""librdkafka's settings; its defaults that bite are set here, once."""

from __future__ import annotations

from typing import Any

from beffroi_common.bus.interfaces import Start
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import MAX_FRAME_RECORD_BYTES, MAX_SMALL_RECORD_BYTES, RECORD_OVERHEAD_BYTES

LINGER_MS = 5
"""Wait for company: a batch is half a second old already, five milliseconds more cost nothing."""

LOWEST_OFFSET_MS = 10_000
"""So often librdkafka asks how far the broker has deleted, which it does as part of its statistics and never else."""

BATCH_BYTES = MAX_SMALL_RECORD_BYTES // 2
"""What travels together, where librdkafka's default is a megabyte: a topic's size limit applies to the batch, and one
beyond it is refused for good. A single record larger than this travels alone. Half: it counts before compression."""

FOR_EVER = 0
"""librdkafka: a message is tried until the broker has it, or refuses it. A broker that is away refuses nothing, so it
ends no process; what may wait for it is bounded in bytes."""


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
        "socket.timeout.ms": int(settings.request_timeout_s * 1000),
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


def producer_config(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Settings of a producer: bounded in bytes, nothing lost or doubled by a retry."""
    return connection(settings, client_id) | {
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": LINGER_MS,
        "batch.size": BATCH_BYTES,
        "queue.buffering.max.kbytes": settings.queue_bytes // 1024,
        "request.timeout.ms": int(settings.request_timeout_s * 1000),
        "delivery.timeout.ms": FOR_EVER,
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
        "statistics.interval.ms": LOWEST_OFFSET_MS,
    }
