"""Sets the broker up as the topic registry says, and says where it does not."""

from __future__ import annotations

import argparse
import os

from beffroi.common.runtime.settings import KafkaSettings
from beffroi.common.topics import TOPICS, every_topic
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from .kafka import connection

TIMEOUT_S = 30.0
DEFAULT_SLOTS = 12
"""Partitions of each camera topic: a camera's slot is one of them."""


class TopicMismatchError(Exception):
    """The broker's topics are not as the registry says."""


def create_topics(settings: KafkaSettings, slots: int = DEFAULT_SLOTS, replication: int = 1) -> list[str]:
    """Create what is missing, and return the names that were.

    Raises:
        TopicMismatchError: an existing topic has other settings; it says which and what to do.
        KafkaException: the broker refused or is away.
    """
    admin = AdminClient(connection(settings, "beffroi-admin"))
    existing = set(admin.list_topics(timeout=TIMEOUT_S).topics)
    data = {topic.name for topic in TOPICS}
    missing = [
        NewTopic(
            topic.name,
            num_partitions=slots if topic.name in data else 1,
            replication_factor=replication,
            config=topic.config,
        )
        for topic in every_topic()
        if topic.name not in existing
    ]
    if missing:
        for future in admin.create_topics(missing, operation_timeout=TIMEOUT_S).values():
            future.result()
    check_topics(admin)
    return [topic.topic for topic in missing]


def check_topics(admin: AdminClient) -> None:
    """Compare each topic's settings on the broker with the registry.

    Raises:
        TopicMismatchError: naming every difference.
    """
    resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in every_topic()]
    found = {resource.name: future.result() for resource, future in admin.describe_configs(resources).items()}
    wrong = [
        f"{topic.name}: {name} is {found[topic.name][name].value}, must be {value}"
        for topic in every_topic()
        for name, value in topic.config.items()
        if found[topic.name][name].value != value
    ]
    if wrong:
        raise TopicMismatchError(
            "; ".join(wrong) + ". Set them with kafka-configs.sh, or delete the topics to be made anew"
        )


def main() -> None:
    """`python -m beffroi.common.bus.admin`: create and check all topics."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--bootstrap-servers", default=os.environ.get("BEFFROI_KAFKA_BOOTSTRAP_SERVERS"), required=False
    )
    parser.add_argument("--slots", type=int, default=DEFAULT_SLOTS)
    parser.add_argument("--replication", type=int, default=1)
    arguments = parser.parse_args()
    if not arguments.bootstrap_servers:
        parser.error("--bootstrap-servers is needed")
    made = create_topics(
        KafkaSettings(bootstrap_servers=arguments.bootstrap_servers), arguments.slots, arguments.replication
    )
    print(f"topics: {len(made)} made, {len(every_topic()) - len(made)} were there")  # noqa: T201


if __name__ == "__main__":
    main()
