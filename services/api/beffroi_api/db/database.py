"""The database: SQLite with one writer at a time, or PostgreSQL. The same statements run on both."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from beffroi_api.authz.scope import Scope
from beffroi_api.db.scoping import ScopedSession

BUSY_TIMEOUT_MS = 5000
"""A writer waits so long for another; a write takes milliseconds."""

WAL_RETRY_S = 0.01
"""Switching a new file to a write-ahead log takes about so long."""

AWAY: tuple[type[SQLAlchemyError], ...] = (OperationalError, PoolTimeoutError, InterfaceError)
"""The database does not answer: trying again helps. One that is gone raises the first. While one hangs, requests hold
every connection, and whoever else wants one waits in vain for the pool: the second. A connection that broke under its
user is the third."""


class Database:
    """Hands out short transactions, each for somebody. Made without connecting."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self._engine = _engine(url, pool_size)
        self._writer = self._engine.execution_options(beffroi_writes=True)
        # SQLite's writers poll for their turn, and one that commits and begins again at once wins nearly always: the
        # others would fail. Here they wait for each other.
        self._turn = threading.Lock() if self.is_sqlite else nullcontext()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of our own."""
        return self._engine.dialect.name == "sqlite"

    @property
    def is_there(self) -> bool:
        """Whether there is something to open. SQLite makes a file out of a mistyped address, so this is asked first."""
        file = self._engine.url.database
        return not self.is_sqlite or (file is not None and Path(file).is_file())

    @property
    def address(self) -> str:
        """Where it is, for people: without the password."""
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def read(self, scope: Scope) -> Iterator[ScopedSession]:
        """A transaction that only reads, and sees what is in scope."""
        with Session(self._engine) as session:
            yield ScopedSession(session, scope)

    @contextmanager
    def write(self, scope: Scope) -> Iterator[ScopedSession]:
        """A transaction that is committed at the end, or undone by an exception. On SQLite one at a time.

        It sees and changes what is in scope.
        """
        with self._turn, Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield ScopedSession(session, scope)

    @contextmanager
    def for_migrations(self, *, writes: bool) -> Iterator[Connection]:
        """A transaction on the tables themselves, which no scope filters. A test sees that nobody else asks for it."""
        with (self._writer if writes else self._engine).begin() as connection:
            yield connection

    def close(self) -> None:
        """Let all connections go."""
        self._engine.dispose()


def _engine(url: str, pool_size: int) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=pool_size, max_overflow=0, pool_pre_ping=True)
    engine = create_engine(url)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.text_factory = _text
    connection.isolation_level = None  # the driver's own idea of when a transaction begins is switched off
    _keep_a_log(connection)
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _text(stored: bytes) -> str:
    # SQLite keeps any bytes as text. The driver would fail where they are none, as if the database were away: whoever
    # wrote one such row would keep everybody from all that are read with it.
    return stored.decode(errors="replace")


def _keep_a_log(connection: sqlite3.Connection) -> None:
    # Of two who open a new file at once SQLite refuses one on the spot, whatever its busy timeout: each holds what the
    # other waits for. A moment later the file is as it should be.
    give_up_s = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_s:
                raise
            time.sleep(WAL_RETRY_S)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: one that first reads and then writes could otherwise fail half-way.
    writes = connection.get_execution_options().get("beffroi_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
