"""A broker with the registry's topics, and services as processes beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.integration.processes import SLOTS, Bus, Service

from beffroi_common.bus.admin import create_topics
from beffroi_common.runtime.settings import KafkaSettings


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
