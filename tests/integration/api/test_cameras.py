"""Configuring cameras: decided in the database, published on the bus."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.application import Running, eventually

from beffroi_common.contracts import Camera, DrawnPicture
from beffroi_common.contracts.base import MAX_INT32
from beffroi_common.topics import CAMERAS

V1 = "/api/v1"
GATE = f"{V1}/cameras/gate"
CAMERA = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}, "nominal_fps": 5}
BURN = {"mode": "burn", "polygons": [[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]]}
BASIS = {
    "analytic": "loitering",
    "purpose": "Security of persons",
    "reference": "Arrêté 2026-17",
    "starts_at": "2026-01-01T00:00:00Z",
    "ends_at": "2027-01-01T00:00:00Z",
}

Make = Callable[..., dict[str, Any]]


def on_bus(place: Any, camera: str = "gate") -> list[Camera | None]:
    """What the bus knows of a camera, in order."""
    records = [record for record in place.broker.records(CAMERAS) if record.key == camera]
    return [Camera.decode(record.value) if record.value else None for record in records]


def latest_published(place: Any, app: Running) -> Camera:
    """The camera as the bus knows it, once it knows the latest."""
    eventually(lambda: app.administrator.get(GATE).json()["published"])
    newest = on_bus(place)[-1]
    assert newest is not None
    return newest


def test_a_camera_from_nothing_to_masked(place: Any, app: Running) -> None:
    made = app.administrator.put(GATE, json=CAMERA)
    assert made.status_code == 200
    assert made.headers["etag"] == '"1"'
    assert made.json()["masking"] is None
    assert made.json()["status"]["code"] == "no_mask_decision"

    decided = app.administrator.put(f"{GATE}/masking", json=BURN).json()
    assert decided["version"] == 2
    assert decided["masking"]["version"] == 1
    assert decided["masking"]["decided_by"] == "administrator"
    assert decided["masking"]["decided_at"] == place.clock.now().isoformat().replace("+00:00", "Z")

    based = app.administrator.put(f"{GATE}/legal-bases", json=[BASIS]).json()
    assert [each["reference"] for each in based["legal_bases"]] == ["Arrêté 2026-17"]

    eventually(lambda: app.administrator.get(GATE).json()["published"])
    newest = on_bus(place)[-1]
    assert newest is not None
    assert (newest.version, newest.masking is not None, len(newest.legal_bases)) == (3, True, 1)
    records = [record for record in place.broker.records(CAMERAS) if record.key == "gate"]
    assert {record.partition for record in records} == {newest.slot}


def test_cameras_are_spread_over_the_slots(make_camera: Make) -> None:
    assert {make_camera(name)["slot"] for name in ("a", "b")} == {0, 1}


WRONG = (
    ("", CAMERA | {"source": {"url": "rtsp://user:hunter2@host/x"}}, "must not hold a user or a password"),
    ("", CAMERA | {"source": {"url": "ftp://host/x"}}, "must begin with one of rtsp, file, pattern"),
    ("", CAMERA | {"source": {"url": "rtsp://host/x\r\nDELETE /bucket"}}, "letters, digits and signs alone"),
    ("", CAMERA | {"source": {"url": "rtsp://127.0.0.1:9092/x"}}, "ask whoever runs Beffroi"),
    ("", CAMERA | {"source": {"url": "file:///etc/passwd"}}, "ask whoever runs Beffroi"),
    ("", CAMERA | {"colour": "red"}, "Extra inputs are not permitted"),
    ("/masking", {"mode": "burn"}, "needs at least one polygon"),
    ("/masking", {"mode": "open"}, "needs a reason in words"),
    (
        "/masking",
        {"mode": "burn", "polygons": [[[0, 0], [1, 1], [1, 0], [0, 1]]]},
        "must not cross or touch itself",
    ),
    ("/masking", {"mode": "burn", "polygons": [[[0, 0], [2, 0], [1, 1]]]}, "less than or equal to 1"),
    ("/legal-bases", [BASIS | {"ends_at": "2025-01-01T00:00:00Z"}], "must end after it starts"),
    ("/legal-bases", [BASIS | {"starts_at": "2026-01-01T00:00:00"}], "timezone"),
)


def test_what_is_wrong_is_said(app: Running, make_camera: Make) -> None:
    make_camera()
    for path, body, said in WRONG:
        answer = app.administrator.put(f"{GATE}{path}", json=body)
        assert answer.status_code == 422, body
        assert said in answer.json()["detail"]
        assert "hunter2" not in answer.text
    assert app.administrator.get(GATE).json()["version"] == 3
    for name in ("Gate", "a b", "-x", "x" * 64, "caméra"):  # they could not be keys
        assert app.administrator.put(f"{V1}/cameras/{name}", json=CAMERA).status_code == 422


def test_nobody_overwrites_what_he_did_not_see(app: Running, make_camera: Make) -> None:
    make_camera()
    late = app.administrator.put(f"{GATE}/masking", json=BURN, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "changed_in_between")
    highest = app.administrator.put(f"{GATE}/masking", json=BURN, headers={"If-Match": f'"{MAX_INT32}"'})
    assert highest.status_code == 412, "a number that somebody brought up is one all the same"
    current = app.administrator.put(f"{GATE}/masking", json=BURN, headers={"If-Match": '"3"'})
    assert current.status_code == 200
    for wrong in ('"three"', "*, 3", ""):
        answer = app.administrator.put(f"{GATE}/masking", json=BURN, headers={"If-Match": wrong})
        assert answer.status_code == 422


def test_two_at_once_do_not_both_win(app: Running, make_camera: Make) -> None:
    make_camera()
    client = app.administrator

    def decide(_: int) -> int:
        return client.put(f"{GATE}/masking", json=BURN, headers={"If-Match": '"3"'}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(decide, range(4))) == [200, 412, 412, 412]
    assert client.get(GATE).json()["masking"]["version"] == 2


def test_another_source_ends_the_decision_on_masks(place: Any, app: Running, make_camera: Make) -> None:
    make_camera()
    assert latest_published(place, app).source_version == 1
    same = app.administrator.put(GATE, json=CAMERA | {"name": "North gate"}).json()
    assert same["masking"]["version"] == 1
    assert same["zones"][0]["id"] == "crossroads"
    other = app.administrator.put(GATE, json=CAMERA | {"source": {"url": "pattern:320x240@5"}}).json()
    assert other["masking"] is None
    assert app.services.directory.shows("gate", 1) is False
    again = app.administrator.put(f"{GATE}/masking", json=BURN).json()
    assert again["masking"]["version"] == 2
    assert latest_published(place, app).source_version == 2


def test_a_decision_keeps_the_shape_of_the_picture_it_was_drawn_on(place: Any, app: Running, make_camera: Make) -> None:
    make_camera()
    decided = app.administrator.put(f"{GATE}/masking", json=BURN | {"aspect": 768 / 576}).json()
    assert decided["masking"]["aspect"] == pytest.approx(4 / 3)
    masking = latest_published(place, app).masking
    assert masking is not None
    assert masking.aspect == pytest.approx(4 / 3)
    assert app.administrator.put(f"{GATE}/masking", json=BURN | {"aspect": 0}).status_code == 422
    picture = {"width": 704, "height": 576, "pixel_aspect": 12 / 11, "cropped_left": 8, "cropped_top": 0}
    assert app.administrator.put(f"{GATE}/masking", json=BURN | {"drawn_on": picture}).status_code == 200
    masking = latest_published(place, app).masking
    assert masking is not None
    assert masking.drawn_on == DrawnPicture.model_validate(picture)
    both = BURN | {"drawn_on": picture, "aspect": 4 / 3}
    assert app.administrator.put(f"{GATE}/masking", json=both).status_code == 422


def test_removing_and_making_again(place: Any, app: Running, make_camera: Make) -> None:
    slot = make_camera()["slot"]
    assert app.administrator.delete(GATE).status_code == 204
    assert app.administrator.get(GATE).status_code == 404
    assert app.administrator.get(f"{V1}/cameras").json() == []
    eventually(lambda: on_bus(place) and on_bus(place)[-1] is None)
    switched_off = on_bus(place)[-2]
    assert switched_off is not None
    assert not switched_off.enabled

    again = app.administrator.put(GATE, json=CAMERA).json()
    assert (again["version"], again["slot"], again["masking"]) == (5, slot, None)
    decided = app.administrator.put(f"{GATE}/masking", json=BURN).json()
    assert decided["masking"]["version"] == 2  # a version never means two decisions
    assert latest_published(place, app).source_version == 2  # pictures of the camera of before are not of this one


def test_only_administrators_see_where_pictures_come_from(app: Running, make_camera: Make) -> None:
    make_camera()
    assert app.administrator.get(GATE).json()["source"]["url"] == "pattern:160x96@5"
    for client in (app.operator, app.dpo):
        assert client.get(GATE).json()["source"] is None
        assert client.get(f"{V1}/cameras").json()[0]["source"] is None


def test_unknown_cameras(app: Running) -> None:
    for path, body in (("/masking", BURN), ("/zones", {}), ("/legal-bases", [])):
        assert app.administrator.put(f"{V1}/cameras/nobody{path}", json=body).status_code == 404
    assert app.administrator.delete(f"{V1}/cameras/nobody").status_code == 404
    assert app.operator.get(f"{V1}/cameras/nobody").json()["detail"].startswith("There is no camera nobody")


def test_a_change_while_the_broker_is_away_is_sent_when_it_is_back(place: Any, app: Running, make_camera: Make) -> None:
    make_camera()
    eventually(lambda: app.operator.get(GATE).json()["published"])
    place.broker.away = True
    decided = app.administrator.put(f"{GATE}/masking", json=BURN).json()
    assert decided["published"] is False
    assert decided["masking"]["version"] == 2
    place.broker.away = False
    eventually(lambda: app.operator.get(GATE).json()["published"])
    newest = on_bus(place)[-1]
    assert newest is not None
    assert newest.masking is not None
    assert newest.masking.version == 2


def test_everything_is_told_again_at_each_start(place: Any) -> None:
    with place.start() as app:
        app.administrator.put(GATE, json=CAMERA).raise_for_status()
        app.administrator.put(f"{V1}/cameras/yard", json=CAMERA).raise_for_status()
        app.administrator.delete(f"{V1}/cameras/yard").raise_for_status()
        eventually(lambda: on_bus(place, "yard") and on_bus(place, "yard")[-1] is None)
    before = {camera: len(on_bus(place, camera)) for camera in ("gate", "yard")}
    with place.start():
        eventually(lambda: all(len(on_bus(place, camera)) > known for camera, known in before.items()))
        eventually(lambda: on_bus(place, "yard")[-1] is None)


def test_every_change_is_in_the_trail(
    app: Running, make_camera: Make, audited: Callable[..., list[dict[str, Any]]]
) -> None:
    make_camera()
    app.administrator.put(f"{GATE}/legal-bases", json=[BASIS])
    app.administrator.delete(GATE)
    rows = audited("camera_saved", "zones_saved", "masking_decided", "legal_bases_saved", "camera_removed")
    assert [row["action"] for row in rows] == [
        "camera_saved",
        "zones_saved",
        "masking_decided",
        "legal_bases_saved",
        "camera_removed",
    ]
    assert {(row["user"], row["camera"]) for row in rows} == {("administrator", "gate")}
    details = [row["details"] for row in rows]
    assert details[0]["before"] == {}
    assert details[0]["after"]["source"]["url"] == "pattern:…"
    assert details[1]["before"] == {"zones": {}, "rules": {}}
    assert details[1]["after"]["zones"]["crossroads"]["name"] == "Crossroads"
    assert details[1]["after"]["rules"]["loitering"]["parameters"]["threshold_s"] == 10
    assert details[2]["before"] == {}
    assert details[2]["after"]["masking"]["polygons"] == [[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]]
    assert details[3]["before"] == {"legal_bases": []}
    assert details[3]["after"]["legal_bases"][0]["reference"] == BASIS["reference"]
    assert details[4]["before"] == {"enabled": True}
    assert details[4]["after"] == {"enabled": False}
    assert app.services.trail.verify().is_whole


def test_each_change_is_announced_under_a_higher_version(app: Running, make_camera: Make) -> None:
    announced: list[tuple[int, bool]] = []
    app.services.cameras.listeners.append(lambda _camera, version, now: announced.append((version, now is None)))
    make_camera(masked=False)
    app.administrator.delete(GATE).raise_for_status()
    make_camera(masked=False)
    assert announced == [(1, False), (2, False), (3, True), (4, False), (5, False)]
