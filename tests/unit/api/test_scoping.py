"""Every repository function sees rows of the scope alone, whatever it selects, changes or deletes."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, literal, select, text, update
from sqlalchemy.orm import aliased
from tests.application import SYSTEM

from beffroi_api import modules
from beffroi_api.authz.scope import Scope
from beffroi_api.authz.territory import EVERYWHERE, Territory
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.db.scoping import FILTERED, UNFILTERED, ScopedSession
from beffroi_api.db.tables import AlertRow, AuditTableRow, Base, CameraRow, RecordingRow
from beffroi_api.modules.alerts import repository as alerts
from beffroi_api.modules.alerts.schemas import Life
from beffroi_api.modules.audit import repository as audit
from beffroi_api.modules.cameras import repository as cameras
from beffroi_api.modules.recordings import repository as recordings
from beffroi_common.contracts import Camera, CameraSource, RecordingState

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=1)
COMMUNES = {"gate": "Lille", "yard": "Hellemmes", "quay": "Hellemmes"}

LILLE = Scope("lille", Territory(communes=frozenset({"Lille"})))
NOBODY = Scope("nobody", Territory())
SHARED = Scope("shared", Territory(communes=frozenset({"Lille"}), cameras=frozenset({"quay"})))
ALL = Scope("all", EVERYWHERE)

SEEN = {LILLE: {"gate"}, NOBODY: set(), SHARED: {"gate", "quay"}, ALL: set(COMMUNES), SYSTEM: set(COMMUNES)}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Three cameras of two communes; each has an alert, a recording and a row of the trail under its own name."""
    made = Database(f"sqlite:///{tmp_path / 'api.sqlite3'}")
    migrations.upgrade(made)
    with made.write(SYSTEM) as session:
        for number, (camera, commune) in enumerate(COMMUNES.items(), start=1):
            add_camera(session, camera, commune)
            session.execute(insert(AlertRow), [alert_of(camera)])
            session.execute(insert(RecordingRow), [recording_of(camera)])
            session.execute(insert(AuditTableRow), [audit_of(number, camera)])
    yield made
    made.close()


def add_camera(session: ScopedSession, name: str, commune: str) -> None:
    camera = Camera(
        id=name,
        name=name,
        commune=commune,
        source=CameraSource(url="pattern:160x96@5"),
        slot=0,
        version=1,
        enabled=True,
    )
    row = CameraRow(id=name, slot=0, mask_version=0, published_version=0, removed_at=None)
    cameras.write(row, camera)
    session.add(row)
    session.flush()


def alert_of(camera: str) -> dict[str, Any]:
    words = {"zone": "z", "rule": "r", "legal_basis": "b", "state": "opened", "track": "t"}
    times = dict.fromkeys(("onset", "opened_at", "occurred_at", "received_at"), OLD)
    return {"id": camera, "camera": camera, "rule_version": 1, "parameters": {}, "box": [], "onset_unknown": False} | (
        words | times
    )


def recording_of(camera: str) -> dict[str, Any]:
    words = {"store": "recordings", "state": "stored", "codec": "c", "sha256": "0", "mask_versions": []}
    numbers = dict.fromkeys(("frames", "missing_batches", "width", "height", "size_bytes"), 1)
    times = dict.fromkeys(("starts_at", "ends_at", "changed_at"), OLD)
    return {"id": camera, "object_name": camera, "camera": camera} | words | numbers | times


def audit_of(number: int, camera: str | None, user: str = "somebody") -> dict[str, Any]:
    row = {"id": number, "at": OLD, "user": user, "address": "here", "action": "still_seen", "camera": camera}
    return row | {"subject": None, "details": {}, "previous_hash": "0", "hash": "0"}


def remaining(database: Database, table: type[CameraRow | AlertRow | RecordingRow]) -> set[str]:
    with database.read(SYSTEM) as session:
        return set(session.scalars(select(table.id)))


PAGE: dict[str, Any] = {"camera": None, "life": Life.ALL, "acknowledged": None, "before": None, "limit": 10}

OTHER_ALERT, OTHER_CAMERA = aliased(AlertRow), aliased(CameraRow)

Read = Callable[[ScopedSession], set[str]]
READS: dict[str, Read] = {
    "cameras.find": lambda session: {name for name in COMMUNES if cameras.find(session, name)},
    "cameras.present": lambda session: {row.id for row in cameras.present(session)},
    "cameras.names": lambda session: set(cameras.names(session)),
    "cameras.every": lambda session: {row.id for row in cameras.every(session)},
    "cameras.communes": lambda session: set(cameras.communes(session)),
    "cameras.unpublished": lambda session: {row.id for row in cameras.unpublished(session)},
    "alerts.find": lambda session: {name for name in COMMUNES if alerts.find(session, name)},
    "alerts.page": lambda session: {row.camera for row in alerts.page(session, after=OLD - timedelta(1), **PAGE)},
    "alerts.not_closed": lambda session: {row.id for name in COMMUNES for row in alerts.not_closed(session, name)},
    "alerts.cameras_with_open": lambda session: set(alerts.cameras_with_open(session)),
    "alerts.open_since": lambda session: {row.camera for row in alerts.open_since(session, NOW)},
    "recordings.find": lambda session: {name for name in COMMUNES if recordings.find(session, name)},
    "recordings.overlapping": lambda session: {
        row.id for name in COMMUNES for row in recordings.overlapping(session, name, OLD, NOW)
    },
    "recordings.listed": lambda session: {
        row.id for name in COMMUNES for row in recordings.listed(session, name, OLD, NOW)
    },
    "recordings.known": lambda session: recordings.known(session, COMMUNES),
    "recordings.there_until": lambda session: {row.id for row in recordings.there_until(session, NOW, "", 10)},
    "audit.page": lambda session: {
        row.camera or "" for row in audit.page(session, before=None, limit=10, user=None, camera=None)
    },
    "audit.oldest_first": lambda session: {row.camera or "" for row in audit.oldest_first(session)},
    "audit.unsealed": lambda session: {row.camera or "" for row in audit.unsealed(session)},
    "a count": lambda session: {
        name
        for name in COMMUNES
        if session.scalar(select(func.count()).select_from(AlertRow).where(AlertRow.camera == name))
    },
    "columns": lambda session: set(session.scalars(select(RecordingRow.camera))),
    "an alias": lambda session: set(session.scalars(select(OTHER_ALERT.camera))),
    "a join to itself": lambda session: {
        camera for camera, _ in session.execute(select(OTHER_CAMERA.id, CameraRow.id).join(CameraRow, literal(True)))
    },
    "a subquery": lambda session: set(session.scalars(select(select(AlertRow).subquery().c.camera))),
    "a join": lambda session: {
        row.id for row in session.scalars(select(AlertRow).join(CameraRow, CameraRow.id == AlertRow.camera))
    },
}


def forget_recordings(session: ScopedSession) -> None:
    session.execute(update(RecordingRow).values(state=RecordingState.DESTROYED.value, changed_at=OLD))
    recordings.forget_destroyed(session, until=NOW)


Write = Callable[[ScopedSession], None]
WRITES: dict[str, tuple[Write, Callable[[Database], set[str]]]] = {
    "alerts.forget": (
        lambda session: alerts.forget(session, until=NOW, now=NOW),
        lambda database: set(COMMUNES) - remaining(database, AlertRow),
    ),
    "recordings.forget_destroyed": (
        forget_recordings,
        lambda database: set(COMMUNES) - remaining(database, RecordingRow),
    ),
    "recordings.forget": (
        lambda session: recordings.forget(session, COMMUNES),
        lambda database: set(COMMUNES) - remaining(database, RecordingRow),
    ),
    "cameras.mark_published": (
        lambda session: cameras.mark_published(session, dict.fromkeys(COMMUNES, 1)),
        lambda database: set(COMMUNES) - unpublished(database),
    ),
}

ELSEWHERE = {
    "audit.last": "the end of the chain is one for all: `test_the_end_of_the_chain_is_the_same_for_all`",
    "audit.newest": "the end of the chain is one for all: `test_the_end_of_the_chain_is_the_same_for_all`",
}


def unpublished(database: Database) -> set[str]:
    with database.read(SYSTEM) as session:
        return {row.id for row in cameras.unpublished(session)}


@pytest.mark.parametrize("scope", SEEN, ids=lambda scope: scope.actor)
@pytest.mark.parametrize("name", READS)
def test_reading(database: Database, name: str, scope: Scope) -> None:
    with database.read(scope) as session:
        assert READS[name](session) == SEEN[scope]


@pytest.mark.parametrize("scope", SEEN, ids=lambda scope: scope.actor)
@pytest.mark.parametrize("name", WRITES)
def test_changing(database: Database, name: str, scope: Scope) -> None:
    write, touched = WRITES[name]
    with database.write(scope) as session:
        write(session)
    assert touched(database) == SEEN[scope]


def test_every_function_on_rows_of_cameras_is_in_these_tables() -> None:
    named = {name for name in (*READS, *WRITES, *ELSEWHERE) if "." in name}
    found = set()
    for module in ("cameras", "alerts", "recordings", "audit"):
        repository = importlib.import_module(f"{modules.__name__}.{module}.repository")
        for name, function in inspect.getmembers(repository, inspect.isfunction):
            if function.__module__ == repository.__name__ and "session" in inspect.signature(function).parameters:
                found.add(f"{module}.{name}")
    assert found == named


def test_each_table_is_filtered_or_says_why_not() -> None:
    tables = {mapper.class_ for mapper in Base.registry.mappers}
    assert FILTERED | UNFILTERED.keys() == tables
    assert not FILTERED & UNFILTERED.keys()
    assert {table for table in UNFILTERED if "camera" in table.__table__.c} == set()


def test_rows_of_the_trail_without_a_camera_are_ones_own(database: Database) -> None:
    with database.write(SYSTEM) as session:
        session.execute(insert(AuditTableRow), [audit_of(10, None, "lille"), audit_of(11, None, "somebody")])
    seen = {}
    for scope in (LILLE, NOBODY, ALL):
        with database.read(scope) as session:
            rows = audit.page(session, before=None, limit=10, user=None, camera=None)
            seen[scope.actor] = [row.id for row in rows]
    assert seen == {"lille": [10, 1], "nobody": [], "all": [11, 10, 3, 2, 1]}


def test_the_end_of_the_chain_is_the_same_for_all(database: Database) -> None:
    for scope in SEEN:
        with database.write(scope) as session:
            last = audit.last(session)
            assert last is not None
            assert last.id == 3


def test_a_row_of_a_camera_that_no_row_knows_is_seen_everywhere_only(database: Database) -> None:
    with database.write(SYSTEM) as session:
        session.execute(insert(AlertRow), [alert_of("ghost")])
    seen = {}
    for scope in (LILLE, SHARED, ALL):
        with database.read(scope) as session:
            seen[scope.actor] = alerts.find(session, "ghost") is not None
    assert seen == {"lille": False, "shared": False, "all": True}


def test_what_cannot_be_filtered_is_refused(database: Database) -> None:
    with database.read(LILLE) as session, pytest.raises(TypeError, match="cannot be limited to a scope"):
        session.execute(text("SELECT * FROM alerts"))


def test_a_camera_that_changes_its_commune_changes_who_sees_it(database: Database) -> None:
    with database.write(SYSTEM) as session:
        row = cameras.find(session, "yard")
        assert row is not None
        cameras.write(row, cameras.document(row).model_copy(update={"commune": "Lille"}))
    with database.read(LILLE) as session:
        assert READS["alerts.page"](session) == {"gate", "yard"}
