"""Whoever does not take what they asked for takes it from nobody else, and gets no more than they may see."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse
from tests.application import SYSTEM, Running, eventually, film
from tests.integration.api.conftest import CAMERA

from beffroi_api.authz.territory import Territory
from beffroi_api.http.access import COOKIE
from beffroi_api.modules.users import repository as users
from beffroi_common.topics import FRAMES_MASKED

V1 = "/api/v1"
LIVE = f"{V1}/cameras/gate/live"
UPGRADE = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
]
NEVER_S = 3600.0
FILLER_BYTES = 400_000


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind of database is enough for what hardly asks it."""
    return f"sqlite:///{tmp_path / 'api.sqlite3'}"


@pytest.fixture
def limits() -> dict[str, Any]:
    """Settings that differ."""
    return {}


@pytest.fixture
def app(place: Any, limits: dict[str, Any]) -> Iterator[Running]:
    with place.start(**limits) as started:
        yield started


@pytest.fixture
def unread(address: str, stack: ExitStack) -> Callable[..., socket.socket]:
    """`unread(client, path)` → a connection that asks for something and takes none of it."""
    host, port = urlsplit(address).hostname, urlsplit(address).port

    def open_(client: TestClient, path: str) -> socket.socket:
        connection = stack.enter_context(socket.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, port))
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", f"Cookie: {COOKIE}={client.cookies[COOKIE]}"]
        lines += UPGRADE if path == LIVE else []
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection

    return open_


@pytest.fixture
def fill(place: Any, app: Running) -> Callable[[], None]:
    """Pictures come until the views of the camera are stuck in sending."""
    sent = iter(range(10_000))

    def show() -> bool:
        (batch,) = film(1, start_ns=place.clock.now_ns(), first_sequence=next(sent))
        large = replace(batch, units=tuple(replace(unit, data=unit.data + bytes(FILLER_BYTES)) for unit in batch.units))
        place.around.bus.producer().send(FRAMES_MASKED, "gate", large, partition=0)
        return all(viewer._queue for channel in app.services.buffer._channels.values() for viewer in channel.viewers)

    def until_stuck() -> None:
        eventually(app.services.buffer.watched)
        for _ in range(5):
            eventually(show)

    return until_stuck


@pytest.mark.parametrize("limits", [{"write_timeout_s": NEVER_S}])
@pytest.mark.parametrize("why", ["signed out", "disabled", "another territory", "another commune"])
def test_a_view_that_nobody_reads_ends_with_the_right_to_it(
    place: Any, app: Running, make_camera: Any, unread: Any, fill: Any, why: str
) -> None:
    make_camera()
    unread(app.operator, LIVE)
    fill()
    if why == "signed out":
        app.operator.delete(f"{V1}/session").raise_for_status()
    elif why == "disabled":
        with app.services.database.write(SYSTEM) as session:
            user = users.by_name(session, "operator", for_change=True)
            assert user is not None
            user.disabled_at = place.clock.now()
    elif why == "another territory":
        place.around.territories["operator"] = Territory(communes=frozenset({"Hellemmes"}))
    else:
        place.around.territories["operator"] = Territory(communes=frozenset({"Lille"}))
        moved = CAMERA | {"commune": "Hellemmes"}
        app.administrator.put(f"{V1}/cameras/gate", json=moved).raise_for_status()
    place.clock.advance(app.services.settings.session.check_every_s)
    eventually(lambda: app.services.views.taken == 0)


@pytest.mark.parametrize("limits", [{"write_timeout_s": 0.2}])
def test_a_view_that_nobody_reads_is_cut_off(app: Running, make_camera: Any, unread: Any, fill: Any) -> None:
    make_camera()
    views = [unread(app.operator, LIVE) for _ in range(3)]
    eventually(lambda: app.services.views.taken == len(views))
    fill()
    eventually(lambda: app.services.views.taken == 0)
    assert app.operator.get(f"{V1}/session").status_code == 200


@pytest.mark.parametrize("limits", [{"live": {"max_viewers": 3, "max_viewers_per_person": 2}}])
def test_nobody_takes_all_views(app: Running, make_camera: Any, unread: Any) -> None:
    make_camera()
    for _ in range(2):
        unread(app.operator, LIVE)
    eventually(lambda: app.services.views.taken == 2)
    with pytest.raises(WebSocketDenialResponse) as refused, app.operator.websocket_connect(LIVE):
        pass
    assert (refused.value.status_code, refused.value.json()["code"]) == (503, "busy")
    with app.administrator.websocket_connect(LIVE) as live:
        live.receive_text()


@pytest.mark.parametrize("limits", [{"max_event_streams": 3, "max_event_streams_per_person": 2}])
def test_nobody_takes_all_news(place: Any, app: Running, unread: Any) -> None:
    for _ in range(2):
        unread(app.operator, f"{V1}/events")
    eventually(lambda: len(app.services.fanout._subscriptions) == 2)
    refused = app.operator.get(f"{V1}/events")
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    unread(app.administrator, f"{V1}/events")
    eventually(lambda: len(app.services.fanout._subscriptions) == 3)
    app.operator.delete(f"{V1}/session").raise_for_status()
    place.clock.advance(app.services.settings.session.check_every_s)
    eventually(lambda: len(app.services.fanout._subscriptions) == 1)
