"""What became of a recording goes onto the bus, and nothing goes on before the broker has it."""

from __future__ import annotations

from beffroi_common.bus import Producer, RetryLater
from beffroi_common.bus.deliveries import Deliveries
from beffroi_common.contracts import Recording, RecordingState
from beffroi_common.topics import RECORDINGS

FLUSH_TIMEOUT_S = 5.0
"""Longest wait for the broker for one small message; longer is "retry later"."""


class Publication:
    """Publishes one recording after the other, for one thread.

    A message that was handed to the producer waits there for as long as the broker is away. So what is published again
    after "retry later" is waited for, and not sent a second time. But of one object another version may have been made
    meanwhile, by whoever lost its camera and got it back: what was said last must be what is stored.
    """

    def __init__(self, producer: Producer, slots: int | None = None) -> None:
        """Begin with nothing said.

        Args:
            producer: sends it.
            slots: partitions of `recordings.v1`. What is in a bucket may name one more: its broker was made anew since.
                None: nothing is published that comes out of a bucket.
        """
        self._deliveries = Deliveries(producer)
        self._slots = slots
        self._sent: dict[str, tuple[RecordingState, str]] = {}
        """By key, what was said last: how it is, and the digest of which content."""

    def publish(self, recording: Recording, partition: int) -> None:
        """Send it, and wait until the broker has acknowledged it. One that it never takes is said, and given up.

        Raises:
            RetryLater: it has not, in time, or takes none at present. Publish the very same again.
        """
        said = (recording.state, recording.sha256)
        if self._sent.get(recording.key) != said:
            partition = partition if self._slots is None else partition % self._slots
            self._deliveries.send(RECORDINGS, recording.key, recording, partition=partition)
            self._sent[recording.key] = said
        self.await_taken()

    def await_taken(self) -> None:
        """Wait until the broker has acknowledged what was sent.

        Raises:
            RetryLater: it has not, in time.
        """
        if self._flushed():
            raise RetryLater(
                "the broker did not acknowledge in time what became of a recording; it is away or too slow"
            )
        self._sent.clear()

    def remove(self, key: str, partition: int) -> None:
        """Take a recording off the register. Waits for nothing: what is not taken is found again in a day.

        Raises:
            RetryLater: the queue to the broker is full.
        """
        self._deliveries.send(RECORDINGS, key, None, partition=partition)

    def _flushed(self) -> int:
        try:
            return self._deliveries.flush(FLUSH_TIMEOUT_S)
        except RetryLater:
            self._sent.clear()
            raise
