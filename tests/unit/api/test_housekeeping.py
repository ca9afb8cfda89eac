"""A chore that finds no database is done later; the others are done now."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import QueuePool, create_engine, exc

from beffroi_api.housekeeping import Chore, Housekeeping
from beffroi_testing import ManualClock


def housekeeping(*chores: Chore, clock: ManualClock | None = None, right: Callable[[], bool] = bool) -> Housekeeping:
    return Housekeeping(chores, clock or ManualClock(), lambda: None, right)


def test_what_destroys_waits_until_the_clock_is_known_to_be_right() -> None:
    done: list[str] = []
    right = False
    chores = [Chore(lambda: done.append("alerts"), 60.0, needs_clock=True), Chore(lambda: done.append("probe"), 60.0)]
    keeper = housekeeping(*chores, right=lambda: right)
    keeper.round()
    assert done == ["probe"]
    right = True
    keeper.round()
    assert done == ["probe", "alerts"]


def test_a_database_that_hangs_is_no_bug() -> None:
    engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01)
    done: list[str] = []
    clock = ManualClock()

    def ask() -> None:
        engine.connect().close()
        done.append("asked")

    def other() -> None:
        done.append("other")

    keeper = housekeeping(Chore(ask, 60.0), Chore(other, 60.0), clock=clock)
    with engine.connect():
        keeper.round()
        assert done == ["other"]
    clock.advance(60)
    keeper.round()
    assert done == ["other", "asked", "other"]


@pytest.mark.parametrize("error", [exc.OperationalError, exc.InterfaceError])
def test_a_database_that_is_gone_is_no_bug(error: type[exc.DBAPIError]) -> None:
    def chore() -> None:
        raise error("DELETE", {}, OSError("gone"))

    housekeeping(Chore(chore, 60.0)).round()


def test_a_bug_is_a_bug() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        housekeeping(Chore(bug, 60.0)).round()
