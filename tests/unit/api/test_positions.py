"""How far the bus was read is in the database, and nobody moves what another has moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from beffroi_api.bus import positions
from beffroi_api.bus.positions import CHECK_EVERY_S, MovedError, Positions
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_common.bus import Position, Record, RetryLater
from beffroi_testing import ManualClock

HERE, THERE = ("alerts.v1", 0), ("alerts.v1", 1)


def record(offset: int, stamp_ms: int = 0) -> Record:
    return Record(*HERE, offset, "key", b"{}", stamp_ms or 1000 + offset)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/index.sqlite3")
    migrations.upgrade(made)
    yield made
    made.close()


def reader(database: Database, clock: ManualClock | None = None) -> Positions:
    """Who has just been given the partition."""
    made = Positions(database, clock or ManualClock())
    made.load([HERE, THERE])
    return made


def advance(moved: Positions, to: Record) -> None:
    moved.reads(to)
    with moved._database.write(positions.SCOPE) as session:
        moved.advance(session, to)


def stored(database: Database) -> dict[tuple[str, int], Position]:
    return dict(reader(database).load([HERE, THERE]))


def test_what_was_never_read_has_no_position(database: Database) -> None:
    assert stored(database) == {}


def test_it_moves_with_what_is_written_and_behind_what_is_not(database: Database) -> None:
    moved = reader(database)
    advance(moved, record(4))
    assert stored(database) == {HERE: Position(5, 1004)}
    moved.reads(record(7))
    assert moved.committed() == {HERE: 5}
    moved.commit({HERE: 8})
    assert moved.committed() == {HERE: 8}
    assert stored(database) == {HERE: Position(8, 1007)}
    advance(moved, record(8))
    moved.check()


def test_what_is_undone_did_not_move_it(database: Database) -> None:
    moved = reader(database)
    with suppress(ZeroDivisionError), database.write(positions.SCOPE) as session:
        moved.advance(session, record(4))
        raise ZeroDivisionError
    assert stored(database) == {}
    advance(moved, record(4))
    assert stored(database) == {HERE: Position(5, 1004)}


def test_who_lost_the_partition_without_knowing_moves_nothing(database: Database) -> None:
    late = reader(database)
    advance(late, record(4))
    owner = reader(database)
    advance(owner, record(5))
    with pytest.raises(MovedError):
        advance(late, record(5))
    late.commit({HERE: 7})
    assert stored(database) == {HERE: Position(6, 1005)}
    with pytest.raises(MovedError):
        late.check()
    owner.check()


def test_who_was_first_to_read_it_is_not_overtaken(database: Database) -> None:
    one, other = reader(database), reader(database)
    advance(one, record(0))
    with pytest.raises(MovedError):
        advance(other, record(0))


def test_a_database_that_was_restored_meanwhile_is_noticed_where_nothing_new_comes(database: Database) -> None:
    clock = ManualClock()
    moved = reader(database, clock)
    advance(moved, record(4))
    moved.check()
    with database.write(positions.SCOPE) as session:
        positions.forget_all(session)
    clock.advance(CHECK_EVERY_S)
    with pytest.raises(MovedError):
        moved.check()
    with pytest.raises(MovedError):
        moved.check()
    moved.forget()
    moved.check()
    assert moved.load([HERE]) == {}
    advance(moved, record(0))


def test_what_is_somebody_else_s_now_is_not_looked_at(database: Database) -> None:
    clock = ManualClock()
    before = reader(database, clock)
    advance(before, record(4))
    before.forget([HERE])
    advance(reader(database), record(5))
    clock.advance(CHECK_EVERY_S)
    before.check()


def test_a_database_that_is_away_is_waited_for() -> None:
    away = Positions(Database("sqlite:////nowhere/at/all.sqlite3"), ManualClock())
    with pytest.raises(RetryLater, match="does not answer"):
        away.load([HERE])
    with capture_logs() as logs:
        away.commit({HERE: 1})
    assert [each["event"] for each in logs] == ["offsets not committed"]
    assert away.committed() == {}
    away.check()
