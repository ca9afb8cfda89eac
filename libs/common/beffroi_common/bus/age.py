"""How old what a reader knows of its topics may be.

Silence proves nothing: a topic on which nothing is said and one that may not be read any more look alike. So the broker
is asked every few seconds where the partitions end. Once all up to there is read, what is known is as it was when that
was asked; its *age* counts from then on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from beffroi_common.errors import Fatal
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import TABLE_AGE_SECONDS
from beffroi_common.topics import Topic

from .interfaces import Consumer, Partition

ASK_EVERY_S = 2.0
"""The broker is asked so often where the topic ends."""


class TopicTruncatedError(Fatal):
    """The topic ends before what was read of it: it was made anew, or its broker lost some of it.

    What was lost is not known, so nothing that was read may count; the process starts again with what is there.
    """


class TopicAge:
    """Of one reader of one topic, be it a follower or a member of a group, of what is assigned to it."""

    def __init__(self, topic: Topic, clock: Clock, *, may_be_truncated: bool = False) -> None:
        """Know nothing yet.

        Args:
            topic: is read.
            clock: for the age.
            may_be_truncated: it does no harm that the topic has lost something.
        """
        self._topic = topic
        self._clock = clock
        self._may_be_truncated = may_be_truncated
        self._current_at_s = -math.inf
        self._asked: tuple[float, Mapping[Partition, int]] | None = None
        self._ask_at_s = -math.inf

    @property
    def age_s(self) -> float:
        """How long ago all that is on the topic was known for sure; infinite before it was for the first time."""
        return self._clock.monotonic_s() - self._current_at_s

    def measure(self, reader: Consumer) -> None:
        """Ask now and then where the topic ends, and note when all up to there is read. Called with each poll.

        Raises:
            TopicTruncatedError: see there.
        """
        now_s = self._clock.monotonic_s()
        if now_s >= self._ask_at_s:
            TABLE_AGE_SECONDS.labels(topic=self._topic.name).set(self.age_s)
            if self._asked is None and reader.assignment():
                self._ask(reader, now_s)
            if self.age_s < math.inf:  # whoever waits until it caught up is not kept waiting
                self._ask_at_s = now_s + ASK_EVERY_S
        if self._asked is not None:
            asked_at_s, ends = self._asked
            reached, assigned = reader.reached(), reader.assignment()
            if assigned and all(reached.get(each, -1) >= end for each, end in ends.items() if each in assigned):
                self._current_at_s, self._asked = asked_at_s, None

    def _ask(self, reader: Consumer, now_s: float) -> None:
        ends = reader.ask_ends()
        if ends is not None:
            self._refuse_truncated(ends, reader.reached())
            self._asked = (now_s, ends)

    def _refuse_truncated(self, ends: Mapping[Partition, int], reached: Mapping[Partition, int]) -> None:
        short = {each: end for each, end in ends.items() if end < reached.get(each, end)}
        if short and not self._may_be_truncated:
            raise TopicTruncatedError(f"{self._topic.name} ends at {short}, where {dict(reached)} was read already")
