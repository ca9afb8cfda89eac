"""What became of a recording goes onto the bus, and nothing goes on before the broker has it."""

from __future__ import annotations

from beffroi_common.bus import Producer, RetryLater
from beffroi_common.contracts import Recording, RecordingState
from beffroi_common.topics import RECORDINGS

FLUSH_TIMEOUT_S = 5.0
"""Longest wait for the broker for one small message; longer is "retry later"."""


class Publication:
    """Publishes one recording after the other, for one thread.

    A message that was handed to the producer waits there for as long as the broker is away. So what is published again
    after "retry later" is waited for, and not sent a second time.
    """

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._sent: set[tuple[str, RecordingState]] = set()

    def publish(self, recording: Recording, partition: int) -> None:
        """Send it, and wait until the broker has acknowledged it.

        Raises:
            RetryLater: it has not, in time. Publish the very same again.
        """
        said = (recording.key, recording.state)
        if said not in self._sent:
            self._producer.send(RECORDINGS, recording.key, recording, partition=partition)
            self._sent.add(said)
        if self._producer.flush(FLUSH_TIMEOUT_S):
            raise RetryLater(
                f"the broker did not acknowledge in time that a recording is {recording.state.value}; "
                "it is away or too slow"
            )
        self._sent.clear()
