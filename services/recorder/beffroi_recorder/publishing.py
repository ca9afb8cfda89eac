"""What became of a recording goes onto the bus, and nothing goes on before the broker has it."""

from __future__ import annotations

from beffroi_common.bus import Producer, RetryLater
from beffroi_common.contracts import Recording
from beffroi_common.topics import RECORDINGS

FLUSH_TIMEOUT_S = 5.0
"""Longest wait for the broker for one small message; longer is "retry later"."""


def publish(producer: Producer, recording: Recording, partition: int) -> None:
    """Send it, and wait until the broker has acknowledged it.

    Raises:
        RetryLater: it has not, in time. Publish the very same again: whoever reads it twice notices nothing.
    """
    producer.send(RECORDINGS, recording.key, recording, partition=partition)
    if producer.flush(FLUSH_TIMEOUT_S):
        raise RetryLater(
            f"the broker did not acknowledge in time that a recording is {recording.state.value}; "
            "it is away or too slow"
        )
