"""Pages of a large installation look at what they show, and at nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import text
from tests.application import SYSTEM, Running, eventually, in_memory, running
from tests.messages import recording_of
from tests.unit.api.desk import of

from beffroi_api.authz.roles import Role
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import ScopedSession
from beffroi_api.db.tables import CameraRow
from beffroi_api.http.paths import API_PREFIX
from beffroi_api.modules.alerts import repository as alerts
from beffroi_api.modules.alerts.schemas import Life
from beffroi_api.modules.cameras import repository as cameras
from beffroi_api.modules.cameras.schemas import CameraView
from beffroi_api.modules.cameras.service import Basis, Cameras
from beffroi_api.modules.health.schemas import HealthView
from beffroi_api.modules.recordings import repository as recordings
from beffroi_api.modules.recordings.schemas import SegmentPage
from beffroi_api.modules.rules import service as rules
from beffroi_api.remembered import Remembered
from beffroi_common.contracts import CameraStatus, Level
from beffroi_rules import registry
from beffroi_rules.fitting import plan_of
from beffroi_testing import ManualClock

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
    row = CameraRow(
        id="gate", slot=0, version=7, published_version=7, commune="Lille", document=camera.model_dump_json()
    )
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


NAMES = ("gate", "yard", "roof")
CAMERA: dict[str, Any] = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Running]:
    around, *_ = in_memory(tmp_path)
    with running(around) as started:
        for name in NAMES:
            put(started, name)
            say(started, name)
        for minute in range(3):
            started.services.recordings.take(
                recording_of("gate", NOW + timedelta(minutes=minute), object_name=f"segments/{minute}")
            )
        yield started


def put(app: Running, camera: str, **changes: Any) -> None:
    path = f"{API_PREFIX}/cameras/{camera}"
    app.administrator.put(path, json=CAMERA | changes).raise_for_status()
    app.administrator.put(f"{path}/masking", json={"mode": "open", "reason": "a wall"}).raise_for_status()
    eventually(lambda: app.operator.get(path).json()["published"])


def say(app: Running, camera: str, code: str = "running") -> None:
    at = app.services.clock.now()
    said = CameraStatus(
        camera=camera, service="masker", level=Level.OK, code=code, message='as "ever" \\ é', at=at, counters={"n": 1}
    )
    app.services.statuses.changed(said.key, said)


def test_lists_are_what_their_schemas_say(app: Running) -> None:
    listed = app.operator.get(f"{API_PREFIX}/cameras").json()
    assert listed == [app.operator.get(f"{API_PREFIX}/cameras/{name}").json() for name in sorted(NAMES)]
    TypeAdapter(list[CameraView]).validate_python(listed)
    health = HealthView.model_validate_json(app.operator.get(f"{API_PREFIX}/health").content)
    said = {
        each.camera: [(status.code, status.stale, status.counters) for status in each.statuses]
        for each in health.cameras
    }
    assert said == {name: [("running", False, {"n": 1})] for name in NAMES}
    day = app.operator.get(f"{API_PREFIX}/cameras/gate/recordings", params={"to": "2026-11-02T00:00:00Z"})
    page = SegmentPage.model_validate_json(day.content)
    assert [each.starts_at for each in page.segments] == [NOW + timedelta(minutes=minute) for minute in range(3)]


def test_a_list_of_cameras_is_made_anew_where_something_became_different(
    app: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = Cameras._made

    def noted(self: Cameras, basis: Basis) -> CameraView:
        made.append(basis.row.id)
        return make(self, basis)

    def ask(role: Role = Role.OPERATOR) -> dict[str, Any]:
        made.clear()
        return {each["id"]: each for each in app.as_(role).get(f"{API_PREFIX}/cameras").json()}

    monkeypatch.setattr(Cameras, "_made", noted)
    first = ask()
    assert (ask(), made) == (first, [])
    say(app, "yard")  # the same once more, later
    assert (ask(), made) == (first, [])
    say(app, "yard", code="stands_still")
    assert (ask()["yard"]["status"]["code"], made) == ("stands_still", ["yard"])
    put(app, "roof", name="Roof")
    assert (ask()["roof"]["name"], made) == ("Roof", ["roof"])
    assert [each["source"]["url"] for each in ask(Role.ADMINISTRATOR).values()] == [CAMERA["source"]["url"]] * 3
    assert [each["source"] for each in ask().values()] == [None] * 3
    around_clock(app).advance(app.services.settings.stale_after_s + 1)
    assert {each["status"]["code"] for each in ask().values()} == {"unknown"}


def around_clock(app: Running) -> ManualClock:
    assert isinstance(app.services.clock, ManualClock)
    return app.services.clock


def test_what_is_remembered_goes_with_what_there_is() -> None:
    remembered = Remembered[int, str](2)
    assert [remembered.of("a", basis, str) for basis in range(100)] == [str(basis) for basis in range(100)]
    assert len(remembered) == 1
    for key in "bcd":
        remembered.of(key, 0, str)
    assert len(remembered) == 2
