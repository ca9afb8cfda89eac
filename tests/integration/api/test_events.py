"""News by Server-Sent Events, over a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.application import Running, eventually

from beffroi_api.http.access import COOKIE
from beffroi_common.contracts import CameraStatus, Level
from beffroi_common.topics import STATUS

V1 = "/api/v1"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind of database is enough for what hardly asks it."""
    return f"sqlite:///{tmp_path / 'api.sqlite3'}"


@pytest.fixture
def news(app: Running, address: str) -> Iterator[Callable[[str], dict[str, Any]]]:
    """`news("camera")` → the data of the next event of that name."""
    token = app.operator.cookies[COOKIE]
    with (
        httpx2.Client(base_url=address, cookies={COOKIE: token}, timeout=30) as client,
        client.stream("GET", f"{V1}/events") as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == "retry: 2000"

        def following(name: str) -> dict[str, Any]:
            for line in lines:
                if line == f"event: {name}":
                    found: dict[str, Any] = json.loads(next(lines).removeprefix("data: "))
                    return found
            raise EOFError(name)

        yield following


def test_what_happens_is_announced(
    place: Any, app: Running, news: Callable[[str], dict[str, Any]], make_camera: Callable[..., Any], record: Any
) -> None:
    make_camera()
    first = news("camera")
    assert (first["id"], first["version"], first["source"]) == ("gate", 1, None)
    status = CameraStatus(
        camera="gate", service="ingest", level=Level.OK, code="connected", message="", at=place.clock.now()
    )
    producer = place.around.bus.producer()
    producer.send(STATUS, status.key, status)
    assert (
        next(found for found in iter(lambda: news("status"), None) if found["kind"] == "camera")["code"] == "connected"
    )
    made = record(place.clock.now())
    assert news("recording") == {"camera": "gate", "segment": made.id, "state": "stored"}
    app.administrator.delete(f"{V1}/cameras/gate")
    assert next(found for found in iter(lambda: news("camera"), None) if "removed" in found) == {
        "id": "gate",
        "removed": True,
    }


def test_the_end_of_the_process_ends_it(app: Running, news: Callable[[str], dict[str, Any]]) -> None:
    eventually(lambda: app.services.fanout._subscriptions)
    app.services.end_streams()
    with pytest.raises(EOFError):
        news("camera")
    eventually(lambda: not app.services.fanout._subscriptions)
