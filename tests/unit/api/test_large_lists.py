"""Pages of a large installation look at what they show, and at nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.application import SYSTEM
from tests.unit.api.desk import of

from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import CameraRow
from beffroi_api.modules.alerts import repository as alerts
from beffroi_api.modules.alerts.schemas import Life
from beffroi_api.modules.cameras import repository as cameras
from beffroi_api.modules.recordings import repository as recordings
from beffroi_api.modules.rules import service as rules
from beffroi_rules import registry
from beffroi_rules.fitting import plan_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'api.sqlite3'}")
    migrations.upgrade(made)
    yield made
    made.close()


def open_alerts(session: ScopedSession) -> None:
    alerts.page(session, after=NOW, camera=None, life=Life.OPEN, acknowledged=None, before=None, limit=100)


CASES: dict[str, tuple[Callable[[ScopedSession], Any], str]] = {
    "recordings of a moment": (
        lambda session: recordings.overlapping(session, "gate", NOW - HOUR, NOW),
        "USING INDEX ix_recordings_timeline (camera=? AND starts_at>? AND starts_at<?)",
    ),
    "alerts that go on": (open_alerts, "USING INDEX ix_alerts_state (state=?)"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_index_leads_to_what_is_asked_for(database: Database, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, way = CASES[case]
    asked: list[Any] = []
    with database.read(SYSTEM) as session:

        def explained(statement: Any, *_: Any, **__: Any) -> list[Any]:
            asked.append(statement)
            return []

        monkeypatch.setattr(session, "scalars", explained)
        ask(session)
    (statement,) = asked
    with database.for_migrations(writes=False) as connection:
        sql = str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
        plan = " ".join(row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}")))
    assert way in plan


def test_a_camera_is_read_once_and_its_rules_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = of("gate", version=7)
    row = CameraRow(id="gate", slot=0, version=7, commune="Lille", document=camera.model_dump_json())
    assert cameras.document(row) is cameras.document(row)
    looked: list[str] = []

    def noted(found: Any, among: Any) -> Any:
        looked.append(found.id)
        return plan_of(found, among)

    monkeypatch.setattr(rules, "plan_of", noted)
    found = rules.Rules(registry.load())
    for _ in range(3):
        found.on(camera, ())
    found.on(of("gate", version=8), ())
    assert looked == ["gate", "gate"]
