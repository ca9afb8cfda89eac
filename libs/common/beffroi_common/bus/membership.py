"""Whether this process may still speak for its partitions.

A process that was frozen for longer than a session (a paused virtual machine, SIGSTOP, a host without memory) goes on
where it stood: its partitions have another owner by then, and it learns so only from the next answer of the broker.
What it sends until then is a second voice. So it sends nothing, until the group has spoken or had the time to.
"""

from __future__ import annotations

import threading

import structlog

from beffroi_common.errors import RetryLater
from beffroi_common.runtime.clock import Clock

log = structlog.get_logger(__name__)


class Membership:
    """What producers ask, and the member of a group tells. Safe to call from several threads.

    A service that is no member of any group may always send.

    Args:
        session_s: without a sign of life for so long the group gives a member's partitions away.
        clock: its monotonic time goes on while the process is frozen.
    """

    def __init__(self, session_s: float, clock: Clock) -> None:
        self._session_s = session_s
        self._clock = clock
        self._lock = threading.Lock()
        self._alive_s: float | None = None
        self._silent_until_s = float("-inf")

    def turned(self) -> None:
        """The member's loop is about to ask the group for more."""
        with self._lock:
            self._look(self._clock.monotonic_s())

    @property
    def in_doubt(self) -> bool:
        """Whether it was frozen for a session, and the group has not spoken since."""
        with self._lock:
            return self._is_in_doubt()

    def confirmed(self) -> None:
        """The group has spoken: partitions were given, or taken with all that was made of them."""
        with self._lock:
            self._alive_s = self._clock.monotonic_s()
            self._silent_until_s = float("-inf")

    def require(self) -> None:
        """See that what is about to be sent may be.

        Raises:
            RetryLater: nobody knows yet whose partitions these are.
        """
        if self.in_doubt:
            raise RetryLater("this process was frozen for a session: its partitions may be somebody else's by now")

    def _is_in_doubt(self) -> bool:
        now_s = self._clock.monotonic_s()
        if self._alive_s is not None:
            self._look(now_s)
        return now_s < self._silent_until_s

    def _look(self, now_s: float) -> None:
        """Whoever comes here shows that the process runs: no thread does while it is frozen."""
        if self._alive_s is not None and now_s - self._alive_s >= self._session_s:
            # A heartbeat is answered within a moment, should the group still know this member.
            self._silent_until_s = now_s + self._session_s
            frozen_s = round(now_s - self._alive_s, 1)
            log.warning("frozen for a session: nothing is sent until the group has spoken", frozen_s=frozen_s)
        self._alive_s = now_s
