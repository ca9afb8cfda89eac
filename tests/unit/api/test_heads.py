"""The head of the trail leaves the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.application import SEAL

from beffroi_api.bus.heads import EVERY_S, HeadsSender, published
from beffroi_api.db import installation, migrations
from beffroi_api.db.database import Database
from beffroi_api.modules.audit.chain.seal import Head
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_common.contracts import TrailHead
from beffroi_common.topics import TRAIL_HEADS
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus


class Place:
    """A trail on a database of its own, and what sends its head."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(clock=self.clock)
        self.bus = MemoryBus(self.broker)
        self.database = Database(f"sqlite:///{folder}/api.sqlite3")
        migrations.upgrade(self.database)
        self.trail = Trail(self.database, self.clock, SEAL)
        self.sender = self.new_sender()

    def new_sender(self) -> HeadsSender:
        return HeadsSender(self.trail, self.database, self.bus.producer(), self.clock)

    def act(self) -> None:
        self.trail.record(Entry("tests", "here", Action.STILL_SEEN))

    def rows_sent(self) -> list[int]:
        return [TrailHead.decode(record.value or b"").rows for record in self.broker.records(TRAIL_HEADS)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.database.close()


def test_it_is_sent_each_minute_of_activity(place: Place) -> None:
    place.sender.send()
    assert place.rows_sent() == []  # an empty trail has none
    place.act()
    place.sender.send()
    place.act()
    place.sender.send()
    assert place.rows_sent() == [1]
    place.clock.advance(EVERY_S)
    place.sender.send()
    place.clock.advance(EVERY_S)
    place.sender.send()
    assert place.rows_sent() == [1, 2]


def test_an_end_in_order_leaves_nothing_unsent(place: Place) -> None:
    place.sender.send()
    place.act()
    place.sender.close()
    assert place.rows_sent() == [1]


def test_while_the_broker_is_away_it_stays_due(place: Place) -> None:
    place.act()
    place.broker.away = True
    place.sender.send()
    place.broker.away = False
    place.sender.send()
    assert place.rows_sent() == [1]


def test_it_is_in_the_log_too(place: Place) -> None:
    place.act()
    with capture_logs() as lines:
        place.sender.send()
    (line,) = lines
    assert Head.read(line["head"]) == place.trail.head()


def test_heads_are_read_back_and_junk_hides_none(place: Place) -> None:
    database = installation.database_id(place.database)
    place.act()
    place.sender.send()
    for key, value in ((database, b"{}"), (database, None), ("another", place.broker.records(TRAIL_HEADS)[0].value)):
        place.broker.append(TRAIL_HEADS.name, key, value, None, {})
    assert list(published(place.bus, database, place.clock, 30)) == [place.trail.head()]
