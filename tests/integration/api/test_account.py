"""People own their accounts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pyotp
import pytest
from sqlalchemy import select, text
from starlette.testclient import TestClient
from tests.application import ADDRESS, PASSWORD, SYSTEM, Client, Running

from beffroi_api.db.tables import UserRow
from beffroi_api.modules.session import repository as sessions
from beffroi_api.modules.users.credentials.passwords import Passwords
from beffroi_api.modules.users.schemas import NewPassword
from beffroi_api.modules.users.service import Users

V1 = "/api/v1"
SESSION, ACCOUNT = f"{V1}/session", f"{V1}/account"
NEXT = "four words beside a canal"

Audited = Callable[..., list[dict[str, Any]]]


def visit(app: Running, agent: str = "a browser") -> TestClient:
    headers = {"X-Beffroi-Request": "1", "User-Agent": agent}
    return Client(app.asgi, base_url=ADDRESS, headers=headers)


def sign_in(client: TestClient, password: str = PASSWORD, **fields: str) -> Any:
    return client.post(SESSION, json={"username": "operator", "password": password, **fields})


def enter(app: Running, agent: str = "a browser", password: str = PASSWORD, **fields: str) -> TestClient:
    client = visit(app, agent)
    assert sign_in(client, password, **fields).status_code == 200
    return client


def change(client: TestClient, new: str, current: str = PASSWORD) -> Any:
    return client.put(f"{ACCOUNT}/password", json={"current": current, "new": new})


def accounts(app: Running) -> Users:
    services = app.services
    return Users(services.database, services.trail, Passwords(1), services.clock, "tests", sessions.end_all_of)


def test_ones_own_password_is_changed_and_other_sessions_end(app: Running, audited: Audited) -> None:
    here, elsewhere = enter(app), enter(app)
    assert change(here, NEXT).status_code == 204
    assert here.get(SESSION).status_code == 200
    assert elsewhere.get(SESSION).status_code == 401
    assert sign_in(visit(app)).status_code == 401
    assert sign_in(visit(app), NEXT).status_code == 200
    assert [row["user"] for row in audited("password_changed")] == ["operator"]


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("password1234", "guessable_password"),
        ("operator-operator", "guessable_password"),
        ("Zq4!", "guessable_password"),
        (PASSWORD, "invalid"),
        ("x" * 257, "invalid"),
    ],
)
def test_what_is_no_password_is_refused(app: Running, new: str, code: str) -> None:
    client = enter(app)
    answer = change(client, new)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert new not in answer.text
    assert sign_in(visit(app)).status_code == 200


def test_the_current_password_is_asked_for_and_not_guessed(app: Running, audited: Audited) -> None:
    client = enter(app)
    for _ in range(5):
        assert change(client, NEXT, current="a wrong guess").json()["code"] == "wrong_password"
    assert change(client, NEXT).status_code == 429
    assert len(audited("password_wrong")) == 5


def test_a_given_password_is_changed_before_anything_else(app: Running) -> None:
    accounts(app).set_password(NewPassword.model_validate({"username": "operator", "password": NEXT}))
    client = visit(app)
    assert sign_in(client, NEXT).json()["must_change_password"] is True
    for path in ("cameras", "alerts", "health", "events", "account/sessions", "account/second-factor", "audit"):
        answer = client.get(f"{V1}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "password_change_needed"), path
    assert change(client, "another four words so far", current=NEXT).status_code == 204
    assert client.get(SESSION).json()["must_change_password"] is False
    assert client.get(f"{V1}/cameras").status_code == 200


def test_who_has_a_given_password_may_leave(app: Running) -> None:
    accounts(app).set_password(NewPassword.model_validate({"username": "operator", "password": NEXT}))
    client = enter(app, password=NEXT)
    assert client.delete(SESSION).status_code == 204
    assert client.get(SESSION).status_code == 401


def test_ones_sessions_are_seen_and_ended(app: Running, audited: Audited) -> None:
    desk, phone, hall = (enter(app, agent) for agent in ("desk", "phone\x7f", "hall"))
    assert desk.get(SESSION).json()["other_sessions"] == 2
    listed = desk.get(f"{ACCOUNT}/sessions").json()
    assert [(each["agent"], each["is_this_one"]) for each in listed] == [
        ("hall", False),
        ("phone", False),
        ("desk", True),
    ]
    assert desk.delete(f"{ACCOUNT}/sessions/{listed[1]['id']}").status_code == 204
    assert (phone.get(SESSION).status_code, hall.get(SESSION).status_code) == (401, 200)
    assert desk.delete(f"{ACCOUNT}/sessions").status_code == 204
    assert (hall.get(SESSION).status_code, desk.get(SESSION).status_code) == (401, 200)
    assert [row["details"]["ended"] for row in audited("sessions_ended")] == [1, 1]


def test_nobody_ends_anothers_session(app: Running) -> None:
    theirs = app.dpo.get(f"{ACCOUNT}/sessions").json()[0]["id"]
    assert app.operator.delete(f"{ACCOUNT}/sessions/{theirs}").status_code == 404
    assert app.dpo.get(SESSION).status_code == 200


def test_a_person_has_a_few_sessions_at_most(place: Any, app: Running) -> None:
    first = enter(app)
    place.clock.advance(60)
    others = [enter(app) for _ in range(5)]
    assert first.get(SESSION).status_code == 200
    place.clock.advance(60)
    others.append(enter(app))
    assert first.get(SESSION).status_code == 401
    assert {each.get(SESSION).status_code for each in others} == {200}


@pytest.fixture
def secret(app: Running) -> str:
    """Of the operator's second factor, which is set."""
    return set_up(app)[0]


def set_up(app: Running) -> tuple[str, list[str]]:
    client = enter(app)
    pending = client.post(f"{ACCOUNT}/second-factor", json={"password": PASSWORD}).json()
    code = pyotp.TOTP(pending["secret"]).at(app.services.clock.now())
    confirmed = client.put(f"{ACCOUNT}/second-factor", json={"pending": pending["pending"], "code": code})
    assert confirmed.status_code == 200, confirmed.text
    return pending["secret"], confirmed.json()["codes"]


def code_of(app: Running, secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(app.services.clock.now() + timedelta(seconds=30 * steps))


def test_a_second_factor_is_asked_for(place: Any, app: Running, secret: str) -> None:
    place.clock.advance(30)
    asked = sign_in(visit(app))
    assert (asked.status_code, asked.json()["code"]) == (401, "second_factor_needed")
    wrong = sign_in(visit(app), code="000000")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "sign_in_failed")
    assert sign_in(visit(app), "a wrong guess", code=code_of(app, secret)).json()["code"] == "sign_in_failed"
    assert sign_in(visit(app), code=code_of(app, secret)).status_code == 200


def test_a_code_is_taken_once(place: Any, app: Running, secret: str) -> None:
    assert sign_in(visit(app), code=code_of(app, secret)).status_code == 401  # it set the factor up
    place.clock.advance(30)
    code = code_of(app, secret)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: sign_in(visit(app), code=code).status_code, range(4)))
    assert sorted(answers) == [200, 401, 401, 401]
    place.clock.advance(300)
    assert sign_in(visit(app), code=code).status_code == 401


def test_codes_are_not_guessed(place: Any, app: Running, secret: str) -> None:
    place.clock.advance(30)
    for guess in range(5):
        assert sign_in(visit(app), code=f"{guess:06d}").status_code == 401
    assert sign_in(visit(app), code=code_of(app, secret)).status_code == 429


def test_a_recovery_code_opens_once(app: Running) -> None:
    _, codes = set_up(app)
    assert len(codes) == 10
    client = enter(app, code=codes[3].upper())
    assert client.get(f"{ACCOUNT}/second-factor").json() == {"is_set": True, "recovery_codes": 9}
    assert sign_in(visit(app), code=codes[3]).status_code == 401
    enter(app, code=codes[4])


def test_the_database_tells_no_code(app: Running) -> None:
    secret, codes = set_up(app)
    with app.services.database.read(SYSTEM) as session:
        kept = str(session.execute(text("SELECT * FROM users")).all())
        kept += str(session.execute(text("SELECT * FROM recovery_codes")).all())
    assert not [each for each in (secret, *codes) if each in kept or each.replace("-", "") in kept]


def test_taking_it_away_needs_password_and_code(place: Any, app: Running, secret: str, audited: Audited) -> None:
    place.clock.advance(30)
    client, other = enter(app, code=code_of(app, secret)), enter(app, code=code_of(app, secret, 1))
    place.clock.advance(60)
    path, code = f"{ACCOUNT}/second-factor/removal", code_of(app, secret)
    assert client.post(path, json={"password": "a wrong guess", "code": code}).json()["code"] == "wrong_password"
    assert client.post(path, json={"password": PASSWORD, "code": "000000"}).json()["code"] == "second_factor_wrong"
    assert client.post(path, json={"password": PASSWORD, "code": code}).status_code == 204
    assert other.get(SESSION).status_code == 401
    assert sign_in(visit(app)).status_code == 200
    assert len(audited("second_factor_set", "second_factor_removed")) == 2


def test_setting_it_up_needs_the_password_and_a_right_code(app: Running) -> None:
    client, path = enter(app), f"{ACCOUNT}/second-factor"
    assert client.post(path, json={"password": "a wrong guess"}).json()["code"] == "wrong_password"
    pending = client.post(path, json={"password": PASSWORD}).json()
    assert client.put(path, json={"pending": pending["pending"], "code": "000000"}).json()["code"] == (
        "second_factor_wrong"
    )
    assert client.put(path, json={"pending": "made up", "code": "000000"}).status_code == 403
    theirs = app.dpo.put(path, json={"pending": pending["pending"], "code": code_of(app, pending["secret"])})
    assert theirs.json()["code"] == "second_factor_wrong"
    assert client.get(path).json() == {"is_set": False, "recovery_codes": 0}


def test_a_second_one_is_refused(place: Any, app: Running, secret: str) -> None:
    place.clock.advance(30)
    client = enter(app, code=code_of(app, secret))
    assert client.post(f"{ACCOUNT}/second-factor", json={"password": PASSWORD}).json()["code"] == "invalid"


def test_whoever_lost_it_is_let_in_on_the_machine_itself(app: Running, secret: str) -> None:
    accounts(app).remove_second_factor("operator")
    assert sign_in(visit(app)).status_code == 200


def test_an_account_of_the_release_before_has_a_given_password(app: Running) -> None:
    with app.services.database.write(SYSTEM) as session:
        (user,) = session.scalars(select(UserRow).where(UserRow.username == "operator")).all()
        user.password_given = True
    assert sign_in(visit(app)).json()["must_change_password"] is True


def test_the_trail_is_the_dpos(app: Running) -> None:
    assert app.administrator.get(f"{V1}/audit").status_code == 403
    assert app.operator.get(f"{V1}/audit").status_code == 403
    assert app.dpo.get(f"{V1}/audit").status_code == 200
