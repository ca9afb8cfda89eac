"""What people type."""

from __future__ import annotations

import io
import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.application import SYSTEM, TRAIL_KEY, eventually

from beffroi_api.bus.heads import published
from beffroi_api.commands import audit, migrate, users
from beffroi_api.db.database import Database
from beffroi_api.db.migrations import DatabaseNotReady
from beffroi_api.modules.audit.chain.seal import Head
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.services import Services
from beffroi_common.runtime.health import Health
from beffroi_common.topics import TRAIL_HEADS

PASSWORD = "correct horse battery"

Type = Callable[..., str]


@pytest.fixture
def type_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str) -> Type:
    """`type_(main, "add", …, stdin=…)` → what is printed."""
    monkeypatch.setenv("BEFFROI_API_DATABASE_URL", database_url)
    monkeypatch.setenv("BEFFROI_API_TRAIL_KEY", TRAIL_KEY)

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
        assert rows[-1]["user"] == f"{pwd.getpwuid(os.getuid()).pw_name} (system user)"
    head = type_(audit.main, "head").splitlines()[-1]
    assert f"whole, through 1 heads; head {head}" in type_(audit.main, "verify", "--head", head)


def test_the_actor_is_whom_the_kernel_knows_and_no_variable(
    type_: Type, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_(migrate.main)
    monkeypatch.setenv("SUDO_USER", "innocent")
    monkeypatch.setenv("USER", "innocent")
    type_(users.main, *ADD, stdin=f"{PASSWORD}\n")
    with place.start() as app:
        actors = {row["user"] for row in app.dpo.get("/api/v1/audit").json()["items"] if row["action"] == "user_added"}
    assert actors == {f"{pwd.getpwuid(os.getuid()).pw_name} (system user)"}


@pytest.fixture
def filled(place: Any, type_: Type) -> list[Head]:
    """A trail of some rows on a database that no api runs on, and the heads that it published."""
    with place.start() as app:
        app.services.trail.record(Entry("tests", "here", Action.STILL_SEEN, camera="gate"))
        eventually(lambda: place.broker.records(TRAIL_HEADS))
        app.services.trail.record(Entry("tests", "here", Action.STILL_SEEN, camera="yard"))
    return list(published(place.around.bus, heads_of(place), place.clock, 30))


def heads_of(place: Any) -> str:
    """Which database the heads on the bus are of."""
    names = {record.key for record in place.broker.records(TRAIL_HEADS)}
    assert len(names) == 1
    return str(names.pop())


def test_verify_asks_the_bus_what_was_published(type_: Type, place: Any, filled: list[Head], database_url: str) -> None:
    def verify() -> None:
        audit.main(lambda: place.around.bus)

    assert f"whole, through {len(filled)} heads" in type_(verify, "verify", "--published")
    database = Database(database_url)
    with database.write(SYSTEM) as session:
        session.execute(text("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)"))
    with pytest.raises(SystemExit, match="cut off or replaced"):
        type_(verify, "verify", "--published")
    with database.write(SYSTEM) as session:
        session.execute(text("UPDATE installation SET database_id = 'aaaaaaaaaaaaaaaa'"))
    with pytest.raises(SystemExit, match="no head of this database was ever published"):
        type_(verify, "verify", "--published")
    database.close()


HEAD = f"3:{'a' * 64}:{'b' * 64}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("verify",), "2"),
        (("verify", "--head", "nonsense"), "2"),
        (("verify", "--head", HEAD), f"does not go through the head {HEAD}"),
    ],
)
def test_a_head_that_is_not_known_is_no_success(
    type_: Type, filled: list[Head], words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit, match=said):
        type_(audit.main, *words)


def test_an_empty_trail_is_not_whole(type_: Type) -> None:
    type_(migrate.main)
    with pytest.raises(SystemExit, match="does not go through the head"):
        type_(audit.main, "verify", "--head", HEAD)
    with pytest.raises(SystemExit, match="it has no head"):
        type_(audit.main, "head")


@pytest.mark.parametrize("key", [None, "", "secret", "0" * 64, "ABCDEF0123456789" * 4])
def test_without_the_key_nothing_is_verified(type_: Type, monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    type_(migrate.main)
    monkeypatch.delenv("BEFFROI_API_TRAIL_KEY")
    if key is not None:
        monkeypatch.setenv("BEFFROI_API_TRAIL_KEY", key)
    for main, words in ((audit.main, ("verify", "--head", HEAD)), (users.main, ("list",))):
        with pytest.raises(SystemExit, match="trail_key: ") as refused:
            type_(main, *words)
        assert not key or key not in str(refused.value)


@pytest.mark.parametrize(
    ("main", "words"),
    [(audit.main, ("verify", "--head", HEAD)), (audit.main, ("head",)), (users.main, ("list",)), (users.main, ADD)],
)
def test_a_mistyped_address_makes_no_database(
    type_: Type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, main: Callable[[], None], words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("BEFFROI_API_DATABASE_URL", f"sqlite:///{tmp_path}/mistyped.sqlite3")
    with pytest.raises(SystemExit, match="there is no database"):
        type_(main, *words, stdin=f"{PASSWORD}\n")
    assert not (tmp_path / "mistyped.sqlite3").exists()


def test_the_api_makes_no_database(place: Any, tmp_path: Path) -> None:
    settings = place.around.settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/mistyped.sqlite3"})
    services = Services(
        settings, place.around.bus, Stores(place.around.stores), place.clock, Health(place.clock, 60), print
    )
    with pytest.raises(DatabaseNotReady, match="there is no database"):
        services.start()
    assert not (tmp_path / "mistyped.sqlite3").exists()


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
    type_(migrate.main)
    with pytest.raises(SystemExit, match=said) as refused:
        type_(users.main, *words, stdin=stdin)
    assert stdin.strip() == "" or stdin.strip() not in str(refused.value)


def test_a_name_is_given_once(type_: Type) -> None:
    type_(migrate.main)
    type_(users.main, *ADD, stdin=f"{PASSWORD}\n")
    with pytest.raises(SystemExit, match="there is a user marie already"):
        type_(users.main, *ADD, stdin=f"{PASSWORD}\n")
