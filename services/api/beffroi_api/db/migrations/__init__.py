"""How the tables came to be: one file a change in `versions`, applied in order. Doing it twice changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from beffroi_api.db.database import Database
from beffroi_api.db.locks import AdvisoryLock


class DatabaseNotReady(Exception):  # noqa: N818 - a state of the database
    """The database is away, or not of this version."""


def upgrade(database: Database) -> None:
    """Apply what is missing.

    Raises:
        DatabaseNotReady: it cannot be reached.
    """
    try:
        with database.for_migrations(writes=True) as connection:
            if not database.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": AdvisoryLock.MIGRATION.value})
            command.upgrade(_config(connection), "head")
    except (DBAPIError, ArgumentError, SQLAlchemyError) as error:
        raise DatabaseNotReady(_away(database, error)) from None


def check(database: Database) -> None:
    """See that the database is of this version.

    Raises:
        DatabaseNotReady: it is not, or cannot be reached, or is not there.
    """
    if not database.is_there:
        raise DatabaseNotReady(
            f"there is no database {database.address}: check the setting DATABASE_URL, or make it with "
            "`python -m beffroi_api.commands.migrate`"
        )
    try:
        with database.for_migrations(writes=False) as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            wanted = ScriptDirectory.from_config(_config(connection)).get_current_head()
    except SQLAlchemyError as error:
        raise DatabaseNotReady(_away(database, error)) from None
    if found != wanted:
        raise DatabaseNotReady(
            f"the database is at revision {found}, this release needs {wanted}: "
            "run `python -m beffroi_api.commands.migrate` first"
        )


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _away(database: Database, error: Any) -> str:
    # The driver's text may hold the address but never the password; the url is shown without it too.
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    where = database.address
    return f"database {where} cannot be used ({reason}): check the setting DATABASE_URL and that the server runs"
