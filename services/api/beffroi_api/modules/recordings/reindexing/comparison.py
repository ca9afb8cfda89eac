"""The index is compared with the stores: they say what is there, and beside each video is its whole `Recording`.

Usually the index follows `recordings.v1`. Where that says nothing, since a broker lost its disk or a store came that
nobody announced, the objects are there and in no list. They are found when a process starts, and once a day.
What stands in the index is not touched, whatever the store says: messages tell what became of it. Only what was over
long ago is forgotten: of that no message is left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice

import structlog
from sqlalchemy.exc import DataError, IntegrityError

from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import AWAY, Database
from beffroi_api.db.tables import RecordingRow
from beffroi_api.errors import UnknownStore
from beffroi_api.modules.recordings import repository
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_common.contracts import InvalidMessageError, Recording, StoreName
from beffroi_common.recordings import DESTROYED_KEPT
from beffroi_common.recordings.naming import SEGMENTS, segment_id, starts_at
from beffroi_common.recordings.segment_format import read_segment
from beffroi_common.runtime.clock import Clock
from beffroi_common.store import ObjectStore, StoreDenied, StoredObject, StoreUnavailable

log = structlog.get_logger(__name__)

SCOPE = Scope.system("the index has every recording that a store holds")

PIECE = 250
"""Objects looked up at a time: some milliseconds, half a second where all of them are unknown."""

EVERY_S = 24 * 3600.0

AGAIN_S = 60.0
"""After store or database did not answer."""

POLL_S = 1.0

LATER: tuple[type[Exception], ...] = (StoreUnavailable, StoreDenied, *AWAY)


@dataclass(frozen=True)
class Compared:
    """What came of a comparison.

    Attributes:
        objects: recordings in the stores, by their names.
        added: to the index.
        forgotten: rows of what was over long ago and is in no store.
    """

    objects: int = 0
    added: int = 0
    forgotten: int = 0


class Reindexing:
    """Compares now and then, a piece at a time. Several processes may do so at once."""

    def __init__(
        self, database: Database, stores: Stores, clock: Clock, retention: timedelta, beat: Callable[[], None]
    ) -> None:
        self._database = database
        self._stores = stores
        self._clock = clock
        self._retention = retention
        self._beat = beat

    def run(self, stop: threading.Event) -> None:
        """Compare until `stop` is set."""
        due_s = self._clock.monotonic_s()
        while not stop.is_set():
            self._beat()
            if self._clock.monotonic_s() >= due_s:
                due_s = self._clock.monotonic_s() + (EVERY_S if self._compare(stop) else AGAIN_S)
            stop.wait(POLL_S)

    def _compare(self, stop: threading.Event) -> bool:
        compared = Compared()
        try:
            for so_far in self.pieces():
                compared = so_far
                self._beat()
                if stop.is_set():
                    return False
        except LATER as reason:
            log.warning("index and stores are compared later", reason=type(reason).__name__)
            return False
        log.info(
            "index and stores were compared",
            objects=compared.objects,
            added=compared.added,
            forgotten=compared.forgotten,
        )
        return True

    def pieces(self) -> Iterator[Compared]:
        """Compare piece by piece, and say each time what came of it so far.

        Raises:
            StoreUnavailable: a store does not answer; begin again.
            StoreDenied: a store refuses our key.
        """
        compared = Compared()
        yield compared
        for store in self._stores.every():
            names = (each.name for each in store.list(SEGMENTS) if starts_at(each.name) is not None)
            while piece := list(islice(names, PIECE)):
                added = self._add_unknown(store, piece)
                compared = replace(compared, objects=compared.objects + len(piece), added=compared.added + added)
                yield compared
        for forgotten in self._forget_over():
            compared = replace(compared, forgotten=compared.forgotten + forgotten)
            yield compared

    def _add_unknown(self, store: ObjectStore, names: Sequence[str]) -> int:
        read = (self._read(store, name) for name in self._unknown(store.name, names))
        return self._add([each for each in read if each is not None])

    def _unknown(self, store: StoreName, names: Sequence[str]) -> list[str]:
        """Those of which the index knows neither that they are there nor that they were."""
        ids = {segment_id(f"{store}/{name}"): name for name in names}
        with self._database.read(SCOPE) as session:
            known = repository.known(session, ids)
        return [name for segment, name in ids.items() if segment not in known]

    def _read(self, store: ObjectStore, name: str) -> Recording | None:
        found = self._stat(store, name)
        if found is None:
            return None  # destroyed since it was listed
        try:
            return read_segment(found, store.name).recording
        except InvalidMessageError as reason:
            log.warning("not a recording", object=name, reason=str(reason))
            return None

    def _add(self, found: Sequence[Recording]) -> int:
        """Add them, and return how many. No console is told: none waits for what it never heard of."""
        try:
            with self._database.write(SCOPE) as session:
                for each in found:
                    session.add(repository.row_of(each))
        except (IntegrityError, DataError) as reason:
            # Another process added one of them meanwhile, or one is beyond what the database can keep.
            if len(found) > 1:
                return sum(self._add([each]) for each in found)
            log.info("not added", object=found[0].object_name, reason=type(reason).__name__)
            return 0
        return len(found)

    def _forget_over(self) -> Iterator[int]:
        """Forget what was over so long ago that nobody says any more what became of it, and is in its store no more.

        Such rows come with a database that was restored from an old backup.
        """
        until, after = self._clock.now() - self._retention - DESTROYED_KEPT, ""
        while True:
            with self._database.read(SCOPE) as session:
                rows = repository.there_until(session, until, after, PIECE)
            if not rows:
                return
            gone = [row.id for row in rows if self._is_gone(row)]
            with self._database.write(SCOPE) as session:
                repository.forget(session, gone)
            after = rows[-1].id
            yield len(gone)

    def _is_gone(self, row: RecordingRow) -> bool:
        try:
            return self._stat(self._stores.holding(row.store), row.object_name) is None
        except UnknownStore:
            return False

    def _stat(self, store: ObjectStore, name: str) -> StoredObject | None:
        self._beat()  # of a store that is far away a whole piece would take longer than a heartbeat
        return store.stat(name)
