"""The index of recordings, and their video."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.application import PASSWORD, SYSTEM, Running, eventually

from beffroi_api.authz.roles import Identity
from beffroi_api.db.tables import AuditTableRow
from beffroi_api.http.access import COOKIE
from beffroi_api.modules.recordings.looks.served_ranges import QUIET
from beffroi_common.contracts import RecordingState

RECORDINGS = "/api/v1/cameras/gate/recordings"

Record = Callable[..., Any]
Audited = Callable[..., list[dict[str, Any]]]


def segments(app: Running, **span: str) -> list[dict[str, Any]]:
    answer = app.operator.get(RECORDINGS, params=span)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["segments"]
    return found


@pytest.fixture
def recorded(place: Any, app: Running, record: Record) -> Any:
    made = record(place.clock.now() - timedelta(minutes=5))
    eventually(lambda: segments(app))
    return made


def identity(app: Running) -> Identity:
    """Who the operator is, for what no browser can do at a given instant."""
    who = app.services.authenticate(app.operator.cookies[COOKIE], "here")
    assert who is not None
    return who


def test_what_is_recorded_is_listed(place: Any, app: Running, recorded: Any) -> None:
    (found,) = segments(app)
    assert found["object"] == recorded.recording.object_name
    assert found["sha256"] == recorded.recording.sha256
    assert found["video_url"] == f"{RECORDINGS}/{recorded.id}/video"
    now = place.clock.now()
    assert segments(app, **{"from": (now - timedelta(minutes=6)).isoformat(), "to": now.isoformat()})
    assert not segments(app, **{"from": (now - timedelta(minutes=4)).isoformat(), "to": now.isoformat()})


@pytest.mark.parametrize(
    "span",
    [
        {"from": "2026-10-01T00:00:00Z", "to": "2026-10-04T00:00:00Z"},
        {"from": "2026-10-02T00:00:00Z", "to": "2026-10-01T00:00:00Z"},
        {"from": "2026-10-01T00:00:00"},
        {"from": "yesterday"},
    ],
)
def test_impossible_spans(app: Running, span: dict[str, str]) -> None:
    assert app.operator.get(RECORDINGS, params=span).status_code == 422


def test_hearing_it_twice_or_late_changes_nothing(
    place: Any, app: Running, recorded: Any, tell: Callable[..., None]
) -> None:
    recording = recorded.recording
    destroyed = recording.model_copy(
        update={"state": RecordingState.DESTROYED, "changed_at": recording.changed_at + timedelta(days=1)}
    )
    for each in (recording, destroyed, recording):
        tell(each)
    eventually(lambda: not segments(app))
    place.broker.append("recordings.v1", "junk", b"{}", 0, {})
    eventually(lambda: place.broker.records("recordings.v1.dlq"))
    assert not segments(app)
    answer = app.operator.get(f"{RECORDINGS}/{recorded.id}/video")
    assert answer.status_code == 410
    assert "was destroyed on 2026-11-02" in answer.json()["detail"]


def test_the_whole_video_and_parts_of_it(app: Running, recorded: Any) -> None:
    url, content = segments(app)[0]["video_url"], recorded.content
    whole = app.operator.get(url)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, content, "video/mp4")
    part = app.operator.get(url, headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, content[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(content)}"
    assert part.headers["content-length"] == "200"
    beyond = app.operator.get(url, headers={"Range": f"bytes={len(content)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(content)}")


def served(rows: list[dict[str, Any]]) -> list[tuple[str, int, int, int]]:
    """Of each look: who, first and last byte, in how many requests."""
    parts = [(row["user"], row["details"]) for row in rows]
    return [(user, each["first_byte"], each["last_byte"], each["requests"]) for user, each in parts]


def ask(app: Running, url: str, *spans: tuple[int, int], role: str = "operator") -> None:
    for first, last in spans:
        assert app.as_(role).get(url, headers={"Range": f"bytes={first}-{last}"}).status_code == 206


@pytest.mark.parametrize(
    ("spans", "looks"),
    [
        ([(0, 99)], [(0, 99, 1)]),
        ([(0, 99), (100, 199), (200, 299)], [(0, 299, 3)]),
        ([(0, 99), (101, 199)], [(0, 99, 1), (101, 199, 1)]),
        ([(0, 99), (99, 199)], [(0, 99, 1), (99, 199, 1)]),
        ([(0, 99), (0, 99)], [(0, 99, 1), (0, 99, 1)]),
        ([(200, 299), (100, 199)], [(200, 299, 1), (100, 199, 1)]),
        ([(0, 9), (500, 509), (10, 19), (510, 519)], [(0, 19, 2), (500, 519, 2)]),
        ([(0, 9), (0, 9), (10, 19)], [(0, 9, 1), (0, 19, 2)]),
    ],
)
def test_every_range_is_in_the_trail_and_only_what_goes_on_is_one(
    app: Running, recorded: Any, audited: Audited, spans: list[tuple[int, int]], looks: list[tuple[int, int, int]]
) -> None:
    ask(app, segments(app)[0]["video_url"], *spans)
    rows = audited("video_seen")
    assert served(rows) == [("operator", *look) for look in looks]
    assert {(row["camera"], row["subject"]) for row in rows} == {("gate", recorded.recording.object_name)}
    assert app.services.trail.verify().is_whole


def test_each_session_and_each_pause_begins_a_row(place: Any, app: Running, recorded: Any, audited: Audited) -> None:
    url = segments(app)[0]["video_url"]
    ask(app, url, (0, 9))
    ask(app, url, (10, 19), role="administrator")
    app.operator.post("/api/v1/session", json={"username": "operator", "password": PASSWORD})
    ask(app, url, (10, 19))
    place.clock.advance(QUIET.total_seconds())
    ask(app, url, (20, 29))
    assert served(audited("video_seen")) == [
        ("operator", 0, 9, 1),
        ("administrator", 10, 19, 1),
        ("operator", 10, 19, 1),
        ("operator", 20, 29, 1),
    ]


def test_who_signs_in_next_at_the_same_console_goes_on_with_nobody_elses_range(
    app: Running, recorded: Any, audited: Audited
) -> None:
    url = segments(app)[0]["video_url"]
    for number, role in enumerate(("operator", "administrator", "operator")):
        client = app.as_(role)
        client.post("/api/v1/session", json={"username": role, "password": PASSWORD}).raise_for_status()
        ask(app, url, (number * 10, number * 10 + 9), role=role)
        client.delete("/api/v1/session").raise_for_status()
    assert served(audited("video_seen")) == [
        ("operator", 0, 9, 1),
        ("administrator", 10, 19, 1),
        ("operator", 20, 29, 1),
    ]


def in_trail(app: Running) -> int:
    """Looks that are in the trail already; to read it as people do would put the others there."""
    with app.services.database.read(SYSTEM) as session:
        query = select(func.count()).select_from(AuditTableRow).where(AuditTableRow.action == "video_seen")
        return session.scalar(query) or 0


def test_a_range_comes_into_the_trail_by_itself(place: Any, app: Running, recorded: Any) -> None:
    url = segments(app)[0]["video_url"]
    ask(app, url, (0, 9))
    assert in_trail(app) == 0
    place.clock.advance(QUIET.total_seconds())
    app.services.served.settle()
    assert in_trail(app) == 1
    for number in range(1, 40):  # somebody goes on slowly
        ask(app, url, (number * 10, number * 10 + 9))
        place.clock.advance(10)
        app.services.served.settle()
    assert in_trail(app) == 2
    place.clock.advance(-3600)  # the clock was wrong, and is put right
    app.services.served.settle()
    assert in_trail(app) == 3


def test_a_range_outlives_its_session(app: Running, recorded: Any, audited: Audited) -> None:
    ask(app, segments(app)[0]["video_url"], (0, 9))
    app.operator.delete("/api/v1/session").raise_for_status()
    assert served(audited("video_seen")) == [("operator", 0, 9, 1)]


def test_ranges_asked_for_at_once_are_all_in_the_trail(
    place: Any, app: Running, recorded: Any, audited: Audited
) -> None:
    who, together = identity(app), threading.Barrier(8)

    def play(number: int) -> None:
        together.wait(30)
        app.services.recordings.play(who, "gate", recorded.id, f"bytes={number * 20}-{number * 20 + 9}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(play, range(8)))
    assert sorted(served(audited("video_seen"))) == [("operator", 20 * n, 20 * n + 9, 1) for n in range(8)]


def test_a_session_that_ends_meanwhile_sees_nothing(
    app: Running, recorded: Any, audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, authenticate = segments(app)[0]["video_url"], app.services.authenticate

    def authenticate_and_sign_out(token: str | None, address: str, *, is_use: bool) -> Identity | None:
        who = authenticate(token, address, is_use=is_use)
        assert who is not None
        app.services.sessions.sign_out(who)
        return who

    monkeypatch.setattr(app.services, "authenticate", authenticate_and_sign_out)
    refused = app.operator.get(url)
    monkeypatch.undo()
    assert (refused.status_code, refused.json()["code"]) == (401, "not_signed_in")
    assert refused.json()["detail"] == "Your session has ended: sign in again."
    assert audited("video_seen") == []


def test_nothing_past_its_retention_is_served(place: Any, app: Running, recorded: Any) -> None:
    url = segments(app)[0]["video_url"]
    at = recorded.recording.starts_at
    place.clock.advance(timedelta(days=14).total_seconds())
    app._clients.clear()  # sessions ended long ago
    span = {"from": (at - timedelta(hours=1)).isoformat(), "to": (at + timedelta(hours=1)).isoformat()}
    assert not segments(app, **span)
    gone = app.operator.get(url)
    assert (gone.status_code, gone.json()["code"]) == (410, "destroyed")
    still = app.operator.get("/api/v1/cameras/gate/still", params={"at": at.isoformat()})
    assert still.status_code == 404  # no such camera was ever configured here


def test_an_object_that_is_gone_and_a_store_that_is_away(place: Any, app: Running, recorded: Any) -> None:
    url = segments(app)[0]["video_url"]
    place.store.away = True
    away = app.operator.get(url)
    assert (away.status_code, away.json()["code"]) == (503, "store_away")
    place.store.away = False
    place.store.remove(recorded.recording.object_name)
    gone = app.operator.get(url)
    assert (gone.status_code, gone.json()["code"]) == (410, "destroyed")


def test_a_segment_is_served_under_its_own_camera_only(app: Running, recorded: Any) -> None:
    assert app.operator.get(f"/api/v1/cameras/yard/recordings/{recorded.id}/video").status_code == 404
    assert app.operator.get(f"{RECORDINGS}/{'0' * 24}/video").status_code == 404


def test_the_index_is_built_anew_for_a_new_database(place: Any, tmp_path: Any, record: Record) -> None:
    with place.start() as app:
        record(place.clock.now() - timedelta(minutes=5))
        eventually(lambda: segments(app))
    place.around.database_url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    with place.start() as app:
        eventually(lambda: segments(app))
