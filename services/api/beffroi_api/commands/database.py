"""What the commands of this package share: they need the database and nothing else."""

from __future__ import annotations

import os
import sys

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.process.settings import DatabaseUrl
from beffroi_common.contracts.base import explain


class DatabaseSettings(BaseSettings):
    """The part of the api's settings that its commands need."""

    model_config = SettingsConfigDict(env_prefix="BEFFROI_API_", frozen=True, extra="ignore")

    database_url: DatabaseUrl = "sqlite:///beffroi.sqlite3"


def database_from_environment() -> Database:
    """Open the database named by BEFFROI_API_DATABASE_URL, brought up to date."""
    try:
        database = Database(DatabaseSettings().database_url, pool_size=1)
        migrations.upgrade(database)
    except ValidationError as error:
        sys.exit(f"BEFFROI_API_DATABASE_URL: {explain(error)}")
    except migrations.DatabaseNotReady as error:
        sys.exit(str(error))
    return database


def invoked_by() -> str:
    """Who runs the command, for the audit trail: the account of the operating system, marked as such."""
    name = os.environ.get("SUDO_USER") or os.environ.get("USER") or str(os.getuid())
    return f"{name} (command line)"[:63]
