"""Signing in, staying in, getting out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from starlette.testclient import TestClient
from tests.application import ADDRESS, CHEAP, PASSWORD, SYSTEM, Running

from beffroi_api.authz.roles import Role
from beffroi_api.errors import Busy, Throttled
from beffroi_api.http.access import COOKIE
from beffroi_api.modules.session import repository as sessions
from beffroi_api.modules.session.attempts import repository
from beffroi_api.modules.session.attempts.throttle import Throttle
from beffroi_api.modules.users import repository as users
from beffroi_api.modules.users.credentials.passwords import Passwords
from beffroi_api.modules.users.schemas import NewPassword
from beffroi_api.modules.users.service import Users

SESSION = "/api/v1/session"
LOOK = "/api/v1/cameras/gate/still"
"""Asked for by hand. There is no such camera, but who asks is known first."""
HOUR_S = 3600.0
YEAR_S = 365 * 24 * HOUR_S


def visitor_from(app: Running, address: str) -> TestClient:
    return TestClient(app.asgi, base_url=ADDRESS, headers={"X-Beffroi-Request": "1"}, client=(address, 50_000))


@pytest.fixture
def visitor(app: Running) -> TestClient:
    return visitor_from(app, "testclient")


def sign_in(client: TestClient, username: str = "operator", password: str = PASSWORD) -> Any:
    return client.post(SESSION, json={"username": username, "password": password})


def test_who_am_i(visitor: TestClient) -> None:
    assert visitor.get(SESSION).status_code == 401
    answer = sign_in(visitor)
    expected: dict[str, Any] = {"user": "operator", "display_name": "Operator", "role": "operator", "language": "fr"}
    expected |= {"must_change_password": False, "must_set_second_factor": False, "other_sessions": 0}
    assert answer.json() == expected
    assert visitor.get(SESSION).json() == expected


def test_the_cookie_is_for_this_site_and_no_script(visitor: TestClient) -> None:
    cookie = sign_in(visitor).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert cookie.startswith("__Host-")
    assert {"Secure", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_the_database_does_not_hold_the_token(app: Running, visitor: TestClient) -> None:
    token = sign_in(visitor).cookies[COOKIE]
    with app.services.database.read(SYSTEM) as session:
        kept = session.execute(text("SELECT * FROM sessions")).all()
    assert kept
    assert token not in str(kept)


@pytest.mark.parametrize(("username", "password"), [("operator", "wrong password"), ("nobody", PASSWORD)])
def test_wrong_name_and_wrong_password_read_the_same(visitor: TestClient, username: str, password: str) -> None:
    answer = sign_in(visitor, username, password)
    assert answer.status_code == 401
    assert answer.json()["code"] == "sign_in_failed"
    assert answer.json()["detail"] == "User name, password or code is wrong: try again, or ask your administrator."
    assert visitor.get(SESSION).status_code == 401


def test_a_name_nobody_has_is_not_kept(visitor: TestClient, audited: Callable[..., Any]) -> None:
    sign_in(visitor, "my-secret-password", "x")
    sign_in(visitor, "operator", "x")
    assert [row["user"] for row in audited("sign_in_failed")] == ["(unknown)", "operator"]


def test_guessing_is_slowed_down(place: Any, app: Running, visitor: TestClient) -> None:
    for _ in range(5):
        assert sign_in(visitor, password="wrong").status_code == 401
    refused = sign_in(visitor)
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert refused.headers["retry-after"] == "300"
    assert sign_in(visitor, "administrator").status_code == 200  # other accounts are not locked out
    place.clock.advance(301)
    assert sign_in(visitor).status_code == 200


def test_many_names_from_one_address_are_slowed_down(place: Any) -> None:
    with place.start(session={"failures_per_address": 3}) as app:
        client = visitor_from(app, "testclient")
        for name in ("anna", "bob", "carl"):
            assert sign_in(client, name).status_code == 401
        assert sign_in(client, "dora").status_code == 429


class Slow(Passwords):
    """A check takes a while, as real ones do, and is counted."""

    def __init__(self) -> None:
        super().__init__(parallel=40)
        self.checked: list[str] = []

    def matches(self, kept: str | None, password: str) -> bool:
        self.checked.append(password)
        time.sleep(0.5)
        return super().matches(kept, password)


def test_guesses_made_at_the_same_time_count_too(app: Running, visitor: TestClient) -> None:
    slow = Slow()
    app.services.sessions = replace(app.services.sessions, passwords=slow)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda guess: sign_in(visitor, password=f"guess {guess}").status_code, range(40)))
    assert sorted(answers) == 5 * [401] + 35 * [429]
    assert len(slow.checked) == 5


def test_attempts_are_counted_one_after_the_other(app: Running) -> None:
    database, clock = app.services.database, app.services.clock
    throttle = Throttle(database, clock, app.services.settings.session)
    with ThreadPoolExecutor(1) as pool:
        with database.write(SYSTEM) as session:
            repository.lock_attempts(session)
            for _ in range(5):
                repository.add_attempt(session, account="operator", network="here", at=clock.now())
            session.flush()
            sixth = pool.submit(throttle.admit, "operator", "here")
            time.sleep(0.5)  # it would have been let in by now
        with pytest.raises(Throttled):
            sixth.result()


def test_what_is_refused_does_not_prolong_the_wait(place: Any, visitor: TestClient) -> None:
    for _ in range(5):
        sign_in(visitor, password="wrong")
    for _ in range(10):
        place.clock.advance(29)
        assert sign_in(visitor).status_code == 429
    place.clock.advance(11)
    assert sign_in(visitor).status_code == 200


@pytest.mark.parametrize(
    ("addresses", "last"),
    [
        ([f"2001:db8:7:1::{host:x}" for host in range(1, 7)], 429),
        ([f"2001:db8:7:{site:x}::1" for site in range(1, 7)], 401),
        ([f"192.0.2.{host}" for host in range(1, 7)], 401),
        (["192.0.2.1", "::ffff:192.0.2.1"] * 3, 429),
    ],
    ids=["one IPv6 network", "IPv6 networks", "IPv4 addresses", "IPv4 in two spellings"],
)
def test_a_network_of_ipv6_counts_as_one_address(app: Running, addresses: list[str], last: int) -> None:
    said = [sign_in(visitor_from(app, address), password="wrong").status_code for address in addresses]
    assert said == 5 * [401] + [last]


def test_a_guesser_with_many_addresses_is_slowed_down_and_keeps_nobody_out_for_ever(place: Any) -> None:
    with place.start(session={"failures_per_account": 6}) as app:
        at_work = sign_in(visitor_from(app, "198.51.100.1"), "administrator")
        assert at_work.status_code == 200
        for host in range(6):
            assert sign_in(visitor_from(app, f"192.0.2.{host}"), password="wrong").status_code == 401
        elsewhere = visitor_from(app, "203.0.113.9")
        refused = sign_in(elsewhere)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
        assert "wait 60 minutes" in refused.json()["detail"]
        assert sign_in(elsewhere, "dpo").status_code == 200  # other accounts are not locked out
        colleague = visitor_from(app, "198.51.100.1")  # where somebody works, the account's own people come in
        assert sign_in(colleague).status_code == 200
        place.clock.advance(HOUR_S - 1)
        app.services.sessions.forget_ended()
        assert sign_in(visitor_from(app, "203.0.113.10")).status_code == 429
        place.clock.advance(1)
        assert sign_in(visitor_from(app, "203.0.113.10")).status_code == 200


def test_the_right_password_forgives_mistyped_ones(visitor: TestClient) -> None:
    for _ in range(3):
        for _ in range(4):
            sign_in(visitor, password="wrong")
        assert sign_in(visitor).status_code == 200


def test_a_session_in_use_lasts_a_shift_and_no_longer(place: Any, visitor: TestClient) -> None:
    sign_in(visitor)
    for _ in range(25):
        place.clock.advance(HOUR_S / 2)
        assert visitor.get(LOOK).status_code == 404
    place.clock.advance(HOUR_S / 2)
    assert visitor.get(LOOK).json()["code"] == "not_signed_in"


def test_an_idle_session_ends(place: Any, visitor: TestClient) -> None:
    sign_in(visitor)
    place.clock.advance(HOUR_S)
    assert visitor.get(SESSION).status_code == 401


@pytest.mark.parametrize(
    "path", ["session", "cameras", "cameras/gate", "cameras/gate/recordings", "alerts", "health", "events"]
)
def test_what_a_console_reads_by_itself_keeps_no_session(
    place: Any, app: Running, visitor: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def refuse(_person: str) -> None:
        raise Busy("An event stream would not end.")

    monkeypatch.setattr(app.services.fanout, "refuse_when_full", refuse)
    sign_in(visitor)
    for _ in range(59):
        place.clock.advance(60)
        assert visitor.get(f"/api/v1/{path}").status_code != 401
    place.clock.advance(60)
    assert visitor.get(f"/api/v1/{path}").status_code == 401


def test_signing_out_ends_the_session_itself(visitor: TestClient) -> None:
    token = sign_in(visitor).cookies[COOKIE]
    assert visitor.delete(SESSION).status_code == 204
    visitor.cookies.set(COOKIE, token)
    assert visitor.get(SESSION).status_code == 401


def test_ended_sessions_are_forgotten(place: Any, app: Running, visitor: TestClient) -> None:
    sign_in(visitor)
    sign_in(visitor, password="wrong")
    place.clock.advance(14 * HOUR_S)
    app.services.sessions.forget_ended()
    with app.services.database.read(SYSTEM) as session:
        assert session.execute(text("SELECT count(*) FROM sessions")).scalar() == 0
        assert session.execute(text("SELECT count(*) FROM sign_in_failures")).scalar() == 0


def test_what_began_by_a_clock_that_was_ahead_ends_all_the_same(place: Any, app: Running, visitor: TestClient) -> None:
    place.clock.set(YEAR_S)
    sign_in(visitor, "administrator")
    for _ in range(5):
        sign_in(visitor_from(app, "testclient"), password="wrong")
    place.clock.set(-YEAR_S)
    app.services.sessions.mend_times()
    assert sign_in(visitor_from(app, "testclient")).status_code == 429
    place.clock.advance(301)
    assert sign_in(visitor_from(app, "testclient")).status_code == 200
    place.clock.advance(HOUR_S - 301)
    assert visitor.get(SESSION).status_code == 401


def test_a_disabled_person_is_out_at_once(app: Running, visitor: TestClient) -> None:
    services = app.services
    accounts = Users(services.database, services.trail, Passwords(1), services.clock, "tests", sessions.end_all_of)
    sign_in(visitor)
    accounts.disable("operator")
    assert visitor.get(SESSION).status_code == 401
    assert sign_in(visitor).status_code == 401


class Interrupted(Passwords):
    """Something happens between the check of a password and the session."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__(parallel=1)
        self._happens = happens

    def matches(self, kept: str | None, password: str) -> bool:
        right = super().matches(kept, password)
        self._happens()
        return right


def set_password(users: Users) -> None:
    users.set_password(NewPassword.model_validate({"username": "operator", "password": "another password"}))


@pytest.mark.parametrize("happens", [set_password, lambda users: users.disable("operator")], ids=["reset", "disabled"])
def test_no_session_begins_with_what_ended_while_it_was_checked(
    app: Running, visitor: TestClient, audited: Callable[..., Any], happens: Callable[[Users], None]
) -> None:
    services = app.services
    accounts = Users(services.database, services.trail, Passwords(1), services.clock, "tests", sessions.end_all_of)
    services.sessions = replace(services.sessions, passwords=Interrupted(lambda: happens(accounts)))
    answer = sign_in(visitor)
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_failed")
    assert visitor.get(SESSION).status_code == 401
    with services.database.read(SYSTEM) as session:
        assert session.execute(text("SELECT count(*) FROM sessions")).scalar() == 0
    assert [row["user"] for row in audited("sign_in_failed")] == ["operator"]
    assert "operator" not in [row["user"] for row in audited("signed_in")]


def test_a_reset_under_way_is_waited_for(app: Running, visitor: TestClient) -> None:
    services, checked, go_on = app.services, threading.Event(), threading.Event()

    def wait() -> None:
        checked.set()
        go_on.wait(30)

    services.sessions = replace(services.sessions, passwords=Interrupted(wait))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(sign_in, visitor)
        assert checked.wait(30)
        with services.database.write(SYSTEM) as session:
            user = users.by_name(session, "operator")
            assert user is not None
            user.password_hash = CHEAP.hash("another password")
            session.flush()
            go_on.set()
            time.sleep(0.5)  # it would have begun by now
        assert answer.result().status_code == 401


@pytest.mark.parametrize("token", ["", "x", "x" * 5000, "é"])
def test_nonsense_is_no_session(app: Running, token: str) -> None:
    assert app.services.authenticate(token, "here") is None


def test_roles_are_those_of_the_account(app: Running) -> None:
    for role in Role:
        assert app.as_(role).get(SESSION).json()["role"] == role.value


def test_a_text_that_no_database_keeps(app: Running, visitor: TestClient) -> None:
    assert sign_in(visitor, "oper\0ator").status_code in (401, 422)
    assert app.dpo.get("/api/v1/cameras/gate%00/still").status_code == 403
    assert app.dpo.get("/api/v1/audit", params={"user": "oper\0ator"}).status_code in (200, 422)
    name = {"name": "Ga\0te", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
    assert app.administrator.put("/api/v1/cameras/gate", json=name).status_code in (200, 422)
