"""While one person's flood is under way, nobody else notices. The work of the flood is held up; the others' is not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.application import Running, eventually, film, number_of
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from beffroi_api.authz.roles import Role
from beffroi_api.http import access
from beffroi_api.http.access import COOKIE, Rule
from beffroi_api.http.app import create_app
from beffroi_api.http.security import CSRF_HEADER
from beffroi_api.modules.live.stills import pictures
from beffroi_common.topics import FRAMES_MASKED

V1 = "/api/v1"
AT_ONCE = 60
LOOKS = ("session", "alerts", "cameras", "health", "cameras/gate", "cameras/gate/recordings", "rules")
BURN = {"mode": "burn", "polygons": [[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]]}

Flood = Callable[..., list[Future[httpx2.Response]]]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind of database is enough: what waits here waits before it."""
    return f"sqlite:///{tmp_path / 'api.sqlite3'}"


@pytest.fixture
def visitor(app: Running, address: str, stack: ExitStack) -> Callable[[Role | None], httpx2.Client]:
    """`visitor(role)` → a client over a real socket; None: a stranger."""

    def open_(role: Role | None) -> httpx2.Client:
        client = stack.enter_context(
            httpx2.Client(base_url=address, headers={CSRF_HEADER: "1"}, timeout=60, limits=httpx2.Limits())
        )
        if role is not None:
            client.headers["Cookie"] = f"{COOKIE}={app.as_(role).cookies[COOKIE]}"
            assert client.get(f"{V1}/session").status_code == 200
        return client

    return open_


@pytest.fixture
def held(stack: ExitStack) -> threading.Event:
    """What waits for it goes on at the end of the test, or before."""
    event = threading.Event()
    stack.callback(event.set)
    return event


@pytest.fixture
def flood(held: threading.Event) -> Iterator[Flood]:
    """`flood(ask)`: does the same sixty times at once."""
    with ThreadPoolExecutor(AT_ONCE) as crowd:
        yield lambda ask: [crowd.submit(ask) for _ in range(AT_ONCE)]
        held.set()


def nobody_notices(client: httpx2.Client) -> None:
    for path in LOOKS:
        assert client.get(f"{V1}/{path}").status_code in (200, 403, 404)


def held_up(work: Callable[..., Any], held: threading.Event, begun: threading.Event) -> Callable[..., Any]:
    """Does the same, when it may."""

    def wait(*arguments: Any, **named: Any) -> Any:
        begun.set()
        held.wait()
        return work(*arguments, **named)

    return wait


@pytest.fixture
def show(place: Any) -> Callable[..., None]:
    """Pictures of the camera come."""

    def put(first: int, mask_version: int) -> None:
        for batch in film(1, start_ns=place.clock.now_ns(), first_sequence=first, mask_version=mask_version):
            place.around.bus.producer().send(FRAMES_MASKED, "gate", batch, partition=0)

    return put


@pytest.mark.parametrize("path", ["cameras/gate/still", "cameras/gate/still?at"])
def test_pictures_are_made_apart(
    place: Any, make_camera: Any, show: Any, visitor: Any, flood: Flood, held: Any, monkeypatch: Any, path: str
) -> None:
    make_camera()
    show(0, 1)
    begun = threading.Event()
    monkeypatch.setattr(pictures, "from_batches", held_up(pictures.from_batches, held, begun))
    operator, administrator = visitor(Role.OPERATOR), visitor(Role.ADMINISTRATOR)
    asked = path.replace("?at", f"?at={place.clock.now().isoformat().replace('+00:00', 'Z')}")
    answers = flood(lambda: operator.get(f"{V1}/{asked}"))
    assert begun.wait(30)
    nobody_notices(visitor(Role.DPO))
    nobody_notices(administrator)
    nobody_notices(operator)
    another = ThreadPoolExecutor(1).submit(administrator.get, f"{V1}/{asked}")
    held.set()
    assert another.result().status_code == 200
    assert {each.result().status_code for each in answers} <= {200, 503}


def test_a_picture_that_waited_is_under_the_decision_in_force(
    app: Running, make_camera: Any, show: Any, visitor: Any, held: Any, stack: Any, monkeypatch: Any
) -> None:
    make_camera()
    show(0, 1)
    begun = threading.Event()
    before = stack.enter_context(ThreadPoolExecutor(2))
    making = app.services.still_making
    operator = visitor(Role.OPERATOR)
    monkeypatch.setattr(app.services.frames, "run_to", held_up(app.services.frames.run_to, held, begun))
    answers = [before.submit(operator.get, f"{V1}/cameras/gate/still") for _ in range(2)]
    eventually(lambda: making.turns.waiting == 1)
    app.administrator.put(f"{V1}/cameras/gate/masking", json=BURN).raise_for_status()
    show(1, 2)
    held.set()
    for each in answers:
        assert each.result().headers["x-mask-version"] == "2"
        assert number_of(each.result().content) == 9


def test_sign_ins_are_checked_apart(app: Running, visitor: Any, flood: Flood, held: Any, monkeypatch: Any) -> None:
    begun = threading.Event()
    passwords = app.services.sessions.passwords
    operator, stranger = visitor(Role.OPERATOR), visitor(None)
    monkeypatch.setattr(passwords, "matches", held_up(passwords.matches, held, begun))
    wrong = {"username": "operator", "password": "wrong"}
    answers = flood(lambda: stranger.post(f"{V1}/session", json=wrong))
    assert begun.wait(30)
    nobody_notices(operator)
    assert visitor(None).get(f"{V1}/meta").status_code == 200
    held.set()
    assert {each.result().status_code for each in answers} <= {401, 429, 503}


def test_videos_are_read_apart(
    place: Any, app: Running, make_camera: Any, record: Any, visitor: Any, flood: Flood, held: Any, monkeypatch: Any
) -> None:
    make_camera()
    made = record(place.clock.now())
    eventually(lambda: app.operator.get(f"{V1}/cameras/gate/recordings").json()["segments"])
    begun = threading.Event()
    monkeypatch.setattr(place.store, "stream", held_up(place.store.stream, held, begun))
    operator = visitor(Role.OPERATOR)
    answers = flood(lambda: operator.get(f"{V1}/cameras/gate/recordings/{made.id}/video"))
    assert begun.wait(30)
    nobody_notices(visitor(Role.ADMINISTRATOR))
    nobody_notices(operator)
    held.set()
    assert {each.result().status_code for each in answers} == {200}
    assert {each.result().content for each in answers} == {made.content}


def test_a_made_up_token_is_a_stranger(app: Running, visitor: Any, flood: Flood, held: Any, monkeypatch: Any) -> None:
    begun = threading.Event()
    operator, stranger = visitor(Role.OPERATOR), visitor(None)
    known = app.operator.cookies[COOKIE]
    authenticate = app.services.sessions.authenticate

    def slowly(token: str | None, address: str, *, is_use: bool) -> Any:
        if token != known:
            begun.set()
            held.wait()
        return authenticate(token, address, is_use=is_use)

    object.__setattr__(app.services.sessions, "authenticate", slowly)
    numbers = iter(range(AT_ONCE))
    answers = flood(lambda: stranger.get(f"{V1}/session", headers={"Cookie": f"{COOKIE}={next(numbers)}"}))
    assert begun.wait(30)
    nobody_notices(operator)
    assert app.services.admission.strangers.taken <= 2
    held.set()
    assert {each.result().status_code for each in answers} <= {401, 503}


RULES = [rule for rule in access.table(create_app(None, None)) if rule.roles]


def concrete(rule: Rule) -> tuple[str, str]:
    path = rule.path.replace("{camera}", "gate").replace("{alert}", "0" * 32).replace("{segment}", "0" * 24)
    return next(iter(rule.methods)), path


@pytest.mark.parametrize("role", Role)
def test_whatever_one_asks_for_others_are_answered(
    app: Running, address: str, visitor: Any, flood: Flood, held: Any, role: Role
) -> None:
    flooding, calm = visitor(role), visitor(Role.DPO if role is Role.OPERATOR else Role.OPERATOR)
    flooded, begun = app.as_(role).cookies[COOKIE], threading.Event()
    authenticate = app.services.sessions.authenticate

    def slowly(token: str | None, at: str, *, is_use: bool) -> Any:
        if token == flooded:
            begun.set()
            held.wait()
        return authenticate(token, at, is_use=is_use)

    object.__setattr__(app.services.sessions, "authenticate", slowly)
    asked = cycle(map(concrete, RULES))

    def ask() -> None:
        method, path = next(asked)
        if method == "WEBSOCKET":
            headers = {"Cookie": f"{COOKIE}={flooded}"}
            with suppress(InvalidStatus), connect(f"{address.replace('http', 'ws')}{path}", additional_headers=headers):
                pass
        else:
            with suppress(httpx2.HTTPError), flooding.stream(method, path, json={} if method != "GET" else None):
                pass

    flood(ask)
    assert begun.wait(30)
    nobody_notices(calm)
