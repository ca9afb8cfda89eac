"""One machine is not one trust zone: the real broker refuses whoever has no right, pair by pair."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from beffroi_common.bus.admin import EVERY_RIGHT, create_topics, grant_rights
from beffroi_common.bus.kafka import admin_client, connection
from beffroi_common.bus.kafka.configuration import consumer_config
from beffroi_common.bus.rights import RULES_CHANGELOG, TOPICS_USER, user_of
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import Service, every_topic
from beffroi_local.kafka import Broker, Users, broker
from beffroi_local.process import await_condition

TIMEOUT_S = 60.0
POLL_S = 0.2
REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
NOT_YET_LED = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
}
CAMERA = "frames.raw.v1"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker as the demo has it, with a changelog as the rules make it."""
    with broker(tmp_path_factory.mktemp("guarded"), Users.new()) as started:
        create_topics(started.settings(), slots=1)
        grant_rights(started.settings())
        rules = admin_client(started.settings(user_of(Service.RULES)), "test")
        rules.create_topics([NewTopic(RULES_CHANGELOG, 1)])[RULES_CHANGELOG].result(TIMEOUT_S)
        await_groups(started)
        yield started


def await_groups(started: Broker) -> None:
    """The first to ask for a group makes the topic of offsets, and has to ask again until that is led by somebody."""
    settings = started.settings(user_of(Service.INGEST))
    consumer = Consumer(consumer_config(settings, "test") | {"group.id": Service.INGEST.value})

    def answered() -> bool:
        try:
            consumer.committed([TopicPartition("cameras.v1", 0)], timeout=TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() not in NOT_YET_LED:
                raise
            return False
        return True

    await_condition(answered, TIMEOUT_S, "the groups to be led")
    consumer.close()


def offsets(guarded: Broker, service: Service, group: str) -> None:
    admin = admin_client(guarded.settings(user_of(service)), "test")
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT_S)
    asked[group].result(TIMEOUT_S)


def written(settings: KafkaSettings) -> dict[str, KafkaError | None]:
    """What the broker says to a message on each topic."""
    answers: dict[str, KafkaError | None] = {}

    def answered(error: KafkaError | None, message: Message) -> None:
        answers[str(message.topic())] = error

    producer = Producer(connection(settings, "test"))
    for topic in TOPICS:
        producer.produce(topic, b"hostile", b"key", on_delivery=answered)
    assert producer.flush(TIMEOUT_S) == 0
    return answers


def read(settings: KafkaSettings, service: Service) -> dict[str, KafkaError | None]:
    """What the broker says to whoever reads each topic. To read is to be told of a topic: who is not, cannot."""
    admin = admin_client(settings, "test")
    answers = {topic: admin.list_topics(topic, timeout=TIMEOUT_S).topics[topic].error for topic in TOPICS}
    told = [topic for topic, error in answers.items() if error is None]
    return answers | {topic: fetched(settings, service, topic) for topic in told}


def fetched(settings: KafkaSettings, service: Service, topic: str) -> KafkaError | None:
    group = f"{user_of(service)}-test"
    consumer = Consumer(consumer_config(settings, "test") | {"group.id": group})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    messages: list[Message] = []

    def answered() -> bool:
        messages.extend(filter(None, [consumer.poll(POLL_S)]))
        return bool(messages)

    try:
        await_condition(answered, TIMEOUT_S, f"an answer about {topic}")
    finally:
        consumer.close()
    error = messages[0].error()
    return None if error is None or error.code() == KafkaError._PARTITION_EOF else error


TOPICS = [*(topic.name for topic in every_topic()), RULES_CHANGELOG]


def allowed(service: Service, side: str) -> set[str]:
    own = {topic.name for topic in every_topic() if service in getattr(topic, side)}
    return own | ({RULES_CHANGELOG} if service is Service.RULES else set())


def judge(answers: Mapping[str, KafkaError | None], granted: set[str]) -> None:
    assert {topic for topic, error in answers.items() if error is None} == granted
    refusals = {error.code() for error in answers.values() if error is not None}
    assert refusals <= REFUSED


@pytest.mark.parametrize("service", Service)
def test_a_service_writes_its_topics_and_no_other(guarded: Broker, service: Service) -> None:
    judge(written(guarded.settings(user_of(service))), allowed(service, "producers"))


@pytest.mark.parametrize("service", Service)
def test_a_service_reads_its_topics_and_no_other(guarded: Broker, service: Service) -> None:
    judge(read(guarded.settings(user_of(service)), service), allowed(service, "consumers"))


@pytest.mark.parametrize("service", Service)
def test_a_service_has_its_groups_and_no_other(guarded: Broker, service: Service) -> None:
    for owner in Service:
        for group in (owner.value, f"{user_of(owner)}-follower"):
            if owner is service:
                offsets(guarded, service, group)
                continue
            with pytest.raises(KafkaException) as refused:
                offsets(guarded, service, group)
            assert refused.value.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED


def everything(principal: str) -> AclBinding:
    return AclBinding(
        ResourceType.TOPIC, "*", ResourcePatternType.LITERAL, principal, "*", AclOperation.ALL, AclPermissionType.ALLOW
    )


LONGER = ConfigResource(
    ResourceType.TOPIC,
    CAMERA,
    incremental_configs=[ConfigEntry("retention.ms", "-1", incremental_operation=AlterConfigOpType.SET)],
)
PASSWORD = UserScramCredentialUpsertion(
    user_of(Service.MASKER), ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"known"
)

ADMINISTRATION: dict[str, Callable[[AdminClient], Any]] = {
    "make a topic": lambda admin: admin.create_topics([NewTopic("other", 1)]),
    "delete a topic": lambda admin: admin.delete_topics(["alerts.v1"]),
    "add partitions": lambda admin: admin.create_partitions([NewPartitions(CAMERA, 9)]),
    "keep pictures longer": lambda admin: admin.incremental_alter_configs([LONGER]),
    "look at settings": lambda admin: admin.describe_configs([ConfigResource(ResourceType.TOPIC, "cameras.v1")]),
    "delete records": lambda admin: admin.delete_records([TopicPartition("status.v1", 0, 1)]),
    "give itself a right": lambda admin: admin.create_acls([everything("User:*")]),
    "take rights": lambda admin: admin.delete_acls([EVERY_RIGHT]),
    "set a password": lambda admin: admin.alter_user_scram_credentials([PASSWORD]),
}


@pytest.mark.parametrize("deed", ADMINISTRATION)
@pytest.mark.parametrize("service", Service)
def test_no_service_administers_the_broker(guarded: Broker, service: Service, deed: str) -> None:
    admin = admin_client(guarded.settings(user_of(service)), "test")
    answers: Mapping[Any, Future[Any]] = ADMINISTRATION[deed](admin)
    for answer in answers.values():
        with pytest.raises(KafkaException) as refused:
            answer.result(TIMEOUT_S)
        assert refused.value.args[0].code() in REFUSED


@pytest.mark.parametrize("service", Service)
def test_no_service_is_told_of_rights(guarded: Broker, service: Service) -> None:
    """The client hands back an empty list where the broker refuses."""
    admin = admin_client(guarded.settings(user_of(service)), "test")
    assert admin.describe_acls(EVERY_RIGHT).result(TIMEOUT_S) == []
    assert admin_client(guarded.settings(), "test").describe_acls(EVERY_RIGHT).result(TIMEOUT_S)


def stranger(port: int, **more: str) -> dict[str, Any]:
    return {"bootstrap.servers": f"127.0.0.1:{port}"} | {name.replace("_", "."): value for name, value in more.items()}


def scram(user: str, password: str) -> dict[str, str]:
    named = {"sasl_mechanism": "SCRAM-SHA-512", "sasl_username": user, "sasl_password": password}
    return {"security_protocol": "SASL_PLAINTEXT", **named}


def plain(user: str, password: str) -> dict[str, str]:
    return scram(user, password) | {"sasl_mechanism": "PLAIN"}


STRANGERS: dict[str, dict[str, str]] = {
    "with a wrong password": scram("beffroi-ingest", "guessed"),
    "with its name for a password": scram("beffroi-topics", "beffroi-topics"),
    "under an unknown name": scram("admin", "admin"),
    "as the broker": scram("beffroi-broker", "beffroi-broker"),
    "by another mechanism": plain("beffroi-topics", "admin"),
}


@pytest.mark.parametrize("way", STRANGERS)
@pytest.mark.parametrize("door", ["clients", "controller"])
def test_strangers_are_turned_away(guarded: Broker, way: str, door: str) -> None:
    port = guarded.port if door == "clients" else guarded.controller_port
    errors: list[int] = []
    settings = stranger(port, **STRANGERS[way]) | {"error_cb": lambda error: errors.append(error.code())}
    client = Producer(settings, logger=Silent())

    def turned_away() -> bool:
        client.poll(POLL_S)
        return KafkaError._AUTHENTICATION in errors or KafkaError._ALL_BROKERS_DOWN in errors

    await_condition(turned_away, TIMEOUT_S, "a refusal")
    with pytest.raises(KafkaException):
        client.list_topics(timeout=POLL_S)


DESCRIBE_CLUSTER = struct.pack(">hhih", 60, 0, 1, -1) + bytes(3)
"""Kafka's request of that name, with no client id: brokers and controllers answer it, were it asked by anybody."""


def answer_in_the_clear(port: int) -> bytes:
    """What comes back to whoever asks without saying who it is; nothing when the connection is ended."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client:
        client.sendall(struct.pack(">i", len(DESCRIBE_CLUSTER)) + DESCRIBE_CLUSTER)
        return client.recv(1024)


def test_whoever_does_not_say_who_it_is_gets_no_answer(guarded: Broker, kafka: str) -> None:
    assert answer_in_the_clear(int(kafka.rpartition(":")[2])), "a broker without users answers"
    for port in (guarded.port, guarded.controller_port):
        assert answer_in_the_clear(port) == b""


class Silent:
    def log(self, *_arguments: object) -> None:
        """Nothing."""


def test_rights_that_nobody_gave_are_taken_from_services_and_from_nobody_else(guarded: Broker) -> None:
    admin = admin_client(guarded.settings(), "test")
    surplus, kept = everything(f"User:{user_of(Service.API)}"), everything(f"User:{TOPICS_USER}")
    for given in admin.create_acls([surplus, kept]).values():
        given.result(TIMEOUT_S)
    await_condition(lambda: {surplus, kept} <= known_rights(admin), TIMEOUT_S, "the rights to be known")
    grant_rights(guarded.settings())
    assert surplus not in known_rights(admin)
    assert kept in known_rights(admin)


def known_rights(admin: AdminClient) -> set[AclBinding]:
    return set(admin.describe_acls(EVERY_RIGHT).result(TIMEOUT_S))
