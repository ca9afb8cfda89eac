"""Who may do what on the broker: worked out from the registry of topics, so that no right is given by hand.

A service is a user of its own there. It writes and reads what the registry says, and nothing else exists for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from beffroi_common.topics import Service, every_topic

OWN = "beffroi-"
"""Begins the name of each of our users, and of each client that a service is."""

TOPICS_USER = f"{OWN}topics"
"""Makes topics and gives rights. No service signs in as this user."""

RULES_CHANGELOG = "rules-cameras-changelog"
"""The topic on which the rules keep their table. They make it themselves, with as many partitions as `tracks.v1`."""


class Operation(StrEnum):
    """What is done; each implies that the broker tells of the thing it is done to."""

    READ = "read"
    WRITE = "write"
    CREATE = "create"


class Resource(StrEnum):
    """What it is done to."""

    TOPIC = "topic"
    GROUP = "group"


@dataclass(frozen=True, order=True)
class Right:
    """One user may do one thing.

    Attributes:
        user: who.
        operation: what.
        resource: to which kind of thing.
        name: its name.
        prefixed: to everything whose name begins so.
    """

    user: str
    operation: Operation
    resource: Resource
    name: str
    prefixed: bool = False


def user_of(service: Service) -> str:
    """The user of Kafka that a service is."""
    return f"{OWN}{service.value}"


def rights() -> frozenset[Right]:
    """Every right that a service needs. Nobody has another."""
    return frozenset([*_on_topics(), *_on_groups(), *_on_changelog()])


def _on_topics() -> Iterator[Right]:
    for topic in every_topic():
        for service in topic.producers:
            yield Right(user_of(service), Operation.WRITE, Resource.TOPIC, topic.name)
        for service in topic.consumers:
            yield Right(user_of(service), Operation.READ, Resource.TOPIC, topic.name)


def _on_groups() -> Iterator[Right]:
    for service in Service:
        yield Right(user_of(service), Operation.READ, Resource.GROUP, service.value)
        # Readers that join no group must name one all the same: after themselves, as `KafkaBus` does.
        yield Right(user_of(service), Operation.READ, Resource.GROUP, f"{user_of(service)}-", prefixed=True)


def _on_changelog() -> Iterator[Right]:
    for operation in Operation:
        yield Right(user_of(Service.RULES), operation, Resource.TOPIC, RULES_CHANGELOG)
