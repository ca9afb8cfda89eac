"""Sets the broker up as the topic registry says, topics and rights, and says where it does not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from pydantic import Field, ValidationError
from pydantic_settings import SettingsConfigDict

from beffroi_common.contracts.base import explain
from beffroi_common.contracts.camera import MAX_SLOTS
from beffroi_common.runtime.settings import KafkaSettings, StrictSettings
from beffroi_common.topics import TOPICS, Load, Service, every_topic

from .kafka import TopicMismatchError, admin_client
from .kafka.layout import shapes, wrong_shapes
from .rights import Operation, Resource, Right, rights, user_of

TIMEOUT_S = 30.0
KNOWN_POLL_S = 0.05
DEFAULT_SLOTS = 12
"""Partitions of each camera topic: a camera's slot is one of them."""


DEFAULT_CAMERAS = 120
DEFAULT_BITS_PER_S = 8_000_000


def create_topics(
    settings: KafkaSettings,
    slots: int = DEFAULT_SLOTS,
    replication: int = 1,
    cameras: int = DEFAULT_CAMERAS,
    bits_per_s: int = DEFAULT_BITS_PER_S,
) -> list[str]:
    """Create what is missing, and return the names that were.

    Args:
        settings: how to reach the broker.
        slots: partitions of each camera topic.
        replication: brokers that hold each message.
        cameras: of the site, at most.
        bits_per_s: of one camera, at most.

    Raises:
        TopicMismatchError: an existing topic has other settings; it says which and what to do.
        KafkaException: the broker refused or is away.
    """
    admin = admin_client(settings, "beffroi-admin")
    load = Load.of(cameras, slots, bits_per_s)
    existing = set(admin.list_topics(timeout=TIMEOUT_S).topics)
    data = {topic.name for topic in TOPICS}
    missing = [
        NewTopic(
            topic.name,
            num_partitions=slots if topic.name in data else 1,
            replication_factor=replication,
            config=topic.config_under(load),
        )
        for topic in every_topic()
        if topic.name not in existing
    ]
    if missing:
        for future in admin.create_topics(missing, operation_timeout=TIMEOUT_S).values():
            future.result()
        _await_known(admin, {topic.topic for topic in missing})
    check_topics(admin, load, slots, replication)
    return [topic.topic for topic in missing]


def _await_known(admin: AdminClient, names: set[str]) -> None:
    """Wait until the broker knows the topics that its controller has just made: they reach it a little later."""
    _await(lambda: names <= set(admin.list_topics(timeout=TIMEOUT_S).topics), "topics that were made are still unknown")


def _await(known: Callable[[], bool], complaint: str) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not known():
        if time.monotonic() > deadline_s:
            raise TopicMismatchError(f"{complaint}. Try again")
        time.sleep(KNOWN_POLL_S)


def check_topics(admin: AdminClient, load: Load, slots: int, replication: int = 1) -> None:
    """Compare each topic on the broker with the registry: its partitions, its copies, and its settings under a load.

    Raises:
        TopicMismatchError: naming every difference.
    """
    resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in every_topic()]
    found = {resource.name: future.result() for resource, future in admin.describe_configs(resources).items()}
    wrong = [
        f"{topic.name}: {name} is {found[topic.name][name].value}, must be {value}"
        for topic in every_topic()
        for name, value in topic.config_under(load).items()
        if found[topic.name][name].value != value
    ]
    wrong += wrong_shapes(shapes(admin.list_topics(timeout=TIMEOUT_S)), slots, replication)
    if wrong:
        raise TopicMismatchError(
            "; ".join(wrong) + ". Set them with kafka-configs.sh, or delete the topics to be made again"
        )


OPERATIONS = {
    Operation.READ: AclOperation.READ,
    Operation.WRITE: AclOperation.WRITE,
    Operation.CREATE: AclOperation.CREATE,
}
RESOURCES = {Resource.TOPIC: ResourceType.TOPIC, Resource.GROUP: ResourceType.GROUP}
PRINCIPAL = "User:"


def grant_rights(settings: KafkaSettings) -> None:
    """Give every service the rights that the registry says, and take from them all others.

    Raises:
        TopicMismatchError: the broker does not say in time that it knows them.
        KafkaException: the broker refused or is away.
    """
    admin = admin_client(settings, "beffroi-admin")
    wanted = {_binding(right) for right in rights()}
    found = _rights_of_services(admin)
    if missing := wanted - found:
        for given in admin.create_acls(list(missing), request_timeout=TIMEOUT_S).values():
            given.result()
    if surplus := found - wanted:
        for taken in admin.delete_acls([_exactly(each) for each in surplus], request_timeout=TIMEOUT_S).values():
            taken.result()
    _await(lambda: _rights_of_services(admin) == wanted, "the rights that were given are still unknown to the broker")


def _rights_of_services(admin: AdminClient) -> set[AclBinding]:
    """What services may do. Whoever makes topics keeps its own rights, and what somebody forbade stays forbidden."""
    found = admin.describe_acls(EVERY_RIGHT, request_timeout=TIMEOUT_S).result()
    services = {PRINCIPAL + user_of(service) for service in Service}
    allowed = (each for each in found if each.permission_type is AclPermissionType.ALLOW)
    return {each for each in allowed if each.principal in services}


def _binding(right: Right) -> AclBinding:
    return AclBinding(
        RESOURCES[right.resource],
        right.name,
        ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL,
        PRINCIPAL + right.user,
        "*",
        OPERATIONS[right.operation],
        AclPermissionType.ALLOW,
    )


EVERY_RIGHT = AclBindingFilter(
    ResourceType.ANY,
    None,  # type: ignore[arg-type]  # any name, any user, any host
    ResourcePatternType.ANY,
    None,  # type: ignore[arg-type]
    None,  # type: ignore[arg-type]
    AclOperation.ANY,
    AclPermissionType.ANY,
)


def _exactly(one: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        one.restype,
        one.name,
        one.resource_pattern_type,
        one.principal,
        one.host,
        one.operation,
        one.permission_type,
    )


class TopicsSettings(StrictSettings):
    """Settings of `python -m beffroi_common.bus.admin`: variables that begin with BEFFROI_TOPICS_."""

    model_config = SettingsConfigDict(env_prefix="BEFFROI_TOPICS_")

    kafka: KafkaSettings
    slots: int = Field(default=DEFAULT_SLOTS, ge=1, le=MAX_SLOTS)
    """Partitions of each camera topic."""
    replication: int = Field(default=1, ge=1)
    """Brokers that hold each message; one broker has no other."""
    cameras: int = Field(default=DEFAULT_CAMERAS, ge=1)
    """Cameras of the site at most: topics of pictures are bounded in bytes by it, beside their time."""
    camera_bits_per_s: int = Field(default=DEFAULT_BITS_PER_S, ge=100_000)
    """Bitrate of a camera at most."""
    grant: bool = False
    """Also give every service its rights, and take others from it. Not where something else keeps them, as Strimzi does
    for each KafkaUser: it would take them back."""


def main() -> None:
    """`python -m beffroi_common.bus.admin`: create and check all topics."""
    try:
        settings = TopicsSettings()
        made = create_topics(
            settings.kafka, settings.slots, settings.replication, settings.cameras, settings.camera_bits_per_s
        )
        if settings.grant:
            grant_rights(settings.kafka)
    except ValidationError as error:
        sys.exit(f"BEFFROI_TOPICS_*: {explain(error)}")
    except (TopicMismatchError, KafkaException) as error:
        sys.exit(f"topics: {error}")
    print(f"topics: {len(made)} made, {len(every_topic()) - len(made)} were there")  # noqa: T201


if __name__ == "__main__":
    main()
