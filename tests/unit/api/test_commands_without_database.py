"""A database that is away, or goes away half-way, is a sentence to whoever types a command, and no traceback."""

from __future__ import annotations

import importlib
import io
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from tests.application import PASSWORD, SECOND_FACTOR_KEY, TRAIL_KEY

from beffroi_api import commands
from beffroi_api.commands import migrate
from beffroi_api.db.database import Database

ADD = ("add", "--username", "marie", "--display-name", "Marie", "--role", "operator")
NAMED = ("--username", "marie")
TYPED = [
    ("users", *ADD),
    ("users", "set-password", *NAMED),
    ("users", "disable", *NAMED),
    ("users", "remove-second-factor", *NAMED),
    ("users", "list"),
    ("audit", "verify", "--head", f"1:{'0' * 64}:{'0' * 64}"),
    ("audit", "head"),
    ("audit", "seal", "--rows", "1", "--last-hash", "0" * 64),
    ("audit", "rotate"),
    ("index", "rebuild"),
    ("migrate",),
]
WITHOUT = {"database", "openapi"}
"""No commands, or none that needs a database."""

GONE = Exception("server closed the connection unexpectedly\n\tThis probably means that the server terminated.")
LOST = [OperationalError("SELECT 1", {}, GONE), InterfaceError("SELECT 1", {}, GONE), PoolTimeoutError("no connection")]


@pytest.fixture(autouse=True)
def typing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BEFFROI_API_DATABASE_URL", f"sqlite:///{tmp_path / 'api.sqlite3'}")
    monkeypatch.setenv("BEFFROI_API_TRAIL_KEY", TRAIL_KEY)
    monkeypatch.setenv("BEFFROI_API_TRAIL_FORMER_KEYS", f'["{SECOND_FACTOR_KEY}"]')
    for name, value in (("ENDPOINT", "127.0.0.1:9"), ("ACCESS_KEY", "key"), ("SECRET_KEY", "secret")):
        monkeypatch.setenv(f"BEFFROI_API_STORES__RECORDINGS__{name}", value)
    monkeypatch.setattr(sys, "argv", ["migrate"])
    migrate.main()


def lose(monkeypatch: pytest.MonkeyPatch, error: Exception, *ways: str) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise error

    for way in ways:
        monkeypatch.setattr(Database, way, gone)


def type_(monkeypatch: pytest.MonkeyPatch, command: str, *words: str) -> object:
    """What the process ends with."""
    monkeypatch.setattr(sys, "argv", [command, *words])
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
    main: Callable[[], None] = importlib.import_module(f"{commands.__name__}.{command}").main
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.parametrize("typed", TYPED, ids=" ".join)
def test_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...]) -> None:
    lose(monkeypatch, LOST[0], "for_migrations")
    said = type_(monkeypatch, *typed)
    assert isinstance(said, str)
    assert "server closed the connection unexpectedly" in said
    assert "\n" not in said


@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("typed", [typed for typed in TYPED if typed != ("migrate",)], ids=" ".join)
def test_a_database_that_goes_away_half_way(
    monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...], error: Exception
) -> None:
    lose(monkeypatch, error, "read", "write")
    said = type_(monkeypatch, *typed)
    assert isinstance(said, str)
    assert said.startswith(f"{typed[0]}: the database sqlite")
    assert "\n" not in said


def test_no_command_is_left_out() -> None:
    named = {each.name for each in pkgutil.iter_modules(commands.__path__)}
    assert {typed[0] for typed in TYPED} == named - WITHOUT
