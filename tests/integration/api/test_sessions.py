"""Signing in, staying in, getting out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from beffroi.api.access import Role
from beffroi.api.testing import ADDRESS, PASSWORD, Running
from beffroi.api.users.passwords import Passwords
from beffroi.api.users.service import Users
from sqlalchemy import text
from starlette.testclient import TestClient

SESSION = "/api/v1/session"
HOUR_S = 3600.0


@pytest.fixture
def visitor(door: Running) -> TestClient:
    return TestClient(door.app, base_url=ADDRESS, headers={"X-Beffroi-Request": "1"})


def sign_in(client: TestClient, username: str = "operator", password: str = PASSWORD) -> Any:
    return client.post(SESSION, json={"username": username, "password": password})


def test_who_am_i(visitor: TestClient) -> None:
    assert visitor.get(SESSION).status_code == 401
    answer = sign_in(visitor)
    expected = {"user": "operator", "display_name": "Operator", "role": "operator", "language": "fr"}
    assert answer.json() == expected
    assert visitor.get(SESSION).json() == expected


def test_the_cookie_is_for_this_site_and_no_script(visitor: TestClient) -> None:
    cookie = sign_in(visitor).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/api/v1" in cookie


def test_the_database_does_not_hold_the_token(door: Running, visitor: TestClient) -> None:
    token = sign_in(visitor).cookies["beffroi_session"]
    with door.parts.database.read() as session:
        kept = session.execute(text("SELECT * FROM sessions")).all()
    assert kept
    assert token not in str(kept)


@pytest.mark.parametrize(("username", "password"), [("operator", "wrong password"), ("nobody", PASSWORD)])
def test_wrong_name_and_wrong_password_read_the_same(visitor: TestClient, username: str, password: str) -> None:
    answer = sign_in(visitor, username, password)
    assert answer.status_code == 401
    assert answer.json()["code"] == "sign_in_failed"
    assert answer.json()["detail"] == "User name or password is wrong: try again, or ask your administrator."
    assert visitor.get(SESSION).status_code == 401


def test_a_name_nobody_has_is_not_kept(visitor: TestClient, audited: Callable[..., Any]) -> None:
    sign_in(visitor, "my-secret-password", "x")
    sign_in(visitor, "operator", "x")
    assert [row["user"] for row in audited("sign_in_failed")] == ["(unknown)", "operator"]


def test_guessing_is_slowed_down(place: Any, door: Running, visitor: TestClient) -> None:
    for _ in range(5):
        assert sign_in(visitor, password="wrong").status_code == 401
    refused = sign_in(visitor)
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert refused.headers["retry-after"] == "300"
    assert sign_in(visitor, "administrator").status_code == 200  # other accounts are not locked out
    place.clock.advance(301)
    assert sign_in(visitor).status_code == 200


def test_many_names_from_one_address_are_slowed_down(place: Any) -> None:
    with place.start(session={"failures_per_address": 3}) as door:
        client = TestClient(door.app, base_url=ADDRESS, headers={"X-Beffroi-Request": "1"})
        for name in ("anna", "bob", "carl"):
            assert sign_in(client, name).status_code == 401
        assert sign_in(client, "dora").status_code == 429


def test_the_right_password_forgives_mistyped_ones(visitor: TestClient) -> None:
    for _ in range(3):
        for _ in range(4):
            sign_in(visitor, password="wrong")
        assert sign_in(visitor).status_code == 200


def test_a_session_in_use_lasts_a_shift_and_no_longer(place: Any, visitor: TestClient) -> None:
    sign_in(visitor)
    for _ in range(25):
        place.clock.advance(HOUR_S / 2)
        assert visitor.get(SESSION).status_code == 200
    place.clock.advance(HOUR_S / 2)
    assert visitor.get(SESSION).json()["code"] == "not_signed_in"


def test_an_idle_session_ends(place: Any, visitor: TestClient) -> None:
    sign_in(visitor)
    place.clock.advance(HOUR_S)
    assert visitor.get(SESSION).status_code == 401


def test_signing_out_ends_the_session_itself(visitor: TestClient) -> None:
    token = sign_in(visitor).cookies["beffroi_session"]
    assert visitor.delete(SESSION).status_code == 204
    visitor.cookies.set("beffroi_session", token)
    assert visitor.get(SESSION).status_code == 401


def test_ended_sessions_are_forgotten(place: Any, door: Running, visitor: TestClient) -> None:
    sign_in(visitor)
    sign_in(visitor, password="wrong")
    place.clock.advance(14 * HOUR_S)
    door.parts.sessions.forget_ended()
    with door.parts.database.read() as session:
        assert session.execute(text("SELECT count(*) FROM sessions")).scalar() == 0
        assert session.execute(text("SELECT count(*) FROM sign_in_failures")).scalar() == 0


def test_a_disabled_person_is_out_at_once(door: Running, visitor: TestClient) -> None:
    parts = door.parts
    accounts = Users(parts.database, parts.trail, Passwords(1), parts.clock, "tests")
    sign_in(visitor)
    accounts.disable("operator")
    assert visitor.get(SESSION).status_code == 401
    assert sign_in(visitor).status_code == 401


@pytest.mark.parametrize("token", ["", "x", "x" * 5000, "é"])
def test_nonsense_is_no_session(door: Running, token: str) -> None:
    assert door.parts.identify(token, "here") is None


def test_roles_are_those_of_the_account(door: Running) -> None:
    for role in Role:
        assert door.as_(role).get(SESSION).json()["role"] == role.value


def test_a_text_that_no_database_keeps(door: Running, visitor: TestClient) -> None:
    assert sign_in(visitor, "oper\0ator").status_code in (401, 422)
    assert door.dpo.get("/api/v1/cameras/gate%00/still").status_code == 403
    assert door.dpo.get("/api/v1/audit", params={"user": "oper\0ator"}).status_code in (200, 422)
    name = {"name": "Ga\0te", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
    assert door.administrator.put("/api/v1/cameras/gate", json=name).status_code in (200, 422)
