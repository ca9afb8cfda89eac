"""Topics whose partitions do not fit are said at the start, by whoever makes them and by whoever uses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined]
from tests.integration.processes import SLOTS, TIMEOUT_S, Service

from beffroi_common.bus.admin import create_topics
from beffroi_common.bus.kafka import TopicMismatchError, admin_client
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import FRAMES_RAW
from beffroi_local.kafka import Broker
from beffroi_local.ports import free_port, is_open
from beffroi_local.process import Command, await_condition, running


def test_partitions_that_do_not_fit_are_named(start_service: Callable[..., Service], tmp_path: Path) -> None:
    broker = Broker(folder=tmp_path / "kafka", port=free_port(), controller_port=free_port())
    broker.prepare()
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    with running(
        Command("kafka", broker.argv(), broker.folder), lambda: is_open(broker.port), TIMEOUT_S, stop_timeout_s=0
    ):
        create_topics(settings, slots=SLOTS)
        admin = admin_client(settings, "test")  # by name: what is asked dies with it
        for future in admin.create_partitions([NewPartitions(FRAMES_RAW.name, SLOTS + 1)]).values():
            future.result()
        await_condition(
            lambda: len(admin.list_topics(timeout=TIMEOUT_S).topics[FRAMES_RAW.name].partitions) > SLOTS,
            TIMEOUT_S,
            "one partition more",
        )
        with pytest.raises(TopicMismatchError, match=f"it has {SLOTS + 1} partitions, must have {SLOTS}"):
            create_topics(settings, slots=SLOTS)
        masker = start_service("masker", bootstrap_servers=broker.bootstrap_servers)
        await_condition(lambda: not masker.running, TIMEOUT_S, "the masker to end")
        assert f"{FRAMES_RAW.name} {SLOTS + 1}" in masker.log
