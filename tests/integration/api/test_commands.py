"""What people type."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

from beffroi_api.commands import audit, migrate, users

PASSWORD = "correct horse battery"

Type = Callable[..., str]


@pytest.fixture
def type_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str) -> Type:
    """`type_(main, "add", …, stdin=…)` → what is printed."""
    monkeypatch.setenv("BEFFROI_API_DATABASE_URL", database_url)

    def run(main: Callable[[], None], *words: str, stdin: str = "") -> str:
        monkeypatch.setattr(sys, "argv", ["beffroi", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        main()
        return capsys.readouterr().out

    return run


ADD = ("add", "--username", "Marie", "--display-name", "Marie Durand", "--role", "operator")


def test_people_come_and_go(type_: Type, place: Any) -> None:
    assert "up to date" in type_(migrate.main)
    assert type_(users.main, *ADD, stdin=f"{PASSWORD}\n") == "user marie added as operator\n"
    assert "marie\toperator\tactive\tMarie Durand" in type_(users.main, "list")
    type_(users.main, "disable", "--username", "marie")
    assert "marie\toperator\tdisabled" in type_(users.main, "list")
    type_(users.main, "set-password", "--username", "marie", stdin="another long password\n")
    with place.start() as app:
        sign_in = {"username": "Marie", "password": "another long password"}
        assert app.as_(None).post("/api/v1/session", json=sign_in).status_code == 200
        rows = app.dpo.get("/api/v1/audit").json()["items"]
        assert [row["action"] for row in rows if row["subject"] == "marie"] == [
            "password_set",
            "user_disabled",
            "user_added",
        ]
        assert rows[-1]["user"].endswith("(command line)")
    assert "whole; last hash" in type_(audit.main, "verify")


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (ADD, "short\n", "at least 12 characters"),
        (ADD, "", "at least 12 characters"),
        (("add", "--username", "a b", "--display-name", "A", "--role", "dpo"), f"{PASSWORD}\n", "username"),
        (("disable", "--username", "nobody"), "", "there is no user nobody"),
        (("set-password", "--username", "nobody"), f"{PASSWORD}\n", "add it first"),
    ],
)
def test_what_cannot_be_done_is_said(type_: Type, words: tuple[str, ...], stdin: str, said: str) -> None:
    with pytest.raises(SystemExit, match=said) as refused:
        type_(users.main, *words, stdin=stdin)
    assert stdin.strip() == "" or stdin.strip() not in str(refused.value)


def test_a_name_is_given_once(type_: Type) -> None:
    type_(users.main, *ADD, stdin=f"{PASSWORD}\n")
    with pytest.raises(SystemExit, match="there is a user marie already"):
        type_(users.main, *ADD, stdin=f"{PASSWORD}\n")
