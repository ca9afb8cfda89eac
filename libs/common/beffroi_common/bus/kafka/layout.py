"""Whether the topics are laid out as they must be: a camera's slot is a partition of every one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]

from beffroi_common.errors import Fatal
from beffroi_common.runtime.lifecycle import Runtime
from beffroi_common.runtime.settings import KafkaSettings, SettingsError
from beffroi_common.topics import TOPICS, Service, Topic, every_topic

from .clients import admin_client

log = structlog.get_logger(__name__)

ASK_S = 5.0
"""One wait for the broker's answer, and the one before it is asked again."""


class TopicMismatchError(Fatal):
    """The broker's topics are not as the registry says."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Of one topic, as the broker has it."""

    partitions: int
    copies: int
    """Of the partition that has fewest."""


def shapes(metadata: ClusterMetadata) -> dict[str, Shape]:
    """The shape of each topic that is there."""
    return {
        name: Shape(len(topic.partitions), min(len(each.replicas) for each in topic.partitions.values()))
        for name, topic in metadata.topics.items()
        if topic.error is None and topic.partitions
    }


def wrong_shapes(found: Mapping[str, Shape], slots: int, replication: int) -> list[str]:
    """Each topic of the registry that has other partitions or copies than it was to have, in words."""
    data = {topic.name for topic in TOPICS}
    wrong: list[str] = []
    for name in (topic.name for topic in every_topic()):
        wanted = slots if name in data else 1
        if found[name].partitions != wanted:
            wrong.append(f"{name}: it has {found[name].partitions} partitions, must have {wanted}")
        if found[name].copies != replication:
            wrong.append(f"{name}: it is on {found[name].copies} brokers, must be on {replication}")
    return wrong


def slots_of(found: Mapping[str, Shape], service: Service) -> int:
    """How many slots there are for a service; 0: not all of its topics are there.

    Raises:
        TopicMismatchError: its topics have not all the same.
    """
    counts = {topic.name: found[topic.name].partitions for topic in _topics_of(service) if topic.name in found}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        raise TopicMismatchError(
            f"they have different numbers of partitions ({said}), and a camera's slot must be a partition of each: "
            "give those with fewer as many as the others (kafka-topics.sh --alter --partitions)"
        )
    return next(iter(counts.values())) if len(counts) == len(_topics_of(service)) else 0


def await_slots(settings: KafkaSettings, service: Service, runtime: Runtime, period_s: float) -> int | None:
    """Wait until the broker shows a service its topics, and return how many slots they have; None: asked to stop.

    Raises:
        SettingsError: see `slots_of`.
    """
    admin = admin_client(settings, f"beffroi-{service}-{runtime.instance}")
    try:
        return runtime.wait_for(
            lambda timeout_s: _ask(admin, service, timeout_s),
            period_s,
            "waiting for the topics: are they made, and is the broker running?",
            bootstrap_servers=settings.bootstrap_servers,
        )
    except TopicMismatchError as reason:
        raise SettingsError(f"topics: {reason}") from None


def watch_slots(
    settings: KafkaSettings, service: Service, runtime: Runtime, slots: int, on_bug: Callable[[BaseException], None]
) -> None:
    """Do the same beside whoever starts without a broker; `slots` is what its settings say.

    `on_bug` is called with a TopicMismatchError where they are not alike.
    """

    def ask() -> None:
        try:
            _compare(settings, service, runtime, slots)
        except BaseException as error:  # noqa: BLE001 - it ends the process, and not this thread alone
            log.critical("the topics are not as they must be", reason=str(error))
            on_bug(error)

    threading.Thread(target=ask, name="topics", daemon=True).start()


def _compare(settings: KafkaSettings, service: Service, runtime: Runtime, slots: int) -> None:
    admin = admin_client(settings, f"beffroi-{service}-{runtime.instance}")
    while not runtime.stop.is_set():
        found = _ask(admin, service, ASK_S)
        if found == slots:
            return
        if found:
            raise TopicMismatchError(f"they have {found} partitions, and the settings say {slots} slots")
        runtime.stop.wait(ASK_S)


def _ask(admin: AdminClient, service: Service, timeout_s: float) -> int:
    try:
        return slots_of(shapes(admin.list_topics(timeout=timeout_s)), service)
    except KafkaException:
        return 0


def _topics_of(service: Service) -> list[Topic]:
    return [topic for topic in TOPICS if service in topic.producers | topic.consumers]
