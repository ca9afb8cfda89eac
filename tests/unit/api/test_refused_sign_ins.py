"""Every step at which somebody is refused is in the trail, and nobody fills the trail with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.application import PASSWORD, SYSTEM, Running, in_memory, running

from beffroi_api.authz.roles import Role
from beffroi_api.db.tables import AuditTableRow
from beffroi_api.errors import SecondFactorNeeded, SecondFactorWrong, SignInFailed, Throttled
from beffroi_api.modules.session.schemas import SignIn
from beffroi_api.modules.users import repository as users
from beffroi_api.modules.users.second_factor.codes import Safe, new_secret
from beffroi_api.process.settings import key_bytes

HERE, THERE = "192.0.2.1", "2001:db8::1"
GUESS = "a wrong guess"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Running]:
    around, *_ = in_memory(tmp_path)
    with running(around) as started:
        yield started


def with_second_factor(app: Running) -> None:
    with app.services.database.write(SYSTEM) as session:
        found = users.by_name(session, Role.OPERATOR.value)
        assert found is not None
        found.second_factor = Safe(key_bytes(app.services.settings.second_factor_key)).closed(new_secret())


def attempt(app: Running, user: str, password: str, code: str | None = None, address: str = HERE) -> None:
    given = SignIn.model_validate({"username": user, "password": password, "code": code})
    app.services.sessions.sign_in(given, address)


def written(app: Running) -> list[tuple[str, str, str | None]]:
    with app.services.database.read(SYSTEM) as session:
        rows = session.scalars(select(AuditTableRow).order_by(AuditTableRow.id)).all()
    return [(row.user, row.action, row.details.get("step")) for row in rows]


def test_each_step_at_which_a_sign_in_is_refused_is_written_down(app: Running) -> None:
    with_second_factor(app)
    with pytest.raises(SignInFailed):
        attempt(app, "operator", GUESS)
    with pytest.raises(SecondFactorNeeded):
        attempt(app, "operator", PASSWORD)
    for code in ("000000", GUESS):
        with pytest.raises(SignInFailed):
            attempt(app, "operator", PASSWORD, code)
    with pytest.raises(SignInFailed):
        attempt(app, PASSWORD, "operator")  # typed into the wrong field
    for _ in range(3):
        with pytest.raises((Throttled, SignInFailed)):
            attempt(app, "operator", GUESS)
    assert written(app) == [
        ("operator", "sign_in_failed", "password"),
        ("operator", "second_factor_asked", None),
        ("operator", "sign_in_failed", "code"),
        ("operator", "sign_in_failed", "code"),
        ("(unknown)", "sign_in_failed", "password"),
        ("operator", "sign_in_failed", "password"),
        ("operator", "sign_in_failed", "throttled"),
    ]


def test_a_flood_of_refused_attempts_is_a_row_each_while(app: Running) -> None:
    settings = app.services.settings.session
    for number in range(settings.failures_per_address + 100):
        with pytest.raises((SignInFailed, Throttled)):
            attempt(app, f"nobody-{number}", GUESS, address=f"2001:db8::{number:x}")
    throttled = ("(unknown)", "sign_in_failed", "throttled")
    assert written(app) == [("(unknown)", "sign_in_failed", "password")] * settings.failures_per_address + [throttled]
    with pytest.raises(Throttled):
        attempt(app, "operator", GUESS, address=THERE)
    assert written(app)[-1] == ("operator", "sign_in_failed", "throttled")


def test_a_wrong_code_of_who_is_signed_in_is_written_down(app: Running) -> None:
    _, who = app.services.sessions.sign_in(SignIn.model_validate({"username": "operator", "password": PASSWORD}), HERE)
    with pytest.raises(SecondFactorWrong):
        app.services.account.confirm_second_factor(who, "made up", "000000")
    with_second_factor(app)
    with pytest.raises(SecondFactorWrong):
        app.services.account.remove_second_factor(who, PASSWORD, "000000")
    for _ in range(app.services.settings.session.failures_per_account_and_address):
        with pytest.raises((SecondFactorWrong, Throttled)):
            app.services.account.confirm_second_factor(who, "made up", "000000")
    refused = [row for row in written(app) if row[1] != "signed_in"]
    assert refused[:2] == [("operator", "second_factor_wrong", None)] * 2
    assert refused[-1] == ("operator", "sign_in_failed", "throttled")
    assert [row[1] for row in refused].count("second_factor_wrong") == (
        app.services.settings.session.failures_per_account_and_address
    )
