"""The index of recordings, and their video."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from tests.application import Running, eventually

from beffroi_api.authz.roles import Identity
from beffroi_api.authz.scope import Scope
from beffroi_api.http.access import COOKIE
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


def test_a_look_is_in_the_trail_once_for_each_session(app: Running, recorded: Any, audited: Audited) -> None:
    url = segments(app)[0]["video_url"]
    for start in (0, 10, 20):
        app.operator.get(url, headers={"Range": f"bytes={start}-"})
    app.administrator.get(url)
    rows = audited("video_seen")
    assert [row["user"] for row in rows] == ["operator", "administrator"]
    assert rows[0]["subject"] == recorded.recording.object_name
    assert rows[0]["camera"] == "gate"
    app.operator.post("/api/v1/session", json={"username": "operator", "password": "correct horse battery"})
    app.operator.get(url)
    assert len(audited("video_seen")) == 3


def test_a_look_goes_on_while_ranges_are_asked_for_and_is_another_after_a_pause(
    place: Any, app: Running, recorded: Any, audited: Audited
) -> None:
    url = segments(app)[0]["video_url"]

    def ask() -> int:
        assert app.operator.get(url, headers={"Range": "bytes=0-9"}).status_code == 206
        return len(audited("video_seen"))

    assert ask() == 1
    for _ in range(10):
        place.clock.advance(60)
        assert ask() == 1
    place.clock.advance(299)
    assert ask() == 1
    place.clock.advance(300)
    assert ask() == 2
    place.clock.advance(1)
    assert ask() == 2
    place.clock.advance(-3600)  # the clock was wrong, and is put right
    assert ask() == 3
    assert app.services.trail.verify().broken_at is None


def test_a_range_of_a_look_under_way_does_not_write_the_database(
    place: Any, app: Running, recorded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, write, here = identity(app), app.services.database.write, threading.get_ident()
    writes = 0

    def counted(scope: Scope) -> Any:
        nonlocal writes
        writes += threading.get_ident() == here  # other threads of the application have their own to do
        return write(scope)

    monkeypatch.setattr(app.services.database, "write", counted)
    for seconds in range(0, 60, 6):
        app.services.recordings.play(who, "gate", recorded.id, f"bytes={seconds}-")
        place.clock.advance(6)
    assert writes == 2  # at the beginning, and after half a minute


def test_ranges_asked_for_at_once_are_one_look(place: Any, app: Running, recorded: Any, audited: Audited) -> None:
    who = identity(app)
    for looks in (1, 2, 3):
        together = threading.Barrier(8)

        def ask(number: int, together: threading.Barrier = together) -> int:
            together.wait(30)
            return app.services.recordings.play(who, "gate", recorded.id, f"bytes={number}-").span.first

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(ask, range(8))) == list(range(8))
        assert len(audited("video_seen")) == looks
        place.clock.advance(300)


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
