"""How far the index was read from the bus, in the database that holds the index.

The broker could keep it too, but would keep it when the database is restored from a backup: what was read since that
would be in no index, and read by nobody. Here position and index are written in one transaction, and are lost and
restored together. What is read twice is written once.

Nobody moves a position that another moved meanwhile: whoever finds one where it did not leave it starts over from
there. So a process that lost its partitions without knowing changes nothing, and one under which a database was
restored reads what that one lacks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import AWAY, Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import PositionRow
from beffroi_common.bus import Partition, Position, Record, RetryLater
from beffroi_common.runtime.clock import Clock

log = structlog.get_logger(__name__)

SCOPE = Scope.system("how far the bus was read is the same for all cameras")

CHECK_EVERY_S = 10.0
"""A database that was restored under this process is noticed after so long, also where nothing new comes."""


class MovedError(RetryLater):
    """A position is not where this process left it."""


class Positions:
    """See `OffsetStore`. Of one thread."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._left: dict[Partition, Position | None] = {}
        self._stamps: dict[Partition, int] = {}
        self._has_moved = False
        self._check_at_s = 0.0

    def load(self, partitions: Collection[Partition]) -> Mapping[Partition, Position]:
        """See `OffsetStore.load`."""
        found = self._stored()
        self._left |= {each: found.get(each) for each in partitions}
        return {each: found[each] for each in partitions if each in found}

    def forget(self, partitions: Collection[Partition] | None = None) -> None:
        """These are somebody else's now; None: all are read anew."""
        for each in list(self._left) if partitions is None else partitions:
            self._left.pop(each, None)
            self._stamps.pop(each, None)
        self._has_moved = False

    def reads(self, record: Record) -> None:
        """A record is worked on from now on."""
        self._stamps[record.source] = record.timestamp_ms

    def advance(self, session: ScopedSession, record: Record) -> None:
        """Move behind a record, in the transaction that writes what was made of it.

        Raises:
            MovedError: another moved it.
        """
        self._move(session, record.source, Position(record.offset + 1, record.timestamp_ms))

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """See `OffsetStore.commit`: behind records of which nothing was written, too."""
        try:
            with _translated_errors(), self._database.write(SCOPE) as session:
                for partition, offset in offsets.items():
                    self._move(session, partition, Position(offset, self._stamp(partition)))
        except RetryLater as reason:
            log.warning("offsets not committed", partitions=sorted(offsets), reason=str(reason))

    def committed(self) -> Mapping[Partition, int]:
        """See `OffsetStore.committed`."""
        return {partition: left.offset for partition, left in self._left.items() if left is not None}

    def check(self) -> None:
        """See that every position is where it was left; now and then, the database is asked.

        Raises:
            MovedError: one is not; reading starts over.
        """
        if not self._has_moved and self._clock.monotonic_s() >= self._check_at_s:
            self._check_at_s = self._clock.monotonic_s() + CHECK_EVERY_S
            self._has_moved = self._differs()
        if self._has_moved:
            raise MovedError("what was read of the bus is not what the database says: it is read from there")

    def _differs(self) -> bool:
        try:
            found = self._stored()
        except RetryLater:
            return False  # it is asked again
        return any(found.get(each) != left for each, left in self._left.items())

    def _stamp(self, partition: Partition) -> int:
        left = self._left.get(partition)
        return self._stamps.get(partition, 0 if left is None else left.stamp_ms)

    def _stored(self) -> dict[Partition, Position]:
        with _translated_errors(), self._database.read(SCOPE) as session:
            rows = session.scalars(select(PositionRow)).all()
        return {(row.topic, row.partition): Position(row.next_offset, row.stamp_ms) for row in rows}

    def _move(self, session: ScopedSession, partition: Partition, to: Position) -> None:
        if not self._moved(session, partition, to):
            self._has_moved = True
            raise MovedError(f"{partition} was read by another process, or the database was restored")
        session.after_commit(lambda: self._left.update({partition: to}))

    def _moved(self, session: ScopedSession, partition: Partition, to: Position) -> bool:
        topic, number = partition
        here = (PositionRow.topic == topic, PositionRow.partition == number)
        left = self._left.get(partition)
        if left is not None:
            still_there = (PositionRow.next_offset == left.offset, PositionRow.stamp_ms == left.stamp_ms)
            values = {"next_offset": to.offset, "stamp_ms": to.stamp_ms}
            moved = update(PositionRow).where(*here, *still_there).values(values).returning(PositionRow.next_offset)
            return session.scalar(moved) is not None
        if session.scalar(select(PositionRow.next_offset).where(*here)) is not None:
            return False
        session.add(PositionRow(topic=topic, partition=number, next_offset=to.offset, stamp_ms=to.stamp_ms))
        session.flush()
        return True


def forget_all(session: ScopedSession) -> None:
    """Have everything on the bus read again, also by processes that run."""
    session.execute(delete(PositionRow))


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except AWAY as error:
        raise RetryLater(f"the database does not answer ({type(getattr(error, 'orig', error)).__name__})") from None
    except IntegrityError:
        raise RetryLater("another process wrote down at the same time how far it had read") from None
