"""What is over is forgotten: destroyed recordings after their time on record, alerts by a clock that is confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.application import SEAL
from tests.messages import alert_of, recording_of

from beffroi_api.authz.scope import Scope
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.errors import NotFound
from beffroi_api.modules.alerts.service import Alerts
from beffroi_api.modules.audit.service import Trail
from beffroi_api.modules.recordings.looks.served_ranges import ServedRanges
from beffroi_api.modules.recordings.service import Recordings
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.news.outbox import NewsOutbox
from beffroi_common.bus import RetryLater
from beffroi_common.contracts import RecordingState
from beffroi_common.recordings import DESTROYED_KEPT
from beffroi_common.recordings.naming import segment_id
from beffroi_testing import ManualClock, MemoryStore

ALL = Scope.system("a test sees everything")
RETENTION = timedelta(days=14)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/index.sqlite3")
    migrations.upgrade(made)
    yield made
    made.close()


def test_what_was_destroyed_leaves_the_index_after_its_time_and_nothing_else_does(database: Database) -> None:
    clock = ManualClock()
    stores = Stores([MemoryStore(clock)])
    served = ServedRanges(database, Trail(database, clock, SEAL), clock)
    recordings = Recordings(database, served, stores, clock, RETENTION, NewsOutbox())
    taken = {
        state: recording_of("gate", clock.now(), object_name=f"segments/{state}.mp4", state=state)
        for state in RecordingState
    }
    for recording in taken.values():
        recordings.take(recording)

    def left() -> set[RecordingState]:
        return {state for state, each in taken.items() if recordings.find(ALL, segment_id(each.key)) is not None}

    clock.advance(DESTROYED_KEPT.total_seconds() - 1)
    recordings.forget_old()
    assert left() == set(RecordingState)
    clock.advance(1)
    recordings.forget_old()
    assert left() == {RecordingState.STORED, RecordingState.HELD}


def test_a_clock_that_is_ahead_drops_no_alert(database: Database) -> None:
    clock, right = ManualClock(), True
    alerts = Alerts(
        database,
        Trail(database, clock, SEAL),
        clock,
        RETENTION,
        timedelta(minutes=15),
        lambda _: None,
        NewsOutbox(),
        lambda: right,
    )
    old, new = alert_of("gate", clock.now() - RETENTION), alert_of("gate", clock.now())
    alerts.take(old)
    with pytest.raises(NotFound):
        alerts.get(ALL, old.id)
    right = False
    clock.set(timedelta(days=3650).total_seconds())
    with pytest.raises(RetryLater):
        alerts.take(new)
    clock.set(-timedelta(days=3650).total_seconds())
    alerts.take(new)
    assert alerts.get(ALL, new.id).id == new.id


def test_an_alert_of_a_clock_that_was_ahead_is_kept_no_longer_than_others(database: Database) -> None:
    clock = ManualClock()
    trail, silence = Trail(database, clock, SEAL), timedelta(minutes=15)
    alerts = Alerts(database, trail, clock, RETENTION, silence, lambda _: None, NewsOutbox(), lambda: True)
    ahead = alert_of("gate", clock.now() + timedelta(days=3650))
    alerts.take(ahead)
    clock.advance(RETENTION.total_seconds() - 1)
    alerts.forget_old()
    assert alerts.get(ALL, ahead.id).id == ahead.id
    clock.advance(1)
    alerts.forget_old()
    with pytest.raises(NotFound):
        alerts.get(ALL, ahead.id)
