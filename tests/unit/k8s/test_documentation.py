"""What docs/sre.md says about rights on Kafka is what the registry says."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from beffroi_common.topics import TOPICS, Service

TEXT = (Path(__file__).parents[3] / "docs" / "sre.md").read_text()


def _names(services: Collection[Service]) -> str:
    return "all" if len(services) == len(Service) else ", ".join(sorted(services))


def test_rights_on_kafka_are_those_of_the_registry() -> None:
    written = re.findall(r"^\| `([a-z.]+\.v\d+)` \| ([a-z, ]+) \| ([a-z, ]+) \|$", TEXT, flags=re.MULTILINE)
    assert written == [(topic.name, _names(topic.producers), _names(topic.consumers)) for topic in TOPICS]
