"""A broker that refuses messages: some for ever, or all of a topic for now."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from beffroi_common.bus import Delivered, InvalidRecord, Producer, RetryLater
from beffroi_common.topics import Topic


class RefusingProducer:
    """See `Producer`. Whoever sends without asking what became of it would make a real one useless: here it fails.

    As a real one it says at `flush` what became of a message, not while it is sent.

    Attributes:
        refusals: what is said of the next messages of a topic, by its name; None: taken. The last holds for all after.
    """

    def __init__(self, real: Producer) -> None:
        self._real = real
        self.broker_clock = real.broker_clock
        self.refusals: dict[str, list[InvalidRecord | RetryLater | None]] = {}
        self._answers: list[Callable[[], None]] = []

    def send(self, topic: Topic, *arguments: Any, on_delivery: Delivered | None = None, **more: Any) -> None:
        """See `Producer.send`."""
        assert on_delivery is not None, f"nobody would hear what became of a message of {topic.name}"
        queue = self.refusals.get(topic.name, [None])
        refusal = queue.pop(0) if len(queue) > 1 else queue[0]
        if refusal is None:
            self._real.send(topic, *arguments, on_delivery=partial(self._answer, on_delivery), **more)
        else:
            self._answer(on_delivery, refusal)

    def flush(self, timeout_s: float) -> int:
        """See `Producer.flush`."""
        answers, self._answers = self._answers, []
        for answer in answers:
            answer()
        return self._real.flush(timeout_s)

    def close(self) -> None:
        """See `Producer.close`."""
        self._real.close()

    def _answer(self, on_delivery: Delivered, refusal: InvalidRecord | RetryLater | None) -> None:
        self._answers.append(partial(on_delivery, refusal))
