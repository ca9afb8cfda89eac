"""What is worked on, written where it outlives the process: at the next start it is known what ended the one before.

A fault in native code, or a worker that never ends, takes the process away from all cameras, and after the start the
same batch is there again. So each worker says on which record it works before it begins, in a file, and the process
that starts next reads what was left there: see `Crashes.recall`.

    crashed     FFmpeg, x264 or OpenVINO ended the process; Python's fault handler said in which thread
    hung        the process ended itself, since a worker did not end
    killed      it was at work when the process was killed, by whomever: most likely it is innocent

The files are of one instance alone. Nothing is synced to the disk: they need to outlive a process, and no machine.
A disk that is full, or fails, costs what would have been remembered, and no camera anything.
"""

from __future__ import annotations

import faulthandler
import fcntl
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import structlog

from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.settings import SettingsError

from .interfaces import Partition

log = structlog.get_logger(__name__)

SLOT_BYTES = 512
"""Of one worker in the file: a topic's name, a camera's and some numbers are half of it."""
MAX_KEY = 100

MAX_DEATHS = 1000
MEMORY_S = 86_400.0
"""Deaths are remembered for a day: a camera that ended the process until then is tried as any other."""
AHEAD_S = 60.0
"""One that lies further in the future was noted by a clock that was ahead, and when it was nobody knows."""

_CULPRIT = re.compile(r"^Current thread 0x([0-9a-f]+)", re.MULTILINE)


class Ending(StrEnum):
    """How a process ended that was working on a record."""

    CRASHED = "crashed"
    HUNG = "hung"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Death:
    """A process ended that was working on a record.

    Attributes:
        topic: of the record.
        partition: likewise.
        offset: likewise.
        key: likewise: the camera.
        ending: how.
        at_ms: when it was found out, UTC.
    """

    topic: str
    partition: int
    offset: int
    key: str
    ending: Ending
    at_ms: int

    @property
    def source(self) -> Partition:
        """Where the record comes from."""
        return (self.topic, self.partition)


class Journal(Protocol):
    """Remembers, across the ends of processes, on what they worked."""

    def deaths(self) -> tuple[Death, ...]:
        """Those of the last day, in order."""

    @contextmanager
    def at_work(self, source: Partition, offset: int, key: str) -> Iterator[None]:
        """This thread works on a record, or on what is still held of it."""

    def hung(self, source: Partition, offset: int, key: str) -> None:
        """A worker does not end with a record, and the process ends for it."""


class NoJournal:
    """Remembers nothing."""

    def __enter__(self) -> Self:
        """Nothing to take."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to leave."""

    def deaths(self) -> tuple[Death, ...]:
        """See `Journal.deaths`."""
        return ()

    @contextmanager
    def at_work(self, source: Partition, offset: int, key: str) -> Iterator[None]:  # noqa: ARG002
        """See `Journal.at_work`."""
        yield

    def hung(self, source: Partition, offset: int, key: str) -> None:
        """See `Journal.hung`."""


class FileJournal:
    """In a folder of this instance's own. As a context manager it takes the folder, and reads what was left there."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._of_thread = threading.local()
        self._workers = 0
        self._hung: tuple[Partition, int] | None = None
        self._deaths: list[Death] = []
        self._slots = -1
        self._taken = -1
        self._faults: IO[str] | None = None

    def __enter__(self) -> Self:
        """Take the folder.

        Raises:
            SettingsError: it cannot be made or locked, or another process works in it.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._taken = self._open("lock")
            fcntl.flock(self._taken, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"journal_folder {self._folder} is used by another process: give each instance a folder of its own"
            ) from None
        except OSError as error:
            raise SettingsError(f"journal_folder {self._folder} cannot be written ({error.strerror})") from None
        with _best_effort():
            self._recall()
        with _best_effort():
            self._slots = self._open("at-work")
        with _best_effort():
            self._faults = (self._folder / "faults").open("w")
            faulthandler.enable(self._faults, all_threads=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it: the process ends in an orderly way, and no record is to blame but one that hangs."""
        faulthandler.disable()
        if self._faults is not None:
            self._faults.close()
        with _best_effort():
            os.ftruncate(self._slots, 0)  # and stays open: a worker that hangs may come to its end yet
        os.close(self._taken)

    def deaths(self) -> tuple[Death, ...]:
        """See `Journal.deaths`."""
        return tuple(self._deaths)

    @contextmanager
    def at_work(self, source: Partition, offset: int, key: str) -> Iterator[None]:
        """See `Journal.at_work`."""
        place = self._place()
        said = {"thread": threading.get_ident(), **_named(source, offset, key)}
        self._write(json.dumps(said).encode().ljust(SLOT_BYTES), place)
        try:
            yield
        finally:
            self._write(b" " * SLOT_BYTES, place)

    def hung(self, source: Partition, offset: int, key: str) -> None:
        """See `Journal.hung`."""
        if self._hung != (source, offset):  # it is told again while the process ends
            self._hung = (source, offset)
            self._note([Death(**_named(source, offset, key), ending=Ending.HUNG, at_ms=self._now_ms())])

    def _open(self, name: str) -> int:
        return os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def _write(self, said: bytes, place: int) -> None:
        with _best_effort():
            os.pwrite(self._slots, said, place)

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000

    def _place(self) -> int:
        place: int | None = getattr(self._of_thread, "place", None)
        if place is None:
            with self._lock:
                place = self._of_thread.place = self._workers * SLOT_BYTES
                self._workers += 1
        return place

    def _recall(self) -> None:
        """Read what the process before left, and forget what is too long ago, or yet to come."""
        oldest_ms, newest_ms = self._now_ms() - MEMORY_S * 1000, self._now_ms() + AHEAD_S * 1000
        known = [_death(each) for each in _lines(self._folder / "deaths")]
        self._deaths = [each for each in known if each is not None and oldest_ms <= each.at_ms <= newest_ms]
        self._deaths = self._deaths[-MAX_DEATHS:]
        faults = _text(self._folder / "faults")
        if faults:
            log.error("the process before ended in native code", fault=faults[:4000])
        self._note(_left(_lines(self._folder / "at-work"), faults, self._now_ms()))
        (self._folder / "at-work").unlink(missing_ok=True)

    def _note(self, deaths: list[Death]) -> None:
        for death in deaths:
            log.error("a process ended while it worked on a record", **asdict(death))
        with self._lock:
            self._deaths.extend(deaths)
            written = "".join(json.dumps(asdict(each)) + "\n" for each in self._deaths)
            with _best_effort():
                (self._folder / "deaths.new").write_text(written)
                (self._folder / "deaths.new").replace(self._folder / "deaths")


def journal_in(folder: Path | None, clock: Clock) -> FileJournal | NoJournal:
    """The journal in a folder; None: there is none."""
    return NoJournal() if folder is None else FileJournal(folder, clock)


@contextmanager
def _best_effort() -> Iterator[None]:
    """The journal is for a bad day: no camera stops because it cannot be written."""
    try:
        yield
    except OSError as error:
        log.error("the journal cannot be read or written: what ends the process may not be known", error=str(error))


def _named(source: Partition, offset: int, key: str) -> dict[str, Any]:
    return {"topic": source[0], "partition": source[1], "offset": offset, "key": key[:MAX_KEY]}


def _left(slots: list[dict[str, Any]], faults: str, now_ms: int) -> list[Death]:
    """Who was at work when the process ended: of a fault in a known thread that one alone."""
    found = _CULPRIT.search(faults)
    culprit = None if found is None else int(found.group(1), 16)
    ending = Ending.KILLED if culprit is None else Ending.CRASHED
    deaths = [
        _death({**each, "ending": ending, "at_ms": now_ms})
        for each in slots
        if each.pop("thread", None) == culprit or culprit is None
    ]
    return [each for each in deaths if each is not None]


def _death(said: dict[str, Any]) -> Death | None:
    """None: nobody of this release wrote that."""
    try:
        return Death(**(said | {"ending": Ending(said["ending"])}))
    except (TypeError, KeyError, ValueError):
        return None


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def _lines(file: Path) -> list[dict[str, Any]]:
    """What stands in a file, without what was cut off when the process ended."""
    found = []
    decoder = json.JSONDecoder()
    for line in re.split(r"\n| {2,}", _text(file)):
        try:
            said, _ = decoder.raw_decode(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            found.append(said)
    return found
