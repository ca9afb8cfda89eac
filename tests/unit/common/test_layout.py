"""A camera's slot is a partition of every topic, and what is not so is said by name."""

from __future__ import annotations

import pytest

from beffroi_common.bus.kafka.layout import Shape, TopicMismatchError, slots_of, wrong_shapes
from beffroi_common.topics import FRAMES_MASKED, FRAMES_RAW, TOPICS, Service, every_topic


def laid_out(slots: int = 12, copies: int = 3) -> dict[str, Shape]:
    data = {topic.name for topic in TOPICS}
    return {topic.name: Shape(slots if topic.name in data else 1, copies) for topic in every_topic()}


@pytest.mark.parametrize("service", Service)
def test_topics_that_are_alike_have_so_many_slots(service: Service) -> None:
    assert slots_of(laid_out(), service) == 12


def test_topics_that_are_not_alike_are_named_with_their_partitions() -> None:
    found = laid_out() | {FRAMES_MASKED.name: Shape(6, 3)}
    with pytest.raises(TopicMismatchError, match=r"frames\.masked\.v1 6, frames\.raw\.v1 12"):
        slots_of(found, Service.MASKER)
    assert slots_of(found, Service.INGEST) == 12, "it has nothing to do with that topic"


def test_a_topic_that_is_not_there_yet_is_waited_for() -> None:
    found = laid_out()
    del found[FRAMES_RAW.name]
    assert slots_of(found, Service.MASKER) == 0


def test_what_was_made_otherwise_is_said() -> None:
    assert wrong_shapes(laid_out(), 12, 3) == []
    found = laid_out() | {FRAMES_RAW.name: Shape(6, 1), FRAMES_RAW.dead_letters: Shape(12, 3)}
    assert wrong_shapes(found, 12, 3) == [
        "frames.raw.v1: it has 6 partitions, must have 12",
        "frames.raw.v1: it is on 1 brokers, must be on 3",
        "frames.raw.v1.dlq: it has 12 partitions, must have 1",
    ]
