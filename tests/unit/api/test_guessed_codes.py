"""Whoever sits at an open console and knows the password does not guess the code of the second factor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.application import SEAL

from beffroi_api.authz.roles import Identity, Role
from beffroi_api.authz.scope import Scope
from beffroi_api.authz.territory import EVERYWHERE
from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.errors import SecondFactorWrong, Throttled
from beffroi_api.modules.account.service import Account
from beffroi_api.modules.audit.service import Trail
from beffroi_api.modules.session import repository as sessions
from beffroi_api.modules.session.attempts.refusals import Refusals
from beffroi_api.modules.session.attempts.throttle import Throttle
from beffroi_api.modules.users import repository as users
from beffroi_api.modules.users.credentials.passwords import Passwords
from beffroi_api.modules.users.second_factor.check import SecondFactors
from beffroi_api.modules.users.second_factor.codes import Safe, new_secret
from beffroi_api.process.settings import SessionSettings
from beffroi_testing import ManualClock

SYSTEM = Scope.system("a test")
MARIE = Identity("marie", "Marie", Role.OPERATOR, "fr", 1, "192.0.2.1", EVERYWHERE)
FIRST, SECOND = "four words that differ", "another four of them all"
SETTINGS = SessionSettings()


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    clock, database = ManualClock(), Database(f"sqlite:///{tmp_path}/api.sqlite3")
    migrations.upgrade(database)
    passwords, safe = Passwords(1), Safe(b"k" * 32)
    with database.write(SYSTEM) as session:
        users.add(
            session,
            username=MARIE.username,
            display_name=MARIE.display_name,
            role=MARIE.role.value,
            language=MARIE.language,
            password_hash=passwords.hash(FIRST),
            password_given=False,
            at=clock.now(),
        )
        found = users.by_name(session, MARIE.username)
        assert found is not None
        found.second_factor = safe.closed(new_secret())
        sessions.add(session, token_hash="0" * 64, user_id=found.id, address=MARIE.address, agent="", at=clock.now())
    throttle, trail = Throttle(database, clock, SETTINGS), Trail(database, clock, SEAL)
    refusals = Refusals(database, trail, clock, SETTINGS.throttle_window_s)
    yield Account(database, trail, passwords, clock, throttle, SecondFactors(safe, clock), refusals)
    database.close()


def guess(account: Account, password: str) -> None:
    with pytest.raises(SecondFactorWrong):
        account.remove_second_factor(MARIE, password, "a wrong code")


def test_choosing_another_password_forgives_no_wrong_code(account: Account) -> None:
    for _ in range(SETTINGS.failures_per_account_and_address - 1):
        guess(account, FIRST)
    account.change_password(MARIE, FIRST, SECOND)
    with pytest.raises(Throttled):
        account.remove_second_factor(MARIE, SECOND, "a wrong code")


def test_without_a_second_factor_the_right_password_forgives_wrong_ones(account: Account) -> None:
    with account.database.write(SYSTEM) as session:
        found = users.by_name(session, MARIE.username)
        assert found is not None
        users.forget_second_factor(found)
    now, then = FIRST, SECOND
    for _ in range(SETTINGS.failures_per_account_and_address + 1):
        account.change_password(MARIE, now, then)
        now, then = then, now
