"""One of several processes holds a lease, on either kind of database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from tests.application import eventually

from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.leases import Lease
from beffroi_api.db.scoping import ScopedSession
from beffroi_common.runtime.clock import SystemClock
from beffroi_testing import ManualClock

SHORT_S = 0.3
LONG_S = 60.0


@pytest.fixture
def lease(database: Database) -> Callable[..., Lease]:
    return lambda lease_s=LONG_S, clock=None: Lease(database, clock or SystemClock(), "work", "test", lease_s)


def test_of_many_who_ask_at_once_one_holds_it(lease: Callable[..., Lease]) -> None:
    contenders = [lease() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(Lease.hold, contenders)) == [False] * 7 + [True]


def test_one_that_is_not_renewed_becomes_somebody_elses(lease: Callable[..., Lease]) -> None:
    first, second = lease(SHORT_S), lease(LONG_S)
    assert first.hold()
    began_s = time.monotonic()
    assert not second.hold()
    eventually(second.hold)
    assert time.monotonic() - began_s > SHORT_S / 2, "it was taken while it was held"
    assert not first.hold()
    assert (first.term, second.term) == (1, 2)


def test_one_that_was_taken_before_the_clock_was_put_back_keeps_nobody_out(
    lease: Callable[..., Lease], database: Database
) -> None:
    first, second = lease(), lease()
    assert first.hold()
    with database.write(Scope.system("the database's clock cannot be set")) as session:
        session.execute(text("UPDATE leases SET until_s = until_s + 86400.0"))
    assert second.hold()


def test_it_is_over_for_its_holder_before_it_is_over_in_the_database(lease: Callable[..., Lease]) -> None:
    clock = ManualClock()
    first, second = lease(LONG_S, clock), lease(LONG_S)
    assert first.hold()
    clock.advance(LONG_S)
    assert not first.is_held()
    assert not second.hold()


def test_it_counts_from_before_the_database_was_asked(
    lease: Callable[..., Lease], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, write = ManualClock(), database.write

    @contextmanager
    def slow(scope: Scope) -> Iterator[ScopedSession]:
        clock.advance(LONG_S / 2)  # before the answer, whenever the database wrote down its own time
        with write(scope) as session:
            yield session

    monkeypatch.setattr(database, "write", slow)
    first = lease(LONG_S, clock)
    assert first.hold()
    clock.advance(LONG_S / 2)
    assert not first.is_held()


def test_a_renewal_every_third_keeps_it_and_its_term(lease: Callable[..., Lease]) -> None:
    clock = ManualClock()
    first = lease(LONG_S, clock)
    for _ in range(6):
        assert first.hold()
        clock.advance(LONG_S / 3)
    assert first.is_held()
    assert first.term == 1


def test_let_go_it_is_free_at_once(lease: Callable[..., Lease]) -> None:
    first, second = lease(), lease()
    assert first.hold()
    first.release()
    assert not first.is_held()
    assert second.hold()
    first.release()
    assert not lease().hold(), "who does not hold it releases nothing"


def test_who_let_go_may_take_it_again_at_once(lease: Callable[..., Lease]) -> None:
    first = lease()
    assert first.hold()
    first.release()
    assert first.hold()
