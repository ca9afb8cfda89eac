"""Live views and stills: masked, at once, and never under an older mask."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import WebSocketDenialResponse, WebSocketTestSession
from structlog.testing import capture_logs
from tests.application import NS, Running, eventually, film, number_of

from beffroi_api.modules.audit.service import Entry, TrailKeyError
from beffroi_api.modules.live.looks.open_views import OpenView
from beffroi_api.modules.live.stills import pictures
from beffroi_api.modules.live.stills.pictures import Still
from beffroi_api.modules.live.streaming import session
from beffroi_common.contracts import FrameBatch, Viewers
from beffroi_common.topics import FRAMES_ANNOTATED, FRAMES_LIVE, FRAMES_MASKED, VIEWERS, Topic

GATE = "/api/v1/cameras/gate"
LIVE = f"{GATE}/live"
BURN = {"mode": "burn", "polygons": [[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]]}

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind of database is enough for what hardly asks it."""
    return f"sqlite:///{tmp_path / 'api.sqlite3'}"


@pytest.fixture
def show(place: Any) -> Callable[..., None]:
    """`show(batches)` puts pictures on the bus."""

    def put(batches: list[FrameBatch], topic: Topic = FRAMES_MASKED) -> None:
        producer = place.around.bus.producer()
        for batch in batches:
            producer.send(topic, batch.camera, batch, partition=0)

    return put


def start_ns(place: Any) -> int:
    return int(place.clock.now_ns())


def denied(app: Running, path: str) -> WebSocketDenialResponse:
    """The answer to a live view that is refused."""
    with pytest.raises(WebSocketDenialResponse) as refused, app.operator.websocket_connect(path):
        pass
    return refused.value


def receive(live: WebSocketTestSession) -> dict[str, Any]:
    """The header of the next pictures; reasons are skipped."""
    while "bytes" not in (message := live.receive()) or message["bytes"] is None:
        assert message["type"] == "websocket.send", message
    data = message["bytes"]
    (length,) = struct.unpack(">I", data[:4])
    header: dict[str, Any] = json.loads(data[4 : 4 + length])
    assert len(data) == 4 + length + sum(unit["size"] for unit in header["units"])
    return header


def reason(live: WebSocketTestSession) -> str:
    """The code of the next message, which must say why there is no picture."""
    state = json.loads(live.receive_text())
    assert state["type"] == "state"
    assert state["message"]
    code: str = state["code"]
    return code


def test_a_view_begins_at_once_and_goes_on(
    place: Any, app: Running, make_camera: Make, show: Any, audited: Any
) -> None:
    make_camera()
    show(film(4, start_ns=start_ns(place), gop=10))
    with app.operator.websocket_connect(LIVE) as live:
        first = receive(live)
        assert first["sequence"] == 2
        assert first["units"][0]["key"]
        assert first["codec"].startswith("avc1.")
        assert receive(live)["sequence"] == 3
        show(film(2, start_ns=start_ns(place), first_sequence=4, gop=10))
        assert [receive(live)["sequence"] for _ in range(2)] == [4, 5]
        place.clock.advance(7)
    started, ended = eventually(lambda: len(rows := audited("live_started", "live_ended")) == 2 and rows)
    assert started["details"] == {"view": "masked"}
    assert ended["details"] == {"view": "masked", "seconds": 7, "batches": 4}
    assert (ended["user"], ended["camera"]) == ("operator", "gate")


def test_while_pictures_are_late_a_view_and_a_still_show_the_newest_and_never_go_back(
    place: Any, app: Running, make_camera: Make, show: Any
) -> None:
    make_camera()
    late = film(9, start_ns=start_ns(place))
    place.clock.advance(60)
    now = film(9, start_ns=start_ns(place), first_sequence=120)
    alone = [replace(batch, units=batch.units[:1]) for batch in now]
    show(late[:2])
    with app.operator.websocket_connect(LIVE) as live:
        first = receive(live)
        assert (first["sequence"], first["catching_up"]) == (1, False)
        show(alone[:1], FRAMES_LIVE)
        header = receive(live)
        assert (header["sequence"], header["catching_up"], len(header["units"])) == (120, True, 1)
        show(late[2:])
        assert captured(app.operator.get(f"{GATE}/still")) == now[0].units[0].capture_time_ns // NS
        show(alone[2:3], FRAMES_LIVE)
        assert receive(live)["sequence"] == 122
        show(now[:4])
        header = receive(live)
        assert (header["sequence"], header["catching_up"], len(header["units"])) == (123, False, 5)


def captured(still: Any) -> int:
    """When, in seconds since 1970."""
    return int(datetime.fromisoformat(still.headers["x-capture-time"]).timestamp())


def test_a_new_decision_hides_what_was_under_the_old_one(
    place: Any, app: Running, make_camera: Make, show: Any
) -> None:
    make_camera()
    show(film(3, start_ns=start_ns(place)))
    with app.operator.websocket_connect(LIVE) as live:
        assert receive(live)["sequence"] == 2
        app.administrator.put(f"{GATE}/masking", json=BURN).raise_for_status()
        assert app.operator.get(f"{GATE}/still").json()["code"] == "no_picture"
        late = film(1, start_ns=start_ns(place), first_sequence=3)
        fresh = film(1, start_ns=start_ns(place), first_sequence=4, mask_version=2)
        show(late + fresh)
        header = receive(live)
        assert (header["sequence"], header["mask_version"]) == (4, 2)
    with app.operator.websocket_connect(LIVE) as again:
        assert receive(again)["sequence"] == 4
    assert app.operator.get(f"{GATE}/still").headers["x-mask-version"] == "2"


def test_a_decision_while_a_still_is_made_hides_it(
    place: Any, app: Running, make_camera: Make, show: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_camera()
    show(film(3, start_ns=start_ns(place)))
    decode = pictures.from_batches

    def decode_slowly(batches: Sequence[FrameBatch], at_ns: int | None) -> Still:
        made = decode(batches, at_ns)
        app.administrator.put(f"{GATE}/masking", json=BURN).raise_for_status()
        return made

    monkeypatch.setattr(pictures, "from_batches", decode_slowly)
    refused = app.operator.get(f"{GATE}/still")
    assert (refused.status_code, refused.json()["code"]) == (404, "no_picture")
    assert refused.json()["detail"] == "The masks of this camera were just changed: try again in a moment."


@pytest.mark.parametrize("asked", [(), ("at",)], ids=["latest", "at"])
def test_a_decision_while_a_look_waits_for_its_row_hides_the_still(
    place: Any, app: Running, make_camera: Make, show: Any, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...]
) -> None:
    make_camera()
    show(film(3, start_ns=start_ns(place)))
    record = app.services.trail.record

    def record_late(entry: Entry) -> None:
        app.administrator.put(f"{GATE}/masking", json=BURN).raise_for_status()
        record(entry)

    monkeypatch.setattr(app.services.trail, "record", record_late)
    refused = app.operator.get(f"{GATE}/still", params=dict.fromkeys(asked, place.clock.now().isoformat()))
    assert refused.status_code == 404
    assert refused.json()["detail"] == "The masks of this camera were just changed: try again in a moment."


def test_why_there_is_no_picture(place: Any, app: Running, make_camera: Make) -> None:
    make_camera(masked=False)
    with app.operator.websocket_connect(LIVE) as live:
        assert reason(live) == "no_mask_decision"
    assert "Nobody decided" in app.operator.get(f"{GATE}/still").json()["detail"]
    app.administrator.put(f"{GATE}/masking", json=BURN).raise_for_status()
    eventually(lambda: app.services.statuses.broker().reachable)
    with app.operator.websocket_connect(LIVE) as live:
        assert reason(live) == "waiting"
    with app.operator.websocket_connect(f"{LIVE}?view=annotated") as live:
        assert reason(live) == "waiting_for_analysis"
    place.broker.away = True
    place.clock.advance(60)
    with app.operator.websocket_connect(LIVE) as live:
        assert reason(live) == "broker_away"
    place.broker.away = False
    camera = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}, "enabled": False}
    app.administrator.put(GATE, json=camera).raise_for_status()
    with app.operator.websocket_connect(LIVE) as live:
        assert reason(live) == "disabled"


def test_pictures_of_a_camera_nobody_configured_are_not_shown(
    place: Any, app: Running, make_camera: Make, show: Any
) -> None:
    make_camera()
    show(film(1, camera="stranger", start_ns=start_ns(place)))
    show(film(1, start_ns=start_ns(place)))
    assert denied(app, "/api/v1/cameras/stranger/live").status_code == 404


def test_unreadable_pictures_stop_nothing(place: Any, app: Running, make_camera: Make, show: Any) -> None:
    make_camera()
    whole = film(1, start_ns=start_ns(place))[0].encode()
    for payload in (whole[: len(whole) // 2], b"nonsense", b""):
        place.broker.append(FRAMES_MASKED.name, "gate", payload, 0, {})
    show(film(1, start_ns=start_ns(place)))
    with app.operator.websocket_connect(LIVE) as live:
        assert receive(live)["sequence"] == 0
    assert number_of(app.operator.get(f"{GATE}/still").content) == 4


def test_annotated_pictures_are_asked_for_while_somebody_watches(
    place: Any, app: Running, make_camera: Make, show: Any
) -> None:
    slot = make_camera()["slot"]

    def leases() -> list[Viewers]:
        records = place.broker.records(VIEWERS)
        assert {record.partition for record in records} <= {slot}
        return [Viewers.decode(record.value or b"") for record in records]

    assert leases() == []
    with app.operator.websocket_connect(f"{LIVE}?view=annotated") as live:
        (lease,) = eventually(leases)
        assert lease.annotated_until == place.clock.now() + timedelta(seconds=15)
        show(film(1, start_ns=start_ns(place)), FRAMES_ANNOTATED)
        header = receive(live)
        assert (header["view"], header["sequence"]) == ("annotated", 0)
        place.clock.advance(6)
        eventually(lambda: len(leases()) == 2)
    eventually(lambda: leases()[-1].annotated_until == place.clock.now())


def test_a_view_ends_with_its_session(place: Any, make_camera: Make, app: Running, show: Any) -> None:
    make_camera()
    with app.operator.websocket_connect(LIVE) as live:
        assert reason(live)
        app.operator.delete("/api/v1/session").raise_for_status()
        place.clock.advance(20)
        show(film(1, start_ns=start_ns(place)))
        while (message := live.receive())["type"] != "websocket.close":
            pass
        assert message["code"] == 4401


def test_an_open_view_keeps_its_session_in_use(place: Any, make_camera: Make, app: Running, show: Any) -> None:
    make_camera()
    with app.operator.websocket_connect(LIVE) as live:
        for index in range(5):
            place.clock.advance(1800)
            show(film(1, start_ns=start_ns(place), first_sequence=index))
            receive(live)
    assert app.operator.get("/api/v1/session").status_code == 200


@pytest.fixture
def away(app: Running, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """`away(True)`: the database does not answer; `away(False)`: it does again."""
    monkeypatch.setattr(session, "RETRY_S", 0.01)
    database, found = app.services.database, (app.services.database.read, app.services.database.write)

    def gone(_scope: object) -> NoReturn:
        raise OperationalError("SELECT", {}, OSError("gone"))

    def set_to(is_away: bool) -> None:
        read, write = (gone, gone) if is_away else found
        monkeypatch.setattr(database, "read", read)
        monkeypatch.setattr(database, "write", write)

    return set_to


def test_a_view_outlives_a_database_that_is_away(
    place: Any, app: Running, make_camera: Make, show: Any, away: Callable[[bool], None]
) -> None:
    make_camera()
    with app.operator.websocket_connect(LIVE) as live:
        assert reason(live) == "waiting"
        away(True)
        place.clock.advance(app.services.settings.session.check_every_s)
        show(film(1, start_ns=start_ns(place)))
        assert reason(live) == "database_away"
        away(False)
        show(film(1, start_ns=start_ns(place), first_sequence=1))
        assert receive(live)["sequence"] == 1


def test_a_view_whose_session_ended_while_the_database_was_away_shows_nothing_after_it(
    place: Any, app: Running, make_camera: Make, show: Any, away: Callable[[bool], None]
) -> None:
    make_camera()
    with app.operator.websocket_connect(LIVE) as live:
        assert reason(live) == "waiting"
        app.operator.delete("/api/v1/session").raise_for_status()
        away(True)
        place.clock.advance(app.services.settings.session.check_every_s)
        show(film(1, start_ns=start_ns(place)))
        assert reason(live) == "database_away"
        away(False)
        show(film(1, start_ns=start_ns(place), first_sequence=1))
        assert live.receive()["code"] == 4401


def test_the_end_of_a_view_waits_for_the_database(
    app: Running, make_camera: Make, audited: Any, away: Callable[[bool], None]
) -> None:
    make_camera()
    waits = "the database does not answer: the end of a live view waits"
    with capture_logs() as logs, app.operator.websocket_connect(LIVE) as live:
        assert reason(live) == "waiting"
        away(True)
        live.close()
        eventually(lambda: any(entry["event"] == waits for entry in logs))
        away(False)
        eventually(lambda: app.services.views.taken == 0)
    assert [row["action"] for row in audited("live_started", "live_ended")] == ["live_started", "live_ended"]


def test_a_view_that_could_not_begin_leaves_no_row(
    app: Running, make_camera: Make, audited: Any, away: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_camera()
    begin = app.services.open_views.begin

    def too_late(view: OpenView, entry: Entry) -> None:
        away(True)
        begin(view, entry)

    monkeypatch.setattr(app.services.open_views, "begin", too_late)
    refused = denied(app, LIVE)
    away(False)
    assert (refused.status_code, refused.json()["code"]) == (503, "database_away")
    assert app.services.views.taken == 0
    assert audited("live_started", "live_ended") == []


def test_a_view_whose_rows_cannot_be_written_takes_no_seat_for_ever(
    app: Running, make_camera: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_camera()

    def refuse(_view: OpenView, _entry: Entry) -> None:
        raise TrailKeyError("the trail goes on under another key")

    for write in ("begin", "end"):
        monkeypatch.setattr(app.services.open_views, write, refuse)
    with pytest.raises(TrailKeyError), app.operator.websocket_connect(LIVE):
        pass
    eventually(lambda: app.services.views.taken == 0)


@pytest.mark.parametrize("address", ["/api/v1/cameras/Gate!/live", f"{LIVE}?view=raw"])
def test_an_address_of_no_view_is_said_to_be_wrong(app: Running, address: str) -> None:
    refused = denied(app, address)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


def test_views_are_bounded(place: Any) -> None:
    with place.start(live={"max_viewers": 1}) as app:
        camera = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
        app.administrator.put(GATE, json=camera).raise_for_status()
        with app.operator.websocket_connect(LIVE) as live:
            reason(live)
            refused = denied(app, LIVE)
            assert (refused.status_code, refused.json()["code"]) == (503, "busy")


def test_stills_out_of_memory_are_exact(place: Any, app: Running, make_camera: Make, show: Any, audited: Any) -> None:
    make_camera()
    begin = place.clock.now() - timedelta(seconds=10)
    show(film(6, start_ns=int(begin.timestamp()) * NS, gop=10))
    newest = app.operator.get(f"{GATE}/still")
    assert (newest.status_code, newest.headers["content-type"]) == (200, "image/jpeg")
    assert number_of(newest.content) == 29
    for seconds, number in ((0, 0), (0.19, 0), (0.2, 1), (3.3, 16), (5.8, 29), (7.0, 29)):
        at = (begin + timedelta(seconds=seconds)).isoformat()
        still = app.operator.get(f"{GATE}/still", params={"at": at})
        assert number_of(still.content) == number, seconds
        taken = begin + timedelta(seconds=number / 5)
        assert still.headers["x-capture-time"] == taken.isoformat()
    far = app.operator.get(f"{GATE}/still", params={"at": (begin + timedelta(seconds=8)).isoformat()})
    assert (far.status_code, far.json()["code"]) == (404, "no_picture")
    rows = audited("still_seen")
    assert len(rows) == 7
    assert rows[0]["details"]["captured_at"] == (begin + timedelta(seconds=5.8)).isoformat()


def test_stills_out_of_a_recording(place: Any, app: Running, make_camera: Make, record: Any) -> None:
    make_camera()
    begin = place.clock.now() - timedelta(hours=1)
    record(begin, seconds=6)
    eventually(lambda: app.operator.get(f"{GATE}/recordings").json()["segments"])
    for seconds, number in ((0, 0), (0.1, 0), (2.5, 12), (5.8, 29), (6.5, 29)):
        still = app.operator.get(f"{GATE}/still", params={"at": (begin + timedelta(seconds=seconds)).isoformat()})
        assert still.status_code == 200, still.text
        assert number_of(still.content) == number, seconds
        assert still.headers["x-mask-version"] == "1"
    app.administrator.put(f"{GATE}/masking", json=BURN).raise_for_status()
    under_its_own = app.operator.get(f"{GATE}/still", params={"at": begin.isoformat()})
    assert (under_its_own.status_code, under_its_own.headers["x-mask-version"]) == (200, "1")
    assert (
        app.operator.get(f"{GATE}/still", params={"at": (begin - timedelta(seconds=5)).isoformat()}).status_code == 404
    )
    old = app.operator.get(f"{GATE}/still", params={"at": (begin - timedelta(days=14)).isoformat()})
    assert (old.status_code, old.json()["code"]) == (410, "destroyed")
    place.store.away = True
    away = app.operator.get(f"{GATE}/still", params={"at": begin.isoformat()})
    assert (away.status_code, away.json()["code"]) == (503, "store_away")
