"""A broker with the registry's topics, raw batches to send, and the masker beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from beffroi.common.bus.admin import create_topics
from beffroi.common.contracts import Camera, CameraSource, MaskDecision, MaskMode
from beffroi.common.runtime.settings import KafkaSettings

from tests.integration.ingest.processes import SLOTS, Bus, Service

TOP = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.4), (0.0, 0.4))
"""Everything but the lower part of the picture, where a test pattern has its number."""


@pytest.fixture
def bus(kafka: str) -> Iterator[Bus]:
    """The bus with all topics; cameras made on it are deleted at the end."""
    create_topics(KafkaSettings(bootstrap_servers=kafka), slots=SLOTS)
    bus = Bus(kafka)
    yield bus
    bus.forget_all()


@pytest.fixture
def name() -> str:
    """A camera's name that no other test has."""
    return f"camera-{uuid4().hex[:12]}"


@pytest.fixture
def decision() -> MaskDecision:
    """The upper part of the picture is masked."""
    return MaskDecision(
        mode=MaskMode.BURN, polygons=(TOP,), version=1, decided_by="dpo", decided_at=datetime(2026, 1, 1, tzinfo=UTC)
    )


@pytest.fixture
def masked_camera(name: str, decision: MaskDecision) -> Camera:
    """A test pattern with a mask over its upper part."""
    source = CameraSource(url="pattern:320x240@10")
    return Camera(id=name, name=name, commune="Lille", slot=0, source=source, masking=decision)


@pytest.fixture
def start_service(kafka: str, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """`start_service("masker", SETTING="value")` → a service as a process, against the broker."""
    services: list[Service] = []

    def start(service: str, **settings: str) -> Service:
        servers = settings.pop("bootstrap_servers", kafka)
        services.append(Service(service, servers, tmp_path / service, settings))
        services[-1].start()
        return services[-1]

    yield start
    for service in services:
        service.stop(kill=True)
