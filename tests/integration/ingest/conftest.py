"""A broker with the registry's topics, and ingest beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from beffroi.common.bus.admin import create_topics
from beffroi.common.runtime.settings import KafkaSettings

from tests.integration.ingest.processes import SLOTS, Bus, Service


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
def start_ingest(kafka: str, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """`start_ingest(SETTING="value")` → ingest as a process, against the broker."""
    services: list[Service] = []

    def start(**settings: str) -> Service:
        service = Service("ingest", settings.pop("bootstrap_servers", kafka), tmp_path / "ingest", settings)
        services.append(service)
        service.start()
        return service

    yield start
    for service in services:
        service.stop(kill=True)
