"""What is written is found again: a database that comes back from a backup, or is new, beside a bus that went on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert
from tests.application import SYSTEM, Running, eventually
from tests.messages import alert_of

from beffroi_api.bus import positions
from beffroi_api.commands.index import rebuild
from beffroi_api.db.database import Database
from beffroi_api.db.tables import AlertRow, Base, PositionRow, RecordingRow
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_common.contracts import Recording, RecordingState
from beffroi_common.topics import ALERTS, RECORDINGS

V1 = "/api/v1"
TABLES: tuple[type[Base], ...] = (AlertRow, RecordingRow, PositionRow)

Backup = dict[type[Base], list[dict[str, Any]]]


@pytest.fixture
def keeper(place: Any) -> Iterator[Database]:
    """Whoever makes backups and restores them."""
    made = Database(place.around.database_url)
    yield made
    made.close()


def back_up(keeper: Database) -> Backup:
    with keeper.read(SYSTEM) as session:
        return {each: [dict(row) for row in session.execute(each.__table__.select()).mappings()] for each in TABLES}


def restore(keeper: Database, backup: Backup) -> None:
    with keeper.write(SYSTEM) as session:
        for table, rows in backup.items():
            session.execute(delete(table))
            if rows:
                session.execute(insert(table), rows)


@dataclass
class Town:
    """Says that alerts were opened and segments stored, minute by minute, and sees what is listed."""

    place: Any
    record: Callable[..., Any]
    tell: Callable[[Recording], None]

    def minute(self, number: int) -> Recording:
        at = self.place.clock.now() - timedelta(minutes=30 - number)
        self.place.around.bus.producer().send(ALERTS, "gate", alert_of("gate", at), partition=0)
        stored: Recording = self.record(at).recording
        return stored

    def destroy(self, recording: Recording) -> None:
        changed_at = recording.changed_at + timedelta(minutes=1)
        self.place.store.remove(recording.object_name)
        self.tell(recording.model_copy(update={"state": RecordingState.DESTROYED, "changed_at": changed_at}))

    def listed(self, app: Running) -> tuple[list[str], int]:
        """Objects, and how many alerts."""
        recordings = app.operator.get(f"{V1}/cameras/gate/recordings").json()["segments"]
        return [each["object"] for each in recordings], len(app.operator.get(f"{V1}/alerts").json()["items"])


@pytest.fixture
def town(place: Any, record: Callable[..., Any], tell: Callable[[Recording], None]) -> Town:
    return Town(place, record, tell)


def test_after_a_backup_everything_is_listed_once_and_nothing_that_was_destroyed(
    place: Any, keeper: Database, town: Town
) -> None:
    with place.start() as app:
        app.administrator.put(f"{V1}/cameras/gate", json=CAMERA).raise_for_status()
        early = [town.minute(number) for number in range(3)]
        eventually(lambda: town.listed(app) == ([each.object_name for each in early], 3))
        backup = back_up(keeper)
        late = [town.minute(number) for number in range(3, 6)]
        town.destroy(early[0])
        there = [each.object_name for each in (*early[1:], *late)]
        eventually(lambda: town.listed(app) == (there, 6))
    restore(keeper, backup)
    with place.start() as app:
        eventually(lambda: town.listed(app) == (there, 6))


def test_under_a_process_that_runs_too(place: Any, keeper: Database, town: Town) -> None:
    with place.start() as app:
        app.administrator.put(f"{V1}/cameras/gate", json=CAMERA).raise_for_status()
        backup = back_up(keeper)
        stored = [town.minute(number) for number in range(3)]
        everything = [each.object_name for each in stored], 3
        eventually(lambda: town.listed(app) == everything)
        restore(keeper, backup)
        place.clock.advance(positions.CHECK_EVERY_S)
        eventually(lambda: town.listed(app) == everything)
        restore(keeper, backup)
        stored.append(town.minute(4))
        eventually(lambda: town.listed(app) == ([each.object_name for each in stored], 4))


def test_a_broker_that_lost_its_disk_is_read_from_its_beginning(place: Any, keeper: Database, town: Town) -> None:
    with place.start() as app:
        app.administrator.put(f"{V1}/cameras/gate", json=CAMERA).raise_for_status()
        stored = [town.minute(number) for number in range(3)]
        eventually(lambda: town.listed(app)[1] == 3)
    for topic in (ALERTS, RECORDINGS):
        place.broker.log((topic.name, 0)).clear()
    place.clock.advance(60)
    stored += [town.minute(number) for number in range(3, 9)]  # more than there were, while nobody reads
    with place.start() as app:
        eventually(lambda: town.listed(app) == ([each.object_name for each in stored], 9))


def test_what_was_refused_once_is_not_refused_again_at_a_restart(place: Any, town: Town) -> None:
    with place.start() as app:
        app.administrator.put(f"{V1}/cameras/gate", json=CAMERA).raise_for_status()
        town.minute(0)
        place.broker.append(ALERTS.name, "gate", b"{}", 0, {})
        eventually(lambda: place.broker.records(f"{ALERTS.name}.dlq"))
        eventually(lambda: town.listed(app)[1] == 1)
    with place.start() as app:
        town.minute(1)
        eventually(lambda: town.listed(app)[1] == 2)
    assert len(place.broker.records(f"{ALERTS.name}.dlq")) == 1


def test_the_command_has_a_running_process_read_everything_again(
    place: Any, keeper: Database, town: Town, app: Running
) -> None:
    app.administrator.put(f"{V1}/cameras/gate", json=CAMERA).raise_for_status()
    stored = [town.minute(number) for number in range(3)]
    everything = [each.object_name for each in stored], 3
    eventually(lambda: town.listed(app) == everything)
    with keeper.write(SYSTEM) as session:  # some hand went wrong
        for table in (AlertRow, RecordingRow):
            session.execute(delete(table))
    rebuild(keeper, Stores([place.store]), timedelta(days=14))
    place.clock.advance(positions.CHECK_EVERY_S)
    eventually(lambda: town.listed(app) == everything)


CAMERA = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}, "nominal_fps": 5}
