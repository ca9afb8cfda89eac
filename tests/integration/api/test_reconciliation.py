"""A database that comes back from a backup, and a bus that went on."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select
from structlog.testing import capture_logs
from tests.application import SYSTEM, Running, eventually

from beffroi_api.db.database import Database
from beffroi_api.db.tables import CameraRow
from beffroi_common.contracts import Camera
from beffroi_common.topics import CAMERAS

V1 = "/api/v1"
BODY = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}, "nominal_fps": 5}
OPEN = {"mode": "open", "reason": "a wall"}
WINDOW = {"mode": "burn", "polygons": [[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]]}


def on_bus(place: Any, camera: str) -> list[Camera | None]:
    """What the bus knows of a camera, in order."""
    records = [record for record in place.broker.records(CAMERAS) if record.key == camera]
    return [Camera.decode(record.value) if record.value else None for record in records]


def make(app: Running, camera: str) -> str:
    path = f"{V1}/cameras/{camera}"
    app.administrator.put(path, json=BODY).raise_for_status()
    return path


def decide(app: Running, path: str, masking: dict[str, Any]) -> None:
    app.administrator.put(f"{path}/masking", json=masking).raise_for_status()
    eventually(lambda: app.operator.get(path).json()["published"])


def backed_up(place: Any) -> list[dict[str, Any]]:
    database = Database(place.around.database_url)
    with database.read(SYSTEM) as session:
        rows = session.execute(select(CameraRow.__table__)).mappings().all()
    database.close()
    return [dict(row) for row in rows]


def restore(place: Any, rows: list[dict[str, Any]]) -> None:
    database = Database(place.around.database_url)
    with database.write(SYSTEM) as session:
        session.execute(delete(CameraRow))
        session.execute(insert(CameraRow), rows)
    database.close()


def test_a_database_from_a_backup_shows_nothing_that_was_masked_since(place: Any) -> None:
    with place.start() as app:
        gate = make(app, "gate")
        decide(app, gate, OPEN)
        backup = backed_up(place)
        decide(app, gate, WINDOW)
        decide(app, make(app, "yard"), WINDOW)
    restore(place, backup)
    before = {camera: len(on_bus(place, camera)) for camera in ("gate", "yard")}
    slots = {record.key: record.partition for record in place.broker.records(CAMERAS)}

    with capture_logs() as logs, place.start() as app:
        eventually(lambda: on_bus(place, "yard")[-1] is None and len(on_bus(place, "gate")) > before["gate"])
        seen = app.operator.get(gate).json()
        assert (seen["version"], seen["masking"], seen["status"]["code"]) == (4, None, "no_mask_decision")
        assert not app.services.directory.shows("gate", 2)
        assert [camera["id"] for camera in app.operator.get(f"{V1}/cameras").json()] == ["gate"]
        rows = app.dpo.get(f"{V1}/audit", params={"user": "(system)"}).json()["items"]
        assert {(row["action"], row["camera"]) for row in rows} == {
            ("camera_saved", "gate"),
            ("camera_removed", "yard"),
        }
        assert app.services.trail.verify().broken_at is None

        decide(app, gate, WINDOW)
        decide(app, make(app, "yard"), WINDOW)
    first, *after = (camera for camera in on_bus(place, "gate")[before["gate"] :] if camera)
    assert (first.version, first.masking) == (4, None), "before anything else: nothing passes"
    assert after
    assert all(camera.masking is None or camera.masking.version > 2 for camera in after)
    yard = on_bus(place, "yard")[-1]
    assert yard is not None
    assert yard.masking is not None
    assert yard.masking.version > 1
    assert {record.key: record.partition for record in place.broker.records(CAMERAS)} == slots
    errors = [entry for entry in logs if entry["log_level"] == "error"]
    assert {entry["camera"] for entry in errors if "restored from a backup" in entry["event"]} == {"gate", "yard"}

    again = len(on_bus(place, "gate"))
    with place.start() as app:
        eventually(lambda: len(on_bus(place, "gate")) > again)
        assert app.operator.get(gate).json()["masking"]["version"] > 2, "what was decided since stays"
