"""What became of a recording is said once, however long the broker is away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.refusing import RefusingProducer

from beffroi_common.bus import InvalidRecord, RetryLater
from beffroi_common.contracts import Contract, FrameBatch, Recording, RecordingState
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.foreign_clock import ForeignClock
from beffroi_common.topics import RECORDINGS, Topic
from beffroi_recorder.publishing import Publication
from beffroi_testing import MemoryBroker, MemoryBus

START = datetime(2026, 11, 1, tzinfo=UTC)


class Patient:
    """A producer whose messages wait while the broker is away."""

    def __init__(self) -> None:
        self.away = False
        self.broker_clock = ForeignClock("broker", SystemClock())
        self.sent: list[tuple[str, RecordingState]] = []

    def send(
        self,
        topic: Topic,
        key: str,
        value: Contract | FrameBatch | None,
        *,
        partition: int | None = None,
        **_more: object,
    ) -> None:
        assert topic is RECORDINGS
        assert isinstance(value, Recording)
        assert partition == 1
        self.sent.append((key, value.state))

    def flush(self, timeout_s: float) -> int:
        return int(self.away)

    def close(self) -> None:
        pass


def recording(number: int, state: RecordingState = RecordingState.STORED, after_s: float = 0) -> Recording:
    at = START + timedelta(minutes=number)
    return Recording(
        camera="gate",
        store="recordings",
        object_name=f"segments/{number}.mp4",
        state=state,
        starts_at=at,
        ends_at=at + timedelta(seconds=59),
        frames=600,
        batches=120,
        missing_batches=0,
        width=160,
        height=96,
        codec="avc1.42c01e",
        mask_versions=(1,),
        size_bytes=1000,
        sha256="0" * 64,
        previous_sha256=None,
        changed_at=at + timedelta(seconds=60 + after_s),
    )


def test_what_is_tried_again_is_waited_for_and_not_sent_again() -> None:
    producer = Patient()
    publication = Publication(producer)
    producer.away = True
    for second in range(100):
        with pytest.raises(RetryLater):
            publication.publish(recording(0, RecordingState.DESTROYED, second), 1)
    producer.away = False
    publication.publish(recording(0, RecordingState.DESTROYED, 100), 1)
    assert producer.sent == [(recording(0).key, RecordingState.DESTROYED)]


def test_the_next_is_sent_also_in_place_of_one_that_was_given_up() -> None:
    producer = Patient()
    publication = Publication(producer)
    producer.away = True
    with pytest.raises(RetryLater):
        publication.publish(recording(0), 1)
    producer.away = False
    publication.publish(recording(1), 1)
    publication.publish(recording(1, RecordingState.DESTROYED), 1)
    publication.publish(recording(1), 1)
    assert [state.value for _, state in producer.sent] == ["stored", "stored", "destroyed", "stored"]


def test_another_version_of_an_object_is_sent_though_the_first_one_waits() -> None:
    """Who lost a camera while the broker was away, and got it back, makes its segment anew, with more pictures."""
    producer = Patient()
    publication = Publication(producer)
    first, second = recording(0), recording(0).model_copy(update={"sha256": "1" * 64})
    producer.away = True
    for version in (first, second, second, first):
        with pytest.raises(RetryLater):
            publication.publish(version, 1)
    producer.away = False
    publication.publish(first, 1)
    assert len(producer.sent) == 3, "what is said last is what is stored"


def test_a_recording_that_is_refused_ends_nobody() -> None:
    broker = MemoryBroker()
    producer = RefusingProducer(MemoryBus(broker).producer())
    publication = Publication(producer)
    producer.refusals[RECORDINGS.name] = [RetryLater("not authorised"), InvalidRecord("too large"), None]
    with pytest.raises(RetryLater, match="at present"):
        publication.publish(recording(0), 1)
    publication.publish(recording(0), 1)  # the broker will never take it: it is said, and the next one goes on
    publication.publish(recording(1), 1)
    publication.remove(recording(2).key, 1)
    assert [record.key for record in broker.records(RECORDINGS)] == [recording(1).key, recording(2).key]
