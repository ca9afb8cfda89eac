"""What is done with a record whose handling ends in an error that nobody foresaw.

To end the process for it would be no answer: it starts again from what is committed, meets the same record, and ends
again, for ever and for all cameras. So the work begins anew in the process, from what is committed and with nothing of
what was held, and the record gets a second try. Then it is a dead letter, loudly, and the rest goes on.

What one camera sends may make every record of it end so. A camera of which a second record is given up within a minute
is left out for a while, the longer the more often it happens: so it costs the others a pause now and then, and no more.

What ended the process itself is recalled at its next start (see `journal`): then its camera is left out at once, and
for longer, since each try costs all others a start of the process.

An error of the machine is not the record's: it ends the process, as does a row of records none of which can be handled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from beffroi_common.errors import Fatal, InvalidRecord, is_unforeseen
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import RECORD_CRASHES

from .interfaces import Partition, Record
from .journal import Death, Ending

log = structlog.get_logger(__name__)

TRIES = 2
"""An error may come of what was held before: with nothing held it may not come again."""

MAX_IN_A_ROW = 10
"""So many tries, of five records, without one record handled between: it is not the records."""

MAX_REMEMBERED = 10_000
"""Records that were tried, and cameras. Dead letters lie behind what is committed before long: none is met again."""

ONCE_S = 60.0
"""A camera of which one record is given up in so long goes on as if nothing had been."""

DEATHS_FIRST_S = 600.0
DEATHS_MOST_S = 6 * 3600.0
"""How long a camera is left out of which a record ended the process: doubled each time within a day."""

WEIGHT = {Ending.HUNG: 10, Ending.CRASHED: 5, Ending.KILLED: 2}
TOO_HEAVY = 10
"""A record is given up that hung once, or crashed twice, or was at work at each of five kills: a process is killed for
many reasons, and mostly the record is innocent."""

LEFT_OUT_FIRST_S = 10.0
LEFT_OUT_MOST_S = 600.0
"""How long a camera is left out: doubled each time, for each time costs the others two beginnings."""

A_BUG = ", which the log has: it is a bug; report it"
INNOCENT = ": most likely it is innocent; see what the process was killed for"

ENDINGS = {
    Ending.HUNG: "hung for too long with it",
    Ending.CRASHED: "ended in native code while it worked on it",
    Ending.KILLED: "was killed while it was at work on it",
}
"""What the process before did with a record."""


class GivenUpError(InvalidRecord):
    """It is not handed over, for what its like did to the process. That says nothing of how this release reads it."""


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


@dataclass
class _Key:
    """Of whom a record was given up.

    Attributes:
        last_s: when.
        left_out_s: for how long all others are left out.
        until_s: until when.
        why: as dead letters say it.
    """

    last_s: float
    left_out_s: float = 0.0
    until_s: float = 0.0
    why: str = ""


class Crashes:
    """Counts the tries of each record that ended in an unexpected error."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries: Counter[tuple[Partition, int]] = Counter()
        self._reasons: dict[tuple[Partition, int], str] = {}
        self._furthest: dict[Partition, int] = {}
        self._keys: dict[tuple[str, str], _Key] = {}
        self._in_a_row = 0

    def recall(self, deaths: Iterable[Death]) -> None:
        """Take into account what ended processes before this one, in order."""
        endings: dict[tuple[Partition, int], Counter[Ending]] = {}
        times: Counter[tuple[str, str]] = Counter()
        for death in deaths:
            tried, name = (death.source, death.offset), (death.topic, death.key)
            of_record = endings.setdefault(tried, Counter())
            of_record[death.ending] += 1
            if _weight(of_record) < TOO_HEAVY or self._tries[tried] > TRIES:
                continue
            reason = _reason(of_record)
            self._tries[tried], self._reasons[tried] = TRIES + 1, reason
            times[name] += 1
            left_out_s = min(DEATHS_FIRST_S * 2 ** (times[name] - 1), DEATHS_MOST_S)
            at_s = self._clock.monotonic_s() - max(0.0, self._clock.now_ns() / 1e9 - death.at_ms / 1e3)
            why = f"for its record at {death.topic}[{death.partition}]@{death.offset}: {reason}"
            self._keys[name] = _Key(at_s, left_out_s, at_s + left_out_s, why)
            log.error(
                "left out for what the process before did with a record of it",
                topic=death.topic,
                key=death.key,
                seconds=left_out_s,
                reason=reason,
            )

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
        self._reasons[key] = f"its handling ended {TRIES} times in an unexpected error ({type(cause).__name__}){A_BUG}"
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
            del self._tries[oldest], self._reasons[oldest]

    def handled(self, source: Partition, offset: int) -> None:
        """A record was handled. Those that are read again on the way to one that was tried say nothing new."""
        if offset > self._furthest.get(source, -1):
            self._in_a_row = 0

    def refuse_if_tried(self, record: Record) -> None:
        """See that a record has not had its tries, and that its camera is not left out.

        Raises:
            GivenUpError: it has, or it is.
        """
        tried = (record.source, record.offset)
        if self._tries[tried] >= TRIES:
            if self._tries[tried] == TRIES:  # it is read again until it is committed, and counts once
                self._tries[tried] += 1
                self._give_up(record)
            raise GivenUpError(self._reasons[tried])
        key = self._keys.get((record.topic, record.key))
        if key is not None and self._clock.monotonic_s() < key.until_s:
            raise GivenUpError(f"{record.key} is left out for {key.left_out_s:.0f} s, {key.why}")

    def _give_up(self, record: Record) -> None:
        """Count a record against its key, and leave the key out should it not be the first."""
        now_s, name = self._clock.monotonic_s(), (record.topic, record.key)
        key = self._keys.pop(name, None)
        if key is None or now_s - max(key.last_s, key.until_s) > max(ONCE_S, key.left_out_s):
            self._keys[name] = _Key(now_s)
        else:
            left_out_s = min(max(2 * key.left_out_s, LEFT_OUT_FIRST_S), LEFT_OUT_MOST_S)
            why = f"since several of its records ended in an unexpected error{A_BUG}"
            self._keys[name] = _Key(now_s, left_out_s, now_s + left_out_s, why)
            log.error("left out for a while", topic=record.topic, key=record.key, seconds=left_out_s)
        while len(self._keys) > MAX_REMEMBERED:
            del self._keys[next(iter(self._keys))]


def _weight(endings: Mapping[Ending, int]) -> int:
    return sum(WEIGHT[ending] * times for ending, times in endings.items())


def _reason(endings: Mapping[Ending, int]) -> str:
    """Why a record is given up that was at work when processes ended so."""
    said = [f"{words} {_times(endings[ending])}" for ending, words in ENDINGS.items() if endings.get(ending)]
    return f"the process {' and '.join(said)}{INNOCENT if set(endings) == {Ending.KILLED} else A_BUG}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
