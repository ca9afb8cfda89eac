"""How far another part's clock is ahead of ours, out of what it says of the time whenever we ask it something."""

from __future__ import annotations

from datetime import datetime, timedelta

from .clock import Clock
from .metrics import CLOCK_AHEAD_SECONDS

MOST_APART_S = 10.0
"""Clocks further apart than this are told to be wrong: machines that keep their time by NTP differ by milliseconds."""


class ForeignClock:
    """The clock of another part, as far as it is known. Safe to call from several threads.

    It is read at some moment between a question and its answer, and no more than that is certain: where what it says
    fits into that time, the clocks agree; else they are apart by at least what is missing.
    """

    def __init__(self, name: str, clock: Clock, resolution: timedelta = timedelta(milliseconds=1)) -> None:
        """Know nothing yet.

        Args:
            name: whose it is, in the metric and in what people read.
            clock: ours.
            resolution: what it says is rounded down to.
        """
        self.name = name
        self._clock = clock
        self._resolution = resolution
        self._ahead: timedelta | None = None

    @property
    def ahead(self) -> timedelta | None:
        """How far it is ahead of ours at least, negative where it is behind; None: it was not heard yet."""
        return self._ahead

    @property
    def complaint(self) -> str | None:
        """What a person must know and do; None while nothing shows that the clocks are apart."""
        ahead = self._ahead
        return None if ahead is None or abs(ahead.total_seconds()) <= MOST_APART_S else apart(self.name, ahead)

    @property
    def agrees(self) -> bool:
        """Whether it was heard, and is where ours is: only then may something be destroyed because its time is over."""
        return self._ahead is not None and self.complaint is None

    def said(self, at: datetime, asked_s: float) -> None:
        """It said that it was `at`, at some moment since we asked.

        Args:
            at: the time by it.
            asked_s: when it was asked, by our monotonic clock; our wall clock may have been set since.
        """
        now, waited_s = self._clock.now(), self._clock.monotonic_s() - asked_s
        since = now - timedelta(seconds=waited_s)
        ahead = at - now if at > now else min(timedelta(), at + self._resolution - since)
        if not ahead and waited_s > MOST_APART_S:
            return  # so late an answer does not show that they agree
        self._ahead = ahead
        CLOCK_AHEAD_SECONDS.labels(of=self.name).set(ahead.total_seconds())


def apart(name: str, ahead: timedelta) -> str:
    """Say how far the clock of `name` is from ours, and what to do about it."""
    which = "ahead of" if ahead > timedelta() else "behind"
    return (
        f"the clock of the {name} is {abs(ahead.total_seconds()):,.0f} s {which} the one here: "
        "set the one that is wrong (is NTP running on both machines?)"
    )
