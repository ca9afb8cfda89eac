"""The seam: no repository without a scope, and few places that act for nobody in particular."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import beffroi_api

ROOT = Path(beffroi_api.__file__).parent
SCOPED = "ScopedSession"

BUILDING = frozenset({"select", "update", "delete", "or_", "func", "ColumnElement", "InstrumentedAttribute"})
ERRORS = frozenset({"DataError", "IntegrityError"})
"""What anybody may take from SQLAlchemy: enough to build statements that a `ScopedSession` filters."""

IN_DB = {
    "db/database.py": {"Connection", "Engine", "create_engine", "Session"},
    "db/leases.py": {"text"},  # of a table without cameras, by the database's clock
    "db/migrations/__init__.py": {"Connection", "text"},
    "db/scoping.py": {"Session", "text"},
}
"""Who may take from SQLAlchemy what asks the database without a scope: no condition reaches a text."""

UNSCOPED = frozenset(
    {"Connection", "Engine", "Session", "Table", "create_engine", "literal_column", "sessionmaker", "text"}
)
DRIVERS = {"sqlite3": {"db/database.py"}, "psycopg": set[str](), "alembic": {"db/migrations/__init__.py"}}
"""Who may import what speaks with a database past SQLAlchemy."""

PRIVATE = {
    "_engine": {"db/database.py"},
    "_writer": {"db/database.py"},
    "_session": {"db/scoping.py"},
    "engine": set[str](),
    "get_bind": {"db/scoping.py"},
    "__table__": {"db/scoping.py"},
    "tables": {"db/scoping.py"},
}
"""Attributes that lead around the scope, and the files that may read them. Tables: no condition reaches them."""

FOR_THE_SYSTEM = {
    "bus/positions.py",  # how far the bus was read, for all cameras
    "bus/reconciliation.py",  # the bus has one version of each camera
    "db/installation.py",  # the identity of the database
    "db/leases.py",  # one process works for all
    "db/scoping.py",  # `unfiltered`, whose uses are listed below
    "modules/alerts/service.py",  # intake of alerts, and forgetting them
    "process/services.py",  # what is in memory is filtered there
    "modules/audit/service.py",  # the chain of the trail
    "modules/cameras/service.py",  # news, filtered by whoever receives them
    "modules/live/looks/open_views.py",  # views of a process that is gone
    "news/follower.py",  # news, filtered by whoever receives them
    "modules/recordings/looks/served_ranges.py",  # into the one trail
    "modules/recordings/reindexing/comparison.py",  # the index has what the stores hold
    "modules/recordings/service.py",  # intake of the index
    "modules/session/attempts/refusals.py",  # before anybody is known
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
        if "versions" not in file.parts and file.name != "env.py":  # what alembic executes, within `for_migrations`
            yield str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))


def repositories() -> list[str]:
    return [path for path, _ in sources() if path.endswith("/repository.py")]


def faults_of_repository(tree: ast.Module) -> list[str]:
    """What a repository may not do: a public function that neither takes a scoped session first nor only a row of one
    that was found."""
    return [
        f"{function.name} takes no {SCOPED}"
        for function in tree.body
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and not function.name.startswith("_")
        and _asks_the_database(function)
        and not _takes_scoped_session(function)
    ]


def ways_around(path: str, tree: ast.Module) -> list[str]:
    """What no file of the package may do but those named above: ask the database past a scoped session."""
    faults = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            faults += [f"imports {name}" for name in _imported(node) if not _may_import(path, name)]
        if isinstance(node, ast.Attribute) and path not in PRIVATE.get(node.attr, {path}):
            faults.append(f"reads {node.attr}")
    return faults


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Full names."""
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    return [f"{node.module}.{each.name}" for each in node.names] if node.module else []


def _may_import(path: str, name: str) -> bool:
    package, last = name.partition(".")[0], name.rpartition(".")[2]
    if package in DRIVERS:
        return path in DRIVERS[package]
    if package != "sqlalchemy":
        return True
    if path.startswith("db/"):
        return last not in UNSCOPED or last in IN_DB.get(path, ())
    return last in BUILDING | ERRORS


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
    "def every(session: Session): return session.scalars(select(AlertRow))": ["every takes no ScopedSession"],
    "def every(database: Database): return database": ["every takes no ScopedSession"],
    "def every(camera: str, session: ScopedSession): return select(AlertRow)": ["every takes no ScopedSession"],
    "def every(): return select(AlertRow)": ["every takes no ScopedSession"],
    "def every(session: ScopedSession): return session.scalars(select(AlertRow))": [],
    "def write(row: CameraRow, camera: Camera): row.version = camera.version": [],
}


@pytest.mark.parametrize(("source", "faults"), BAD.items())
def test_one_without_is_refused(source: str, faults: list[str]) -> None:
    assert faults_of_repository(ast.parse(source)) == faults


@pytest.mark.parametrize(("path", "tree"), [pytest.param(path, tree, id=path) for path, tree in sources()])
def test_nobody_goes_around_the_scope(path: str, tree: ast.Module) -> None:
    assert ways_around(path, tree) == []


AROUND = {
    "from sqlalchemy import text": ["imports sqlalchemy.text"],
    "from sqlalchemy.sql import text as words": ["imports sqlalchemy.sql.text"],
    "import sqlalchemy as sa": ["imports sqlalchemy"],
    "from sqlalchemy.orm import Session": ["imports sqlalchemy.orm.Session"],
    "import sqlite3": ["imports sqlite3"],
    "from alembic import op": ["imports alembic.op"],
    "database.engine.connect()": ["reads engine"],
    "self._database._engine.connect()": ["reads _engine"],
    "session._session.execute(statement)": ["reads _session"],
    "select(AlertRow.__table__)": ["reads __table__"],
    "select(Base.metadata.tables['alerts'])": ["reads tables"],
    "from sqlalchemy import func, select": [],
    "from sqlalchemy.exc import IntegrityError": [],
}


@pytest.mark.parametrize(("source", "faults"), AROUND.items())
def test_each_way_around_is_refused(source: str, faults: list[str]) -> None:
    assert ways_around("modules/alerts/service.py", ast.parse(source)) == faults


def test_who_may_go_around_does() -> None:
    """A file that needs it no longer is taken off the lists."""
    found = {path: ways_around("", tree) for path, tree in sources()}
    allowed = [(path, name, "imports") for path, names in IN_DB.items() for name in names]
    allowed += [(path, name, "imports") for name, paths in DRIVERS.items() for path in paths]
    allowed += [(path, name, "reads") for name, paths in PRIVATE.items() for path in paths if name != "tables"]
    for path, name, how in allowed:
        assert any(fault.startswith(how) and name in fault for fault in found[path]), (path, name)


def test_only_migrations_see_the_tables_themselves() -> None:
    assert uses("for_migrations") == {"db/migrations/__init__.py"}


def test_few_act_for_the_system() -> None:
    assert uses("system") == FOR_THE_SYSTEM
    assert uses("unfiltered") == UNFILTERED
