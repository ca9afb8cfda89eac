"""Whatever somebody wrote into the trail past the api: `verify` names it, pages show the rest, no process ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs
from tests.application import SEAL, SYSTEM, Running, in_memory, prepare, running

from beffroi_api.bus.heads import HeadsSender
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.db.tables import AuditTableRow
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import UNREADABLE, Entry, Trail
from beffroi_common.topics import TRAIL_HEADS
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

NO_TEXT = "\N{REPLACEMENT CHARACTER}"

BENT = [
    "details = 'no JSON'",
    "details = '[]'",
    "details = '\"text\"'",
    "details = '{\"a\": 1e999}'",
    f"details = '{'[' * 5000}'",
    "details = x'ff00'",
    "at = 'never'",
    "at = 5",
    "at = '0001-01-01 00:00:00'",
    "at = '9999-12-31 23:59:59.999999'",
    "\"user\" = x'ff00'",
    "camera = x'00'",
    "action = x'80'",
    "subject = 5",
    "hash = x'ff'",
    "seal = 5",
    "seal = x'00'",
    "seal = zeroblob(64)",
    "previous_hash = x'00'",
    "previous_hash = 5",
    "address = x'ff'",
    "details = '{\"a\": ' || replace(hex(zeroblob(150)), '0', '[') || replace(hex(zeroblob(150)), '0', ']') || '}'",
    'details = \'{"a": "\\ud800"}\'',
    *(f"\"{column.name}\" = CAST(x'ff' AS TEXT)" for column in AuditTableRow.__table__.columns if column.name != "id"),
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all kinds of rows."""
    around, *_ = in_memory(tmp_path_factory.mktemp("bent"))
    with running(around) as started:
        yield started


@pytest.mark.parametrize("bent", BENT)
def test_a_bent_row_is_named_and_hides_no_other(app: Running, bent: str) -> None:
    with app.services.database.write(SYSTEM) as session:
        session.execute(text("DELETE FROM audit"))
    for user in ("ada", "bob", "eve"):
        app.services.trail.record(Entry(user, "here", Action.STILL_SEEN))
    with app.services.database.write(SYSTEM) as session:
        session.execute(text(f"UPDATE audit SET {bent} WHERE id = 2"))
    assert app.services.trail.verify().broken_at == 2
    page = app.dpo.get("/api/v1/audit").json()["items"]
    assert {"ada", "eve"} <= {row["user"] for row in page}
    assert len([row for row in page if row["id"] == 2]) == 1
    assert all(row["user"] in ("bob", UNREADABLE, NO_TEXT) for row in page if row["id"] == 2)


def test_a_process_starts_on_a_bent_end_of_the_trail(tmp_path: Path) -> None:
    around, *_ = in_memory(tmp_path)
    prepare(around)
    database = Database(around.database_url)
    Trail(database, around.clock, SEAL).record(Entry("ada", "here", Action.STILL_SEEN))
    with database.write(SYSTEM) as session:
        session.execute(text("UPDATE audit SET subject = 'x'"))
    database.close()
    with running(around) as app:
        assert app.dpo.get("/api/v1/audit").json()["items"][-1]["subject"] == "x"


@pytest.mark.parametrize("bent", ["hash = 'x'", "hash = ''", "id = 9223372036854775807", "id = -5"])
def test_a_bent_end_of_the_trail_ends_no_process(tmp_path: Path, bent: str) -> None:
    database, clock = Database(f"sqlite:///{tmp_path}/api.sqlite3"), ManualClock()
    migrations.upgrade(database)
    trail, broker = Trail(database, clock, SEAL), MemoryBroker(clock=clock)
    trail.record(Entry("ada", "here", Action.STILL_SEEN))
    with database.write(SYSTEM) as session:
        session.execute(text(f"UPDATE audit SET {bent}"))
    with capture_logs() as lines:
        HeadsSender(trail, database, MemoryBus(broker).producer(), clock).send()
    assert broker.records(TRAIL_HEADS) == []
    assert [line["log_level"] for line in lines] == ["error"]
    database.close()


@pytest.mark.parametrize("bent", BENT)
def test_a_bent_end_of_the_trail_stops_nobody(tmp_path: Path, bent: str) -> None:
    database, clock = Database(f"sqlite:///{tmp_path}/api.sqlite3"), ManualClock()
    migrations.upgrade(database)
    trail = Trail(database, clock, SEAL)
    for _ in range(2):
        trail.record(Entry("ada", "here", Action.STILL_SEEN))
    with database.write(SYSTEM) as session:
        session.execute(text(f"UPDATE audit SET {bent} WHERE id = 2"))
    with capture_logs() as lines:
        trail.require_key()
    assert [(line["log_level"], line["row"]) for line in lines] == [("error", 2)]
    trail.record(Entry("bob", "here", Action.STILL_SEEN))
    assert trail.verify().broken_at == 2
    database.close()
