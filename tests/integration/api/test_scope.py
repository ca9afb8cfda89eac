"""Two communes in one installation: what is out of scope is answered as if it did not exist, by every route."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect
from tests.application import ADDRESS, PASSWORD, SYSTEM, Running, eventually, film
from tests.messages import alert_of

from beffroi_api.authz.roles import WATCHING, Role
from beffroi_api.authz.territory import EVERYWHERE, Territory
from beffroi_api.http import access
from beffroi_api.http.access import COOKIE, Rule
from beffroi_api.http.app import create_app
from beffroi_api.http.paths import API_PREFIX
from beffroi_api.modules.audit.service import Entry
from beffroi_api.modules.live.streaming.session import OUT_OF_SCOPE
from beffroi_common.contracts import AlertState, CameraStatus, Level
from beffroi_common.topics import ALERTS, FRAMES_MASKED, STATUS

V1 = API_PREFIX
LILLE = Territory(communes=frozenset({"Lille"}))
HELLEMMES = Territory(communes=frozenset({"Hellemmes"}))

OURS, THEIRS, NONE = "gate", "yard", "nowhere"
"""A camera of Lille, one of Hellemmes, and one that nobody has."""
ALERT = {OURS: f"{1:032x}", THEIRS: f"{2:032x}", NONE: f"{9:032x}"}

CAMERA = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}, "nominal_fps": 5}
BURN = {"mode": "burn", "polygons": [[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]]}
BODIES = {
    "/cameras/{camera}": CAMERA,
    "/cameras/{camera}/masking": BURN,
    "/cameras/{camera}/zones": {"zones": []},
    "/cameras/{camera}/legal-bases": [],
}


def order(rule: Rule) -> int:
    """Looking comes first, then changing, then taking away: after a change of masks there is no picture at once."""
    return ("WEBSOCKET", "GET", "POST", "PUT", "DELETE").index(next(iter(rule.methods)))


RULES = sorted((rule for rule in access.table(create_app(None, None)) if rule.roles), key=order)
OF_AN_OBJECT = [rule for rule in RULES if "{" in rule.path and not rule.path.startswith(f"{V1}/account")]
OF_ALL = [
    rule for rule in RULES if "{" not in rule.path and "GET" in rule.methods and not rule.path.endswith("/events")
]

OF_NO_CAMERA = {"/session", "/rules", "/account/sessions", "/account/second-factor"}
"""Say nothing of cameras."""

MAKES = ("PUT", "/cameras/{camera}")
"""Answers differ by design: a free id makes a camera, one that is taken by another commune does not."""


@pytest.fixture
def segments() -> dict[str, str]:
    """Ids of segments by camera."""
    return {NONE: "0" * 24}


@pytest.fixture
def communes(place: Any, app: Running, make_camera: Any, record: Any, segments: dict[str, str]) -> Running:
    """Both cameras with pictures, a recording, an alert and a status; then everybody is of Lille."""
    producer = place.around.bus.producer()
    now = place.clock.now()
    for camera, commune in ((OURS, "Lille"), (THEIRS, "Hellemmes")):
        slot = make_camera(camera)["slot"]
        body = CAMERA | {"commune": commune, "name": f"Name of {camera}"}
        app.administrator.put(f"{V1}/cameras/{camera}", json=body).raise_for_status()
        segments[camera] = record(now - timedelta(minutes=5), camera=camera).id
        producer.send(ALERTS, camera, alert_of(camera, now, id=ALERT[camera]), partition=0)
        for batch in film(2, camera=camera, start_ns=place.clock.now_ns()):
            producer.send(FRAMES_MASKED, camera, batch, partition=slot)
        status = CameraStatus(camera=camera, service="ingest", level=Level.OK, code="connected", message="", at=now)
        producer.send(STATUS, status.key, status)
    eventually(lambda: len(app.operator.get(f"{V1}/alerts").json()["items"]) == 2)
    known = app.services
    eventually(lambda: all(known.health.statuses.of_camera(camera) for camera in (OURS, THEIRS)))
    eventually(lambda: all(known.recordings.find(SYSTEM, segments[camera]) for camera in (OURS, THEIRS)))
    for role in Role:
        app.as_(role)  # signed in while they see everything: it counts from the next request on
        place.around.territories[role.value] = LILLE
    return app


def ask(client: TestClient, rule: Rule, path: str) -> tuple[int, str]:
    """Status and text of what a route answers."""
    method = next(iter(rule.methods))
    if method == "WEBSOCKET":
        try:
            with client.websocket_connect(path):
                return 101, ""
        except WebSocketDenialResponse as denied:
            return denied.status_code, denied.text
    body = BODIES.get(rule.path.removeprefix(V1)) if method == "PUT" else None
    answer = client.request(method, path, json=body)
    return answer.status_code, answer.text


def address(rule: Rule, camera: str, segments: dict[str, str]) -> str:
    return rule.path.format(camera=camera, alert=ALERT[camera], segment=segments[camera])


def without_ids(text: str, camera: str, segments: dict[str, str]) -> str:
    for name in (camera, ALERT[camera], segments[camera]):
        text = text.replace(name, "…")
    return text


def title(rule: Rule) -> str:
    return f"{next(iter(rule.methods))} {rule.path}"


@pytest.mark.parametrize("role", Role)
def test_every_route_of_one_thing(communes: Running, segments: dict[str, str], role: Role) -> None:
    client = communes.as_(role)
    for rule in OF_AN_OBJECT:
        method, path = next(iter(rule.methods)), rule.path.removeprefix(V1)
        theirs = ask(client, rule, address(rule, THEIRS, segments))
        if role not in rule.roles:
            assert theirs[0] == 403, title(rule)
            continue
        if method == "DELETE":
            assert theirs[0] == 404
            continue
        if (method, path) == MAKES:
            assert theirs[0] == 404
            assert "There is no camera yard" in theirs[1]
            continue
        none = ask(client, rule, address(rule, NONE, segments))
        assert (theirs[0], without_ids(theirs[1], THEIRS, segments)) == (
            none[0],
            without_ids(none[1], NONE, segments),
        ), title(rule)
        status, text = ask(client, rule, address(rule, OURS, segments))
        assert status < 300, title(rule)
        assert path.endswith("/recordings") == (theirs[0] == 200), "an index of nothing, all else is not there"
        assert THEIRS not in text


@pytest.mark.parametrize("role", Role)
def test_every_route_of_many_things(communes: Running, segments: dict[str, str], role: Role) -> None:
    client = communes.as_(role)
    secrets = {THEIRS, ALERT[THEIRS], segments[THEIRS], "Hellemmes"}
    for rule in OF_ALL:
        if role not in rule.roles:
            continue
        answer = client.get(rule.path)
        assert answer.status_code == 200
        assert not [secret for secret in secrets if secret in answer.text], title(rule)
        if rule.path.removeprefix(V1) not in OF_NO_CAMERA:
            assert OURS in answer.text, title(rule)
    if role in WATCHING:
        assert client.get(f"{V1}/alerts", params={"camera": THEIRS}).json() == {"items": [], "next": None}
        foreign = client.get(f"{V1}/cameras/{OURS}/recordings/{segments[THEIRS]}/video")
        assert foreign.status_code == 404


def test_everybody_sees_everything_where_nothing_is_said(place: Any, communes: Running) -> None:
    place.around.territories.clear()
    assert [each["id"] for each in communes.operator.get(f"{V1}/cameras").json()] == [OURS, THEIRS]
    assert len(communes.operator.get(f"{V1}/alerts").json()["items"]) == 2
    assert communes.operator.get(f"{V1}/cameras/{THEIRS}/still").status_code == 200


def test_the_trail_shows_what_is_of_ones_commune_and_ones_own(place: Any, communes: Running) -> None:
    place.around.territories["operator"] = EVERYWHERE
    for camera in (OURS, THEIRS):
        communes.operator.get(f"{V1}/cameras/{camera}/still").raise_for_status()
    communes.operator.get(f"{V1}/audit")  # denied: the row names no camera
    rows = communes.dpo.get(f"{V1}/audit", params={"limit": 500}).json()["items"]
    assert {row["camera"] for row in rows} == {OURS, None}
    assert {row["user"] for row in rows if row["camera"] is None} == {"dpo"}
    place.around.territories["dpo"] = EVERYWHERE
    rows = communes.dpo.get(f"{V1}/audit", params={"limit": 500}).json()["items"]
    assert THEIRS in {row["camera"] for row in rows}
    assert communes.services.trail.verify().broken_at is None


def test_a_camera_cannot_be_made_in_or_handed_to_another_commune(communes: Running) -> None:
    theirs = CAMERA | {"commune": "Hellemmes"}
    for camera in ("new", OURS):
        answer = communes.administrator.put(f"{V1}/cameras/{camera}", json=theirs)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert communes.services.directory.commune(OURS) == "Lille"
    assert communes.administrator.put(f"{V1}/cameras/new", json=CAMERA).status_code == 200
    assert communes.services.directory.commune("new") == "Lille"


def test_a_camera_that_another_commune_removed_stays_its_own(place: Any, communes: Running) -> None:
    place.around.territories["administrator"] = HELLEMMES
    assert communes.administrator.delete(f"{V1}/cameras/{THEIRS}").status_code == 204
    place.around.territories["administrator"] = LILLE
    assert communes.administrator.put(f"{V1}/cameras/{THEIRS}", json=CAMERA).status_code == 404


def read_until_closed(live: WebSocketTestSession) -> int:
    """The code with which a live view is closed."""
    while True:
        try:
            live.receive_bytes()
        except WebSocketDisconnect as closed:
            return closed.code
        except KeyError:  # a text in between
            continue


@pytest.mark.parametrize("why", ["the watcher has another territory", "the camera has another commune"])
def test_a_live_view_ends_when_its_camera_gets_out_of_scope(place: Any, communes: Running, why: str) -> None:
    place.around.territories["administrator"] = EVERYWHERE
    with communes.operator.websocket_connect(f"{V1}/cameras/{OURS}/live") as live:
        assert any(message.get("bytes") for message in iter(live.receive, None))
        if why == "the watcher has another territory":
            place.around.territories["operator"] = HELLEMMES
        else:
            body = CAMERA | {"commune": "Hellemmes"}
            communes.administrator.put(f"{V1}/cameras/{OURS}", json=body).raise_for_status()
        place.clock.advance(communes.services.settings.session.check_every_s)
        (batch,) = film(1, camera=OURS, start_ns=place.clock.now_ns(), first_sequence=2)
        place.around.bus.producer().send(FRAMES_MASKED, OURS, batch, partition=0)
        assert read_until_closed(live) == OUT_OF_SCOPE
    assert communes.operator.get(f"{V1}/cameras/{OURS}/still").status_code == 404


@pytest.fixture
def news(communes: Running, address: str) -> Iterator[Callable[[], tuple[str, dict[str, Any]]]]:
    """`news()` → name and data of the next event but of statuses, as an operator of Lille receives them."""
    token = communes.operator.cookies[COOKIE]
    with (
        httpx2.Client(base_url=address, cookies={COOKIE: token}, timeout=30) as client,
        client.stream("GET", f"{V1}/events") as answer,
    ):
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"

        def following() -> tuple[str, dict[str, Any]]:
            for line in lines:
                assert line != "event: heartbeat", "nothing came for as long as a heartbeat takes"
                name = line.removeprefix("event: ")
                if line.startswith("event: ") and name != "status":
                    return name, json.loads(next(lines).removeprefix("data: "))
            raise EOFError

        yield following


def test_events_are_filtered(
    place: Any, communes: Running, record: Any, news: Callable[[], tuple[str, dict[str, Any]]]
) -> None:
    place.around.territories["administrator"] = EVERYWHERE
    producer, now = place.around.bus.producer(), place.clock.now()
    for camera in (THEIRS, OURS):  # theirs first: had it been sent, it would have come before ours
        for _ in range(2):
            communes.administrator.put(f"{V1}/cameras/{camera}/zones", json={"zones": []}).raise_for_status()
        changed = alert_of(camera, now, id=ALERT[camera]).model_copy(
            update={"state": AlertState.UPDATED, "occurred_at": now + timedelta(seconds=1)}
        )
        producer.send(ALERTS, camera, changed, partition=0)
        record(now, camera=camera)
    seen = [news() for _ in range(4)]
    assert {name for name, _ in seen} == {"camera", "alert", "recording"}
    assert {data.get("camera", data.get("id")) for _, data in seen} == {OURS}
    communes.administrator.delete(f"{V1}/cameras/{THEIRS}").raise_for_status()
    communes.administrator.delete(f"{V1}/cameras/{OURS}").raise_for_status()
    removed = next(data for name, data in iter(news, None) if "removed" in data)
    assert removed["id"] == OURS


def test_an_open_event_stream_follows_the_scope_of_whoever_listens(
    place: Any, communes: Running, news: Callable[[], tuple[str, dict[str, Any]]]
) -> None:
    place.around.territories["administrator"] = EVERYWHERE

    def change(camera: str) -> tuple[str, int]:
        answer = communes.administrator.put(f"{V1}/cameras/{camera}/zones", json={"zones": []})
        return camera, answer.raise_for_status().json()["version"]

    def heard() -> tuple[str, int]:
        _, data = news()
        return data["id"], data["version"]

    assert change(OURS) == heard()
    (subscription,) = communes.services.fanout._subscriptions
    place.around.territories["operator"] = HELLEMMES
    place.clock.advance(communes.services.settings.session.check_every_s)
    for camera in (OURS, THEIRS):  # whichever is in scope yet: with what is sent the stream looks at the scope
        change(camera)
    eventually(lambda: subscription.scope.territory == HELLEMMES)
    ours, theirs = change(OURS), change(THEIRS)
    seen = [heard()]
    while seen[-1] != theirs:
        seen.append(heard())
    assert ours not in seen


def test_a_scope_is_that_of_the_session(place: Any, communes: Running) -> None:
    """Two people at once, each with their own."""
    place.around.territories["administrator"] = HELLEMMES
    assert [each["id"] for each in communes.operator.get(f"{V1}/cameras").json()] == [OURS]
    assert [each["id"] for each in communes.administrator.get(f"{V1}/cameras").json()] == [THEIRS]
    fresh = TestClient(communes.asgi, base_url=ADDRESS, headers={"x-beffroi-request": "1"})
    fresh.post(f"{V1}/session", json={"username": "dpo", "password": PASSWORD}).raise_for_status()
    assert [each["id"] for each in fresh.get(f"{V1}/cameras").json()] == [OURS]


def test_a_still_of_a_camera_that_gets_out_of_scope_meanwhile_is_not_shown(
    place: Any, communes: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.around.territories["administrator"] = EVERYWHERE
    record = communes.services.trail.record

    def record_late(entry: Entry) -> None:
        body = CAMERA | {"commune": "Hellemmes"}
        communes.administrator.put(f"{V1}/cameras/{OURS}", json=body).raise_for_status()
        record(entry)

    monkeypatch.setattr(communes.services.trail, "record", record_late)
    refused = communes.operator.get(f"{V1}/cameras/{OURS}/still")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
