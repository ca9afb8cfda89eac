"""Nothing of the index is lost while the database does not answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from sqlalchemy import QueuePool, create_engine
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError
from tests.messages import alert_of, recording_of

from beffroi_api.bus.intake import IndexIntake
from beffroi_api.bus.positions import Positions
from beffroi_api.db.database import Database
from beffroi_common.bus import Backlog, InvalidRecord, Record, RetryLater
from beffroi_common.contracts import Alert, Recording
from beffroi_common.topics import ALERTS, RECORDINGS, Topic
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass
class Index:
    """Recordings and alerts, of whom each taking does `do`."""

    do: Callable[[], object]

    def take(self, _message: object, _also: object) -> None:
        self.do()


def fail(error: Exception) -> Callable[[], object]:
    def do() -> object:
        raise error

    return do


def hanging() -> Callable[[], object]:
    """What asking a database is like while another holds the only connection and nothing answers."""
    engine = create_engine("sqlite://", poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.01)
    held = engine.connect()
    return lambda: (engine.connect(), held)


def take(do: Callable[[], object]) -> None:
    index = cast("Any", Index(do))
    clock = ManualClock()
    positions = Positions(Database("sqlite://"), clock)
    intake = IndexIntake(MemoryBus(MemoryBroker()), index, index, positions, "api", clock, lambda: None, Backlog(clock))
    recording = recording_of("gate", AT)
    intake.handle(Record(RECORDINGS.name, 0, 0, recording.key, recording.encode(), 0))


@pytest.mark.parametrize(
    "do",
    [
        fail(OperationalError("INSERT", {}, OSError("gone"))),
        fail(InterfaceError("INSERT", {}, OSError("the connection is closed"))),
        hanging(),
    ],
    ids=["gone", "a broken connection", "hanging"],
)
def test_a_database_that_does_not_answer_is_waited_for(do: Callable[[], object]) -> None:
    with pytest.raises(RetryLater, match=r"the database does not answer \(\w+\)"):
        take(do)


def test_what_another_process_writes_at_the_same_time_is_read_again() -> None:
    with pytest.raises(RetryLater, match="another process"):
        take(fail(IntegrityError("INSERT", {}, ValueError())))


def test_what_it_can_never_keep_is_a_dead_letter() -> None:
    with pytest.raises(InvalidRecord, match=r"U\+0000"):
        take(fail(DataError("INSERT", {}, ValueError())))


def test_a_bug_is_a_bug() -> None:
    with pytest.raises(ZeroDivisionError):
        take(lambda: 1 / 0)


@pytest.mark.parametrize(
    ("topic", "message"),
    [(ALERTS, alert_of("gate", AT)), (RECORDINGS, recording_of("gate", AT))],
    ids=["alert", "recording"],
)
def test_what_stands_under_the_key_of_another_is_a_dead_letter(topic: Topic, message: Alert | Recording) -> None:
    index, clock = cast("Any", Index(lambda: None)), ManualClock()
    positions = Positions(Database("sqlite://"), clock)
    intake = IndexIntake(MemoryBus(MemoryBroker()), index, index, positions, "api", clock, lambda: None, Backlog(clock))
    with pytest.raises(InvalidRecord, match="the key names"):
        intake.handle(Record(topic.name, 0, 0, "square", message.encode(), 0))
