"""A masker that may not read `cameras.v1` any more, against a broker that minds rights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from tests.integration.masker.test_service import at_least, distinct
from tests.integration.processes import SLOTS, TIMEOUT_S, Bus, Service

from beffroi_common.bus.admin import create_topics
from beffroi_common.bus.kafka import admin_client
from beffroi_common.contracts import Camera, MaskDecision
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import CAMERAS, FRAMES_MASKED, FRAMES_RAW
from beffroi_local.kafka import READY_TIMEOUT_S, Broker
from beffroi_local.ports import free_port, is_open
from beffroi_local.process import Command, await_condition, running

StartService = Callable[..., Service]

MINDS_RIGHTS = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""

EVERYBODY = "User:ANONYMOUS"
"""There is one user here. So each topic without a word on rights is everybody's."""


@pytest.fixture
def kafka_settings(tmp_path: Path) -> Iterator[KafkaSettings]:
    broker = Broker(folder=tmp_path / "kafka", port=free_port(), controller_port=free_port())
    broker.prepare()
    with broker.config_file.open("a") as config:
        config.write(MINDS_RIGHTS)
    command = Command("kafka", broker.argv(), broker.folder)
    with running(command, lambda: is_open(broker.port), READY_TIMEOUT_S, stop_timeout_s=0):
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        create_topics(settings, slots=SLOTS)
        yield settings


def allow(settings: KafkaSettings, operation: AclOperation) -> None:
    """Let everybody do this with `cameras.v1`, and nothing else that is not allowed too."""
    right = AclBinding(
        ResourceType.TOPIC,
        CAMERAS.name,
        ResourcePatternType.LITERAL,
        EVERYBODY,
        "*",
        operation,
        AclPermissionType.ALLOW,
    )
    admin = admin_client(settings, "test")
    for done in admin.create_acls([right]).values():
        done.result(TIMEOUT_S)


def allow_everything(settings: KafkaSettings) -> None:
    """Nothing is said of rights on `cameras.v1` any more."""
    any_right = AclBindingFilter(
        ResourceType.TOPIC,
        CAMERAS.name,
        ResourcePatternType.LITERAL,
        None,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    admin = admin_client(settings, "test")
    for done in admin.delete_acls([any_right]).values():
        done.result(TIMEOUT_S)


def test_nothing_passes_by_masks_that_may_have_changed_unheard_and_nothing_is_lost(
    kafka_settings: KafkaSettings, start_service: StartService, masked_camera: Camera, decision: MaskDecision
) -> None:
    name = masked_camera.id
    bus = Bus(kafka_settings.bootstrap_servers)
    bus.configure(masked_camera)
    start_service("ingest", bootstrap_servers=kafka_settings.bootstrap_servers)
    masker = start_service("masker", bootstrap_servers=kafka_settings.bootstrap_servers, CONFIGURATION_AGE_S="5")
    bus.batches(FRAMES_MASKED, name, at_least(3))

    allow(kafka_settings, AclOperation.WRITE)  # who may write may ask where a topic ends, too
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    later = decision.model_copy(update={"polygons": (whole,), "version": 2})
    bus.configure(masked_camera.model_copy(update={"masking": later, "version": 2}))
    bus.await_status(name, "masker", "stale_configuration")
    passed = len(bus.everything(FRAMES_MASKED))
    raw = len(bus.everything(FRAMES_RAW))
    await_condition(lambda: len(bus.everything(FRAMES_RAW)) > raw + 10, TIMEOUT_S, "pictures that wait")
    assert len(bus.everything(FRAMES_MASKED)) == passed
    assert masker.is_live()

    allow_everything(kafka_settings)
    sent = bus.batches(FRAMES_RAW, name, lambda found: len(found) > raw + 20)
    masked = distinct(bus.batches(FRAMES_MASKED, name, lambda found: found[-1].identity == sent[-1].identity))
    assert [batch.identity for batch in masked] == [batch.identity for batch in sent]
    assert {batch.mask_version for batch in masked[:passed]} == {1}
    assert {batch.mask_version for batch in masked[passed:]} == {2}
    bus.await_status(name, "masker", "masked")
