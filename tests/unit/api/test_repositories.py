"""The seam: no repository without a scope, and few places that act for nobody in particular."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import beffroi_api

ROOT = Path(beffroi_api.__file__).parent
SCOPED = "ScopedSession"

SESSION_OWNERS = {"db/database.py", "db/scoping.py"}
"""Who may touch SQLAlchemy's own session."""

FOR_THE_SYSTEM = {
    "bus/reconciliation.py",  # the bus has one version of each camera
    "db/installation.py",  # the identity of the database
    "db/leases.py",  # one process works for all
    "db/scoping.py",  # `unfiltered`, whose uses are listed below
    "modules/alerts/service.py",  # intake of alerts, and forgetting them
    "live/services.py",  # what is in memory is filtered there
    "modules/audit/service.py",  # the chain of the trail
    "modules/cameras/service.py",  # news, filtered by whoever receives them
    "modules/events/news/follower.py",  # news, filtered by whoever receives them
    "modules/recordings/service.py",  # intake of the index
    "modules/session/attempts/throttle.py",  # before anybody is known
    "modules/session/service.py",  # before anybody is known
    "modules/users/service.py",  # commands on the machine itself
    "services.py",  # names of alerts that were found in scope
}
"""Where `Scope.system` may be used, and what for. Endpoints are not among them."""

UNFILTERED = {
    "modules/audit/repository.py",  # the end of the chain
    "modules/cameras/service.py",  # ids and slots are shared
}
"""Where a person's transaction may look beyond their scope."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(ROOT.rglob("*.py")):
        if "migrations" not in file.parts:
            yield str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))


def repositories() -> list[str]:
    return [path for path, _ in sources() if path.endswith("/repository.py")]


def faults_of_repository(tree: ast.Module) -> list[str]:
    """What a repository may not do: a public function that neither takes a scoped session first nor only a row of one
    that was found, its own session, or rows by way of tables and text, which no condition reaches."""
    faults = [
        f"{function.name} takes no {SCOPED}"
        for function in tree.body
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and not function.name.startswith("_")
        and _asks_the_database(function)
        and not _takes_scoped_session(function)
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sqlalchemy"):
            faults += [f"imports {each.name}" for each in node.names if each.name in {"Session", "text", "Table"}]
        if isinstance(node, ast.Attribute) and node.attr in {"__table__", "engine", "_session"}:
            faults.append(f"reads {node.attr}")
    return faults


def _takes_scoped_session(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first = function.args.args[:1]
    return bool(first) and isinstance(first[0].annotation, ast.Name) and first[0].annotation.id == SCOPED


def _asks_the_database(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is given something to ask with, or builds a statement."""
    given = [each.annotation for each in (*function.args.args, *function.args.kwonlyargs) if each.annotation]
    sessions = {each.id for each in given if isinstance(each, ast.Name) and each.id.endswith(("Session", "Database"))}
    calls = {
        node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return bool(sessions) or bool(calls & {"select", "update", "delete", "insert"})


def uses(name: str) -> set[str]:
    """Files that call a method of this name."""
    return {
        path
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name
    }


@pytest.mark.parametrize("path", repositories())
def test_a_repository_takes_a_scope(path: str) -> None:
    assert faults_of_repository(ast.parse((ROOT / path).read_text(encoding="utf-8"))) == []


BAD = {
    "from sqlalchemy.orm import Session\ndef every(session: Session): return session.scalars(select(AlertRow))": [
        "every takes no ScopedSession",
        "imports Session",
    ],
    "def every(database: Database): return database.engine": ["every takes no ScopedSession", "reads engine"],
    "def every(camera: str, session: ScopedSession): return select(AlertRow)": ["every takes no ScopedSession"],
    "def every(): return select(AlertRow)": ["every takes no ScopedSession"],
    "def every(session: ScopedSession): return select(AlertRow.__table__)": ["reads __table__"],
    "from sqlalchemy import text": ["imports text"],
    "def every(session: ScopedSession): return session._session": ["reads _session"],
    "def every(session: ScopedSession): return session.scalars(select(AlertRow))": [],
    "def write(row: CameraRow, camera: Camera): row.version = camera.version": [],
}


@pytest.mark.parametrize(("source", "faults"), BAD.items())
def test_one_without_is_refused(source: str, faults: list[str]) -> None:
    assert faults_of_repository(ast.parse(source)) == faults


def test_only_the_database_makes_sessions() -> None:
    owners = {
        path
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and node.module in {"sqlalchemy.orm", "sqlalchemy.orm.session"}
        and {each.name for each in node.names} & {"Session", "sessionmaker", "scoped_session"}
    }
    assert owners == SESSION_OWNERS


def test_only_the_conditions_name_tables_which_no_condition_reaches() -> None:
    attributes = (
        (path, node) for path, tree in sources() for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    )
    assert {path for path, node in attributes if node.attr in {"__table__", "tables"}} == {"db/scoping.py"}


def test_few_act_for_the_system() -> None:
    assert uses("system") == FOR_THE_SYSTEM
    assert uses("unfiltered") == UNFILTERED
