"""What keeps the loops of this process from their work at present; the status says the first of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import structlog

from beffroi_common.bus import RetryLater
from beffroi_common.store import ClocksDisagree, StoreUnavailable

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is put off, in a word for programs and one for people."""

    code: str
    message: str


class Troubles:
    """By the work that is put off. Safe to call from several threads."""

    def __init__(self) -> None:
        self._by_work: dict[str, Trouble] = {}
        self._lock = threading.Lock()

    def deferred(self, work: str, reason: RetryLater, code: str | None = None) -> None:
        """A work cannot be done at present. Logged when it begins.

        Args:
            work: what is put off, e.g. `destruction`.
            reason: why.
            code: for the status; None: that of whoever is away, store or broker, or of a clock that is wrong.
        """
        trouble = Trouble(code or whose_fault(reason), str(reason))
        with self._lock:
            begins = work not in self._by_work
            self._by_work[work] = trouble
        if begins:
            log.warning("deferred", work=work, code=trouble.code, reason=trouble.message)

    def over(self, work: str) -> None:
        """A work goes on."""
        with self._lock:
            self._by_work.pop(work, None)

    def first(self) -> Trouble | None:
        """What began first of all that lasts; None: all is well."""
        with self._lock:
            return next(iter(self._by_work.values()), None)


def whose_fault(reason: RetryLater) -> str:
    """The status' code for a reason to wait."""
    if isinstance(reason, ClocksDisagree):
        return "clock_wrong"
    return "store_away" if isinstance(reason, StoreUnavailable) else "broker_away"
