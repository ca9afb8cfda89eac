"""A table follows its topic, and tells what it cannot read from what is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from operator import attrgetter
from queue import Queue

import pytest

from beffroi_common.bus import Absent, Table
from beffroi_common.bus.age import ASK_EVERY_S, TopicTruncatedError
from beffroi_common.bus.table import TableDeadError, TableStaleError
from beffroi_common.contracts import Viewers
from beffroi_common.topics import VIEWERS
from beffroi_local.process import await_condition
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

TIMEOUT_S = 10.0
MAX_AGE_S = 30.0


def viewers(camera: str) -> Viewers:
    return Viewers(camera=camera, annotated_until=datetime(2026, 1, 1, tzinfo=UTC))


class Changes:
    def __init__(self) -> None:
        self.values: Queue[tuple[str, Viewers | Absent]] = Queue()

    def on_change(self, key: str, value: Viewers | Absent) -> None:
        self.values.put((key, value))


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def table(broker: MemoryBroker, changes: Changes) -> Iterator[Table[Viewers]]:
    send(broker, "before", viewers("before").encode())
    made = Table(
        MemoryBus(broker),
        VIEWERS,
        Viewers.decode,
        broker.clock,
        key_of=attrgetter("camera"),
        max_age_s=MAX_AGE_S,
        on_change=changes.on_change,
    )
    made.start()
    yield made
    made.close()


def advance(broker: MemoryBroker, seconds: float) -> None:
    assert isinstance(broker.clock, ManualClock)
    broker.clock.advance(seconds)


def await_true(condition: Callable[[], bool]) -> None:
    await_condition(condition, TIMEOUT_S, "the table to look again")


def send(broker: MemoryBroker, key: str, value: bytes | None) -> None:
    broker.append(VIEWERS.name, key, value, 0, {})


def test_it_knows_what_was_there_before_it_began(table: Table[Viewers]) -> None:
    assert table.wait_caught_up(TIMEOUT_S)
    assert table.get("before") == viewers("before")


def test_it_follows_changes_and_tombstones(table: Table[Viewers], broker: MemoryBroker, changes: Changes) -> None:
    send(broker, "a", viewers("a").encode())
    send(broker, "a", None)
    heard = [changes.values.get(timeout=TIMEOUT_S) for _ in range(3)]
    assert heard[1:] == [("a", viewers("a")), ("a", Absent.MISSING)]
    assert table.get("a") is Absent.MISSING
    assert set(table.values()) == {"before"}


def test_an_unreadable_message_ends_what_was_there(
    table: Table[Viewers], broker: MemoryBroker, changes: Changes
) -> None:
    send(broker, "before", b'{"unknown": 1}')
    while changes.values.get(timeout=TIMEOUT_S) != ("before", Absent.UNREADABLE):
        pass
    assert table.get("before") is Absent.UNREADABLE
    assert table.values() == {}


@pytest.mark.parametrize(("value", "after"), [(None, Absent.MISSING), (viewers("before").encode(), viewers("before"))])
def test_what_comes_after_an_unreadable_message_counts(
    table: Table[Viewers], broker: MemoryBroker, changes: Changes, value: bytes | None, after: Viewers | Absent
) -> None:
    send(broker, "before", b"{")
    send(broker, "before", value)
    heard = [changes.values.get(timeout=TIMEOUT_S) for _ in range(3)]
    assert heard[1:] == [("before", Absent.UNREADABLE), ("before", after)]
    assert table.get("before") == after


def test_silence_does_not_age_it_while_the_broker_answers(table: Table[Viewers], broker: MemoryBroker) -> None:
    assert table.wait_caught_up(TIMEOUT_S)
    advance(broker, 10 * MAX_AGE_S)
    await_true(lambda: not table.is_stale)
    assert table.get("before") == viewers("before")


@pytest.mark.parametrize("how", ["away", "denied", "unread"])
def test_past_its_age_it_says_nothing_until_the_broker_is_heard_again(
    table: Table[Viewers], broker: MemoryBroker, how: str
) -> None:
    """The broker is away; or the right to read is lost; or that to ask where the topic ends is all that is left."""
    assert table.wait_caught_up(TIMEOUT_S)
    if how == "away":
        broker.away = True
    else:
        broker.denied.add(VIEWERS.name)
    broker.tells_ends = how == "unread"
    send(broker, "before", None)
    advance(broker, MAX_AGE_S - 5)
    assert table.get("before") == viewers("before"), "until then what was known counts"
    advance(broker, 10)
    await_true(lambda: table._age._ask_at_s > broker.clock.monotonic_s())  # it asks again, in vain
    for use in (lambda: table.get("before"), table.values):
        with pytest.raises(TableStaleError, match=VIEWERS.name):
            use()
    broker.away, broker.tells_ends = False, False
    broker.denied.clear()
    advance(broker, ASK_EVERY_S)
    await_true(lambda: not table.is_stale)
    assert table.get("before") is Absent.MISSING


def test_what_may_lack_what_it_once_said_is_followed_no_more(broker: MemoryBroker) -> None:
    """Its topic was made anew, or lost what was on it."""
    table = Table(
        MemoryBus(broker), VIEWERS, Viewers.decode, broker.clock, key_of=attrgetter("camera"), max_age_s=MAX_AGE_S
    )
    send(broker, "before", viewers("before").encode())
    table.start()
    assert table.wait_caught_up(TIMEOUT_S)
    broker.log((VIEWERS.name, 0)).clear()
    advance(broker, ASK_EVERY_S)
    table._thread.join(TIMEOUT_S)
    with pytest.raises(TableDeadError) as dead:
        table.get("before")
    assert isinstance(dead.value.__cause__, TopicTruncatedError)
    table.close()


def test_a_table_that_is_followed_no_more_says_nothing_instead_of_what_was(broker: MemoryBroker) -> None:
    def decode(payload: bytes) -> Viewers:
        if payload == b"no file is left":
            raise OSError
        return Viewers.decode(payload)

    dead = Table(MemoryBus(broker), VIEWERS, decode, broker.clock, key_of=attrgetter("camera"))
    send(broker, "before", viewers("before").encode())
    dead.start()
    assert dead.wait_caught_up(TIMEOUT_S)
    send(broker, "other", b"no file is left")
    dead._thread.join(TIMEOUT_S)
    for use in (lambda: dead.get("before"), dead.values, lambda: dead.wait_caught_up(0)):
        with pytest.raises(TableDeadError, match=VIEWERS.name):
            use()
    dead.close()


def test_what_stands_under_the_key_of_another_is_not_read(broker: MemoryBroker, table: Table[Viewers]) -> None:
    send(broker, "gate", viewers("gate").encode())
    await_true(lambda: table.get("gate") == viewers("gate"))
    send(broker, "gate", viewers("square").encode())
    await_true(lambda: table.get("gate") is Absent.UNREADABLE)
    assert table.get("square") is Absent.MISSING


def test_an_error_that_nobody_foresaw_ends_no_table(broker: MemoryBroker) -> None:
    def decode(payload: bytes) -> Viewers:
        if payload == b"bug":
            raise ZeroDivisionError
        return Viewers.decode(payload)

    def fail(key: str, _now: Viewers | Absent) -> None:
        if key == "noticed":
            raise ZeroDivisionError

    made = Table(MemoryBus(broker), VIEWERS, decode, broker.clock, key_of=attrgetter("camera"), on_change=fail)
    send(broker, "bad", b"bug")
    send(broker, "noticed", viewers("noticed").encode())
    send(broker, "good", viewers("good").encode())
    made.start()
    assert made.wait_caught_up(TIMEOUT_S)
    assert made.get("bad") is Absent.UNREADABLE
    assert made.values() == {each: viewers(each) for each in ("noticed", "good")}
    made.close()
