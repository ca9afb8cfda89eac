"""What the commands of this package share: they need the database, and the key of the trail where they add to it."""

from __future__ import annotations

import os
import pwd
import sys
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.modules.audit.chain.seal import Seal
from beffroi_api.modules.audit.service import Trail
from beffroi_api.process.settings import DatabaseUrl, Key, key_bytes
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


Settings = TypeVar("Settings", bound=BaseSettings)


def load(model: type[Settings]) -> Settings:
    """Settings out of the environment; ends the process with a sentence where one is missing or wrong."""
    try:
        return model()
    except ValidationError as error:
        sys.exit(f"{PREFIX}*: {explain(error)}")


def open_database(url: str) -> Database:
    """The database at `url`, which must be there and of this version; ends the process with a sentence where not."""
    database = Database(url, pool_size=1)
    try:
        migrations.check(database)
    except migrations.DatabaseNotReady as error:
        sys.exit(str(error))
    return database


def open_trail() -> tuple[Database, Trail]:
    """The database named by the environment, and its trail."""
    settings = load(TrailSettings)
    database = open_database(settings.database_url)
    return database, Trail(database, SystemClock(), Seal(key_bytes(settings.trail_key)))


def invoked_by() -> str:
    """Who runs the command, for the audit trail: the account of the operating system as its kernel knows it, and marked
    as such. What variables say anybody can set."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # in a container the number may have no name
        name = f"uid {number}"
    return f"{name[:40]} (system user)"
