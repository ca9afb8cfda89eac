"""A table follows its topic, and tells what it cannot read from what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from queue import Queue

import pytest

from beffroi_common.bus import Absent, Table
from beffroi_common.bus.table import TableDeadError
from beffroi_common.contracts import Viewers
from beffroi_common.topics import VIEWERS
from beffroi_testing import MemoryBroker, MemoryBus

TIMEOUT_S = 10.0


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
    made = Table(MemoryBus(broker), VIEWERS, Viewers.decode, on_change=changes.on_change)
    made.start()
    yield made
    made.close()


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


def test_a_table_that_is_followed_no_more_says_nothing_instead_of_what_was(broker: MemoryBroker) -> None:
    def decode(payload: bytes) -> Viewers:
        if payload == b"bug":
            raise ZeroDivisionError
        return Viewers.decode(payload)

    dead = Table(MemoryBus(broker), VIEWERS, decode)
    send(broker, "before", viewers("before").encode())
    dead.start()
    assert dead.wait_caught_up(TIMEOUT_S)
    send(broker, "bug", b"bug")
    dead._thread.join(TIMEOUT_S)
    for use in (lambda: dead.get("before"), dead.values, lambda: dead.wait_caught_up(0)):
        with pytest.raises(TableDeadError, match=VIEWERS.name):
            use()
    dead.close()
