"""Alerts come once, stand as their latest message says, and are taken by one person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.application import NS, SYSTEM, Running, eventually, film, number_of
from tests.messages import alert_of

from beffroi_api.db.tables import AlertRow
from beffroi_api.modules.audit.service import Entry
from beffroi_common.contracts import Alert, AlertState, CloseReason
from beffroi_common.topics import ALERTS, FRAMES_MASKED

V1 = "/api/v1"

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def send(place: Any) -> Callable[..., Alert]:
    """`send(number=1, state=…, after_s=…)` puts a message about an alert on the bus."""
    onset = place.clock.now() - timedelta(seconds=60)

    def put(number: int = 1, state: AlertState = AlertState.OPENED, after_s: float = 10.0, **changes: Any) -> Alert:
        fields: dict[str, Any] = {
            "id": f"{number:032x}",
            "camera": "gate",
            "zone": "crossroads",
            "rule": "loitering",
            "rule_version": 1,
            "parameters": {"threshold_s": 10.0},
            "legal_basis": "Arrêté 2026-17",
            "state": state,
            "onset": onset + timedelta(minutes=number),
            "occurred_at": onset + timedelta(minutes=number, seconds=after_s),
            "track": "t-1",
            "box": (0.1, 0.2, 0.3, 0.4),
        }
        alert = Alert.model_validate(fields | changes)
        place.around.bus.producer().send(ALERTS, alert.camera, alert, partition=0)
        return alert

    return put


def listed(app: Running, **query: Any) -> list[dict[str, Any]]:
    answer = app.operator.get(f"{V1}/alerts", params=query)
    answer.raise_for_status()
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def kept(app: Running) -> int:
    """How many alerts are in the database."""
    with app.services.database.read(SYSTEM) as session:
        return session.scalar(select(func.count()).select_from(AlertRow)) or 0


def test_an_alert_through_its_life(app: Running, make_camera: Make, send: Callable[..., Alert]) -> None:
    make_camera()
    opened = send()
    (found,) = eventually(lambda: listed(app))
    assert (found["camera_name"], found["zone_name"]) == ("Gate", "Crossroads")
    assert (found["state"], found["opened_at"], found["acknowledged_by"]) == ("opened", found["occurred_at"], None)
    send(state=AlertState.UPDATED, after_s=20, box=(0.5, 0.5, 0.6, 0.7))
    send(state=AlertState.CLOSED, after_s=30, closed_reason=CloseReason.LEFT)
    eventually(lambda: listed(app)[0]["state"] == "closed")
    send(state=AlertState.UPDATED, after_s=25)  # out of order
    send(state=AlertState.OPENED)  # the same again
    send(number=2)
    eventually(lambda: len(listed(app)) == 2)
    closed = listed(app, state="closed")[0]
    assert (closed["id"], closed["closed_reason"], closed["opened_at"]) == (opened.id, "left", found["opened_at"])
    assert tuple(closed["box"]) == opened.box, "it marks the picture on which the alert opened"
    assert [each["id"] for each in listed(app, state="open")] == [f"{2:032x}"]


@pytest.mark.parametrize("end", ["removed", "switched off"])
def test_alerts_of_a_camera_that_is_gone_are_closed(
    app: Running, make_camera: Make, send: Callable[..., Alert], end: str
) -> None:
    make_camera()
    send()
    send(number=2, state=AlertState.UPDATED)
    send(number=3, camera="yard")
    eventually(lambda: len(listed(app)) == 3)
    if end == "removed":
        app.administrator.delete(f"{V1}/cameras/gate").raise_for_status()
    else:
        camera = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}, "enabled": False}
        app.administrator.put(f"{V1}/cameras/gate", json=camera).raise_for_status()
    assert [(each["camera"], each["closed_reason"]) for each in listed(app, state="closed")] == [
        ("gate", "no_picture"),
        ("gate", "no_picture"),
    ]
    assert [each["camera"] for each in listed(app, state="open")] == ["yard"]


def test_alerts_of_a_camera_that_is_gone_are_closed_though_the_process_died_right_after_the_commit(
    place: Any, send: Callable[..., Alert]
) -> None:
    with place.start() as app:
        camera = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
        app.administrator.put(f"{V1}/cameras/gate", json=camera).raise_for_status()
        send()
        send(number=2, camera="yard")
        eventually(lambda: len(listed(app)) == 2)
        app.services.cameras.listeners.clear()
        app.administrator.delete(f"{V1}/cameras/gate").raise_for_status()
    with place.start() as app:
        (closed,) = eventually(lambda: listed(app, state="closed"))
        assert (closed["camera"], closed["closed_reason"]) == ("gate", "no_picture")
        assert [each["camera"] for each in listed(app, state="open")] == ["yard"]


def test_an_alert_of_which_nothing_is_heard_ends_and_goes_on_with_the_next_picture(
    place: Any, app: Running, send: Callable[..., Alert]
) -> None:
    send()
    send(number=2, after_s=400)
    eventually(lambda: len(listed(app)) == 2)
    place.clock.advance(app.services.settings.alert_silence_s + 60)
    app.services.alerts.end_orphans()
    (closed,) = listed(app, state="closed")
    assert (closed["id"], closed["closed_reason"]) == (f"{1:032x}", "no_news")
    assert closed["occurred_at"] == closed["opened_at"], "it ends with the picture on which it was seen last"
    send(state=AlertState.UPDATED, after_s=900)
    eventually(lambda: len(listed(app, state="open")) == 2)


def test_what_ended_for_want_of_pictures_goes_on_with_later_ones_alone(
    app: Running, make_camera: Make, send: Callable[..., Alert]
) -> None:
    make_camera()
    send()
    send(state=AlertState.CLOSED, after_s=20, closed_reason=CloseReason.NO_PICTURE)
    send(state=AlertState.UPDATED, after_s=15)  # out of order
    send(number=2)
    eventually(lambda: len(listed(app)) == 2)
    assert [each["id"] for each in listed(app, state="closed")] == [f"{1:032x}"]
    send(state=AlertState.UPDATED, after_s=25)
    eventually(lambda: len(listed(app, state="open")) == 2)
    send(state=AlertState.CLOSED, after_s=20, closed_reason=CloseReason.NO_PICTURE)  # the same again
    send(state=AlertState.CLOSED, after_s=30, closed_reason=CloseReason.LEFT)
    send(state=AlertState.UPDATED, after_s=40)
    send(number=3)
    eventually(lambda: len(listed(app)) == 3)
    (closed,) = listed(app, state="closed")
    assert (closed["id"], closed["closed_reason"]) == (f"{1:032x}", "left")
    app.administrator.delete(f"{V1}/cameras/gate").raise_for_status()
    send(number=2, state=AlertState.UPDATED, after_s=50)
    send(number=4, camera="yard")
    eventually(lambda: len(listed(app)) == 4)
    assert [each["camera"] for each in listed(app, state="open")] == ["yard"]


def test_one_person_takes_it(place: Any, app: Running, send: Callable[..., Alert], audited: Any) -> None:
    alert = send()
    eventually(lambda: listed(app))
    url = f"{V1}/alerts/{alert.id}/acknowledgement"
    taken = app.operator.post(url).json()
    assert taken["acknowledged_by"] == "operator"
    place.clock.advance(5)
    assert app.operator.post(url).json() == taken
    late = app.administrator.post(url)
    assert late.status_code == 409
    problem = late.json()
    assert (problem["code"], problem["acknowledged_by"]) == ("already_acknowledged", "operator")
    assert problem["detail"] == "operator took this alert at 12:00:00 UTC."
    assert listed(app, acknowledged=False) == []
    assert len(listed(app, acknowledged=True)) == 1
    (row,) = audited("alert_acknowledged")
    assert (row["user"], row["subject"]) == ("operator", alert.id)
    send(state=AlertState.UPDATED, after_s=20)
    eventually(lambda: listed(app)[0]["state"] == "updated")
    assert listed(app)[0]["acknowledged_by"] == "operator"


def test_pages(app: Running, send: Callable[..., Alert]) -> None:
    for number in range(1, 8):
        send(number=number)
    eventually(lambda: len(listed(app)) == 7)
    seen, before = [], None
    while True:
        query = {"limit": 3} | ({"before": before} if before else {})
        page = app.operator.get(f"{V1}/alerts", params=query).json()
        seen += [int(each["id"], 16) for each in page["items"]]
        before = page["next"]
        if before is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    for nonsense in ("x", "2026", "////", "MjAyNiB4"):
        assert app.operator.get(f"{V1}/alerts", params={"before": nonsense}).status_code in (200, 422)


def test_what_cannot_be_read_is_buried_and_nothing_stops(place: Any, app: Running, send: Callable[..., Alert]) -> None:
    place.broker.append(ALERTS.name, "gate", b'{"id": "hunter2"', 0, {})
    place.broker.append(ALERTS.name, "gate", b'{"unknown": 1}', 0, {})
    kept_by_one_database_only = alert_of("gate", place.clock.now()).encode().replace(b'"A-1"', b'"A\\u0000"')
    place.broker.append(ALERTS.name, "gate", kept_by_one_database_only, 0, {})
    send()
    eventually(lambda: f"{1:032x}" in [each["id"] for each in listed(app)])
    assert (len(place.broker.records(ALERTS.dead_letters)), len(listed(app))) == (3, 1)


def test_the_still_shows_the_picture_on_which_it_opened(
    place: Any, app: Running, make_camera: Make, send: Callable[..., Alert], audited: Any
) -> None:
    make_camera()
    alert = send(after_s=10.4)
    start_ns = int(alert.onset.timestamp()) * NS
    producer = place.around.bus.producer()
    for batch in film(20, start_ns=start_ns + 123_456_789):
        producer.send(FRAMES_MASKED, "gate", batch, partition=0)
    eventually(lambda: listed(app))
    still = app.operator.get(f"{V1}/alerts/{alert.id}/still")
    assert still.status_code == 200
    assert number_of(still.content) == 51  # captured 10.323 s after the first, the next one 0.2 s later is too late
    assert still.headers["x-mask-version"] == "1"
    (row,) = audited("alert_still_seen")
    assert (row["camera"], row["subject"]) == ("gate", alert.id)


def test_a_decision_while_a_look_waits_for_its_row_hides_the_still(
    place: Any, app: Running, make_camera: Make, send: Callable[..., Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_camera()
    alert = send(after_s=0)
    (batch,) = film(1, start_ns=int(alert.onset.timestamp()) * NS)
    place.around.bus.producer().send(FRAMES_MASKED, "gate", batch, partition=0)
    eventually(lambda: listed(app))
    record = app.services.trail.record

    def record_late(entry: Entry) -> None:
        burn = {"mode": "burn", "polygons": [[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]]}
        app.administrator.put(f"{V1}/cameras/gate/masking", json=burn).raise_for_status()
        record(entry)

    monkeypatch.setattr(app.services.trail, "record", record_late)
    refused = app.operator.get(f"{V1}/alerts/{alert.id}/still")
    assert refused.status_code == 404
    assert refused.json()["detail"] == "The masks of this camera were just changed: try again in a moment."


def test_alerts_are_forgotten_with_the_recordings_that_show_them(
    place: Any, app: Running, send: Callable[..., Alert]
) -> None:
    send()
    eventually(lambda: listed(app))
    place.clock.advance(timedelta(days=15).total_seconds())
    app.services.alerts.forget_old()
    assert kept(app) == 0


def test_an_alert_past_its_retention_is_not_served_until_it_is_forgotten(
    place: Any, app: Running, send: Callable[..., Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beffroi_api.modules.alerts.repository.forget", lambda *_, **__: None)  # its hour has not come
    alert = send()
    eventually(lambda: listed(app))
    url = f"{V1}/alerts/{alert.id}"
    left = alert.occurred_at + timedelta(days=14) - place.clock.now()
    place.clock.advance(left.total_seconds() - 1)
    app._clients.clear()  # sessions ended long ago
    assert [each["id"] for each in listed(app)] == [alert.id]
    assert app.operator.get(url).status_code == 200
    place.clock.advance(1)
    assert listed(app) == []
    for answer in (app.operator.get(url), app.operator.get(f"{url}/still")):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert app.operator.post(f"{url}/acknowledgement").status_code == 404
    assert kept(app) == 1


def test_an_alert_past_its_retention_is_not_learnt(
    place: Any, app: Running, send: Callable[..., Alert], monkeypatch: pytest.MonkeyPatch
) -> None:
    news: list[str] = []
    monkeypatch.setattr(app.services.fanout, "publish", lambda kind, _, __: news.append(kind))
    eventually(app.services.publisher.is_clock_right)
    old = place.clock.now() - timedelta(days=14)
    send(number=1, onset=old - timedelta(seconds=10), occurred_at=old)
    send(number=2)
    eventually(lambda: listed(app) and "alert" in news)  # received in order: the old one was before it
    assert kept(app) == news.count("alert") == 1


def test_unknown_alerts(app: Running) -> None:
    for path in ("", "/still"):
        assert app.operator.get(f"{V1}/alerts/{0:032x}{path}").status_code == 404
    assert app.operator.post(f"{V1}/alerts/{0:032x}/acknowledgement").status_code == 404
    assert app.operator.get(f"{V1}/alerts/nonsense").status_code == 422
