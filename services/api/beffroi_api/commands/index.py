"""`python -m beffroi_api.commands.index rebuild`: fill the index with all that the stores and the bus still have.

What the stores hold is added now. What the bus says is read again from its beginning by the api, also by one that runs:
within seconds it finds that nothing of the bus counts as read. Doing it twice changes nothing.
"""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from beffroi_api.bus import positions
from beffroi_api.commands.database import DatabaseSettings, load, open_database
from beffroi_api.db.database import Database
from beffroi_api.modules.recordings.reindexing.comparison import Compared, Reindexing
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_common.contracts import StoreName
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.settings import StoreSettings
from beffroi_common.store import StoreDenied, StoreUnavailable
from beffroi_common.store.minio import MinioStore


class IndexSettings(DatabaseSettings):
    """The part of the api's settings that the index needs."""

    model_config = SettingsConfigDict(env_nested_delimiter="__")

    stores: Annotated[dict[StoreName, StoreSettings], Field(min_length=1)]
    retention_days: int = Field(default=14, ge=1, le=30)


def main() -> None:
    """Print what was found; end with status 1 where a store cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m beffroi_api.commands.index", description=__doc__)
    parser.add_argument("command", choices=["rebuild"])
    parser.parse_args()
    settings = load(IndexSettings)
    with open_database("index", settings.database_url) as database:
        stores = Stores(MinioStore(name, each) for name, each in settings.stores.items())
        try:
            compared = rebuild(database, stores, timedelta(days=settings.retention_days))
        except (StoreUnavailable, StoreDenied) as reason:
            sys.exit(f"index: {reason}")
    print(f"index: {compared.objects} recordings in the stores, {compared.added} of them were not in the index")
    print("index: the api reads the bus from its beginning again")


def rebuild(database: Database, stores: Stores, retention: timedelta) -> Compared:
    """Add what the stores hold, and have the bus read again.

    Raises:
        StoreUnavailable: a store does not answer; do it again.
        StoreDenied: a store refuses our key.
    """
    with database.write(positions.SCOPE) as session:
        positions.forget_all(session)
    *_, compared = Reindexing(database, stores, SystemClock(), retention, lambda: None).pieces()
    return compared


if __name__ == "__main__":
    main()
