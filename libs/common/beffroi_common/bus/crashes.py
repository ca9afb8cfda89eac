"""What is done with a record whose handling ends in an error that nobody foresaw.

To end the process for it would be no answer: it starts again from what is committed, meets the same record, and ends
again, for ever and for all cameras. So the work begins anew in the process, from what is committed and with nothing of
what was held, and the record gets a second try. Then it is a dead letter, loudly, and the rest goes on.

An error of the machine is not the record's: it ends the process, as does a row of records none of which can be handled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from beffroi_common.errors import Fatal, InvalidRecord, is_unforeseen
from beffroi_common.runtime.metrics import RECORD_CRASHES

from .interfaces import Partition, Record

log = structlog.get_logger(__name__)

TRIES = 2
"""An error may come of what was held before: with nothing held it may not come again."""

MAX_IN_A_ROW = 10
"""So many tries, of five records, without one record handled between: it is not the records."""

MAX_REMEMBERED = 10_000
"""Records that were tried. Dead letters lie behind what is committed before long, and are not met again."""


class RecordCrashError(Fatal):
    """The handling of one record ended in an error that belongs to no branch. `__cause__` is that error."""

    def __init__(self, source: Partition, offset: int) -> None:
        super().__init__(f"an unexpected error about {source[0]}[{source[1]}]@{offset}")
        self.source = source
        self.offset = offset


@contextmanager
def about(source: Partition, offset: int) -> Iterator[None]:
    """Say of any unexpected error that it came of the record at `offset`.

    Raises:
        RecordCrashError: in place of an error of no branch, and not of the machine.
    """
    try:
        yield
    except Exception as error:
        if not is_unforeseen(error):
            raise
        raise RecordCrashError(source, offset) from error


class Crashes:
    """Counts the tries of each record that ended in an unexpected error."""

    def __init__(self) -> None:
        self._tries: Counter[tuple[Partition, int]] = Counter()
        self._errors: dict[tuple[Partition, int], str] = {}
        self._furthest: dict[Partition, int] = {}
        self._in_a_row = 0

    def note(self, crash: RecordCrashError) -> None:
        """Count one, and say it.

        Raises:
            RecordCrashError: there were too many without a record handled between.
        """
        key, cause = (crash.source, crash.offset), crash.__cause__
        RECORD_CRASHES.labels(topic=crash.source[0]).inc()
        self._in_a_row += 1
        self._furthest[crash.source] = max(crash.offset, self._furthest.get(crash.source, -1))
        self._tries[key] += 1
        self._errors[key] = type(cause).__name__
        log.error(
            "unexpected error about a record: it is tried again, then it is a dead letter",
            topic=crash.source[0],
            partition=crash.source[1],
            offset=crash.offset,
            tries=self._tries[key],
            exc_info=cause,
        )
        if self._in_a_row > MAX_IN_A_ROW:
            raise crash
        while len(self._tries) > MAX_REMEMBERED:
            oldest = next(iter(self._tries))
            del self._tries[oldest], self._errors[oldest]

    def handled(self, source: Partition, offset: int) -> None:
        """A record was handled. Those that are read again on the way to one that was tried say nothing new."""
        if offset > self._furthest.get(source, -1):
            self._in_a_row = 0

    def refuse_if_tried(self, record: Record) -> None:
        """See that a record has not had its tries.

        Raises:
            InvalidRecord: it has.
        """
        key = (record.source, record.offset)
        if self._tries[key] >= TRIES:
            raise InvalidRecord(
                f"its handling ended {TRIES} times in an unexpected error ({self._errors[key]}), which the log has: "
                "it is a bug; report it"
            )
