"""Who follows several topics begins when all of them are there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from confluent_kafka import TopicPartition

from beffroi_common.bus import Start
from beffroi_common.bus.kafka.consumers import KafkaFollower
from beffroi_common.topics import FRAMES_ANNOTATED, FRAMES_MASKED


class Young:
    """A broker's client while one topic is not known yet."""

    def __init__(self) -> None:
        self.known = {FRAMES_MASKED.name}
        self.assigned: list[TopicPartition] = []

    def list_topics(self, topic: str, timeout: float) -> SimpleNamespace:
        known = topic in self.known
        found = SimpleNamespace(error=None if known else "unknown", partitions={0: None} if known else {})
        return SimpleNamespace(topics={topic: found})

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        return (0, 5)

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned = partitions

    def poll(self, timeout_s: float) -> None:
        pass


def test_a_topic_that_comes_later_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    follower = KafkaFollower(
        {"bootstrap.servers": "127.0.0.1:1", "group.id": "f"}, [FRAMES_MASKED, FRAMES_ANNOTATED], Start.END
    )
    client = Young()
    monkeypatch.setattr(follower, "_client", client)
    follower.poll(0)
    assert not follower.assignment()
    client.known.add(FRAMES_ANNOTATED.name)
    follower.poll(0)
    assert set(follower.assignment()) == {(FRAMES_MASKED.name, 0), (FRAMES_ANNOTATED.name, 0)}
    assert [(each.topic, each.offset) for each in client.assigned] == [
        (FRAMES_MASKED.name, 5),
        (FRAMES_ANNOTATED.name, 5),
    ]
