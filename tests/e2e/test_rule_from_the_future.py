"""A camera with a rule of a later release: pictures pass, recordings are made, its other rules run, and it is said.

All services are real. The camera lies in the database as a later api left it there before somebody went back to this
release: with a rule, a kind of zone, a shape and an analytic that nobody here knows. The api sends it as it is; what
comes on the bus from elsewhere it would undo.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.e2e.system import System, running_system, wait_for

from beffroi_common import contracts
from beffroi_common.bus import Start
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.contracts import CameraRule, LegalBasis, Zone
from beffroi_common.topics import CAMERAS
from beffroi_local import clips, scene
from beffroi_local.programs import VTEST

NAME = "carrefour"
THRESHOLD_S = 5.0
FPS = 10.0
UNKNOWN = "teleportation"
RULE_ID = "teleport-1"
BUSY_S = 30.0
"""The database is the api's, which may be writing."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    clip = clips.find_clip()
    if clip is None:
        pytest.skip("no vtest.avi on this machine: install opencv-doc or set BEFFROI_CLIP")
    home: Path = tmp_path_factory.mktemp("future")
    with running_system(home, {}, clip) as running:
        url = running.stack.parts.cameras.url(VTEST)
        running.api.put(f"/cameras/{NAME}", scene.street_camera(url, FPS))
        running.api.put(f"/cameras/{NAME}/masking", scene.masking(scene.scene_of(clip)))
        zones = scene.zones(scene.scene_of(clip))
        zones["rules"][0]["parameters"]["threshold_s"] = THRESHOLD_S
        running.api.put(f"/cameras/{NAME}/zones", zones)
        running.api.put(f"/cameras/{NAME}/legal-bases", scene.legal_bases())
        yield running


def bus_of(system: System) -> KafkaBus:
    return KafkaBus(system.stack.parts.broker.settings(), "test", "test")


def latest(bus: KafkaBus) -> contracts.Camera:
    """The camera as the bus has it now."""
    found: contracts.Camera | None = None
    with closing(bus.follower([CAMERAS], Start.BEGINNING)) as consumer:
        while not consumer.caught_up():
            record = consumer.poll(0.2)
            if record is not None and record.key == NAME and record.value is not None:
                found = contracts.Camera.decode(record.value)
    assert found is not None
    return found


def from_the_future(camera: contracts.Camera) -> contracts.Camera:
    """The camera as a later release would have it."""
    now = datetime.now(UTC)
    act = LegalBasis(
        analytic=UNKNOWN, purpose="essai", reference="arrêté 2", starts_at=now, ends_at=now + timedelta(days=1)
    )
    rift = Zone(id="rift", name="Faille", kind="rift", shape="ring", points=((0.5, 0.5), (0.6, 0.6)))
    rule = CameraRule(id=RULE_ID, rule=UNKNOWN, version=3, parameters={"at": [1, 2]}, geometry={"gate": "rift"})
    changes = {
        "version": camera.version + 1,
        "zones": (rift, *camera.zones),
        "rules": (rule, *camera.rules),
        "legal_bases": (act, *camera.legal_bases),
    }
    return camera.model_copy(update=changes)


def leave(system: System, camera: contracts.Camera) -> None:
    """Write a camera into the database, for the api to send."""
    engine = create_engine(system.stack.parts.database_url, connect_args={"timeout": BUSY_S})
    values = {"id": camera.id, "version": camera.version, "document": camera.encode().decode()}
    with engine.begin() as connection:
        connection.execute(text("UPDATE cameras SET version = :version, document = :document WHERE id = :id"), values)
    engine.dispose()


def statuses(system: System) -> dict[str, dict[str, Any]]:
    """What each service says of the camera."""
    (found,) = (each for each in system.api.health()["cameras"] if each["camera"] == NAME)
    return {each["service"]: each for each in found["statuses"]}


def test_what_nobody_knows_rests_alone(system: System) -> None:
    bus = bus_of(system)
    wait_for(lambda: bool(system.api.alerts(NAME)), "an alert before")
    future = from_the_future(latest(bus))
    leave(system, future)
    wait_for(lambda: latest(bus) == future, "the api to send it")
    wait_for(lambda: statuses(system).get("rules", {}).get("code") == "rule_unknown", "the rules to say what rests")
    said = statuses(system)["rules"]
    assert said["level"] == "warning"
    assert RULE_ID in said["message"]
    assert UNKNOWN in said["message"]
    assert said["resting_rules"] == {RULE_ID: "rule_unknown"}

    since = datetime.now(UTC)
    stored = {segment["id"] for segment in system.segments(NAME)}
    wait_for(
        lambda: any(datetime.fromisoformat(alert["onset"]) > since for alert in system.api.alerts(NAME)),
        "the other rule to alert on what came later",
    )
    wait_for(lambda: len({segment["id"] for segment in system.segments(NAME)} - stored) >= 2, "recordings of later")
    now = statuses(system)
    assert {service: now[service]["code"] for service in ("masker", "recorder", "vision")} == {
        "masker": "masked",
        "recorder": "recording",
        "vision": "analysed",
    }
    assert now["masker"]["counters"]["frames_out"] > 0
    assert {alert["rule"] for alert in system.api.alerts(NAME)} == {scene.RULE}
