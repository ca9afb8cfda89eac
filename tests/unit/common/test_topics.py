"""Pictures on the bus are bounded in time and, whatever the broker's clock says, in bytes."""

from __future__ import annotations

import pytest

from beffroi_common.topics import MAX_FRAME_RECORD_BYTES, Load, Topic, every_topic

FRAMES = [topic for topic in every_topic() if topic.frames]
LOADS = [Load.of(1, 1, 100_000), Load.of(120, 12, 8_000_000), Load.of(1000, 12, 25_000_000), Load.of(1, 4096, 1)]


@pytest.mark.parametrize("load", LOADS, ids=str)
@pytest.mark.parametrize("topic", FRAMES, ids=lambda topic: topic.name)
def test_every_topic_of_pictures_is_bounded_in_bytes(topic: Topic, load: Load) -> None:
    config = topic.config_under(load)
    assert topic.retention is not None
    most, segment = int(config["retention.bytes"]), int(config["segment.bytes"])
    assert most >= load.bytes_per_s * topic.retention.total_seconds(), "the time comes first"
    assert MAX_FRAME_RECORD_BYTES < segment < 2**31, "Kafka's own bounds"
    assert config.items() >= topic.config.items()


def test_whoever_holds_pictures_says_so() -> None:
    assert {topic.name for topic in FRAMES} == {
        each.name for each in every_topic() if each.name.startswith("frames.") and ".dlq" not in each.name
    }


def test_the_bound_grows_with_the_cameras_of_a_slot() -> None:
    assert Load.of(120, 12, 8_000_000).bytes_per_s == 2 * 10 * 1_000_000
    assert Load.of(121, 12, 8_000_000).bytes_per_s == 2 * 11 * 1_000_000
    assert Load.of(1, 12, 9).bytes_per_s == 2 * 2
