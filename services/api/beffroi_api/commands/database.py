"""What the commands of this package share: they need the database, and the key of the trail where they add to it."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from beffroi_api.db import migrations
from beffroi_api.db.database import AWAY, Database
from beffroi_api.modules.audit.service import Trail, TrailKeyError
from beffroi_api.process.settings import DatabaseUrl, Key, seal_of
from beffroi_common.contracts.base import explain
from beffroi_common.runtime.clock import SystemClock

PREFIX = "BEFFROI_API_"


class DatabaseSettings(BaseSettings):
    """The part of the api's settings that its commands need."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    database_url: DatabaseUrl = "sqlite:///beffroi.sqlite3"


class TrailSettings(DatabaseSettings):
    """What a command needs that reads the trail or adds to it."""

    trail_key: Key
    trail_former_keys: tuple[Key, ...] = ()


Settings = TypeVar("Settings", bound=BaseSettings)


def load(model: type[Settings]) -> Settings:
    """Settings out of the environment; ends the process with a sentence where one is missing or wrong."""
    try:
        return model()
    except ValidationError as error:
        sys.exit(f"{PREFIX}*: {explain(error)}")


@contextmanager
def open_database(command: str, url: str) -> Iterator[Database]:
    """The database at `url`, which must be there and of this version.

    Ends the process with a sentence and status 1 where it is not, or where it goes away while the command runs: what
    was begun is undone then.
    """
    database = Database(url, pool_size=1)
    try:
        migrations.check(database)
        yield database
    except migrations.DatabaseNotReady as error:
        sys.exit(f"{command}: {error}")
    except TrailKeyError as error:
        sys.exit(f"{command}: {error}")
    except AWAY as error:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        sys.exit(
            f"{command}: the database {database.address} does not answer any more ({reason}): nothing more was done; "
            "see that it runs, and type the command again"
        )
    finally:
        database.close()


@contextmanager
def open_trail(command: str) -> Iterator[tuple[Database, Trail]]:
    """The database named by the environment, and its trail; see `open_database`."""
    settings = load(TrailSettings)
    with open_database(command, settings.database_url) as database:
        yield database, Trail(database, SystemClock(), seal_of(settings.trail_key, settings.trail_former_keys))


def invoked_by() -> str:
    """Who runs the command, for the audit trail: the account of the operating system as its kernel knows it, and marked
    as such. What variables say anybody can set."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # in a container the number may have no name
        name = f"uid {number}"
    return f"{name[:40]} (system user)"
