"""`python -m beffroi_api.commands.migrate`: bring the database up to date. Doing it twice changes nothing.

The only command that makes a database.
"""

from __future__ import annotations

import sys

from beffroi_api.commands.database import DatabaseSettings, load
from beffroi_api.db import migrations
from beffroi_api.db.database import Database


def main() -> None:
    """Bring the database named by BEFFROI_API_DATABASE_URL up to date."""
    database = Database(load(DatabaseSettings).database_url, pool_size=1)
    try:
        migrations.upgrade(database)
    except migrations.DatabaseNotReady as error:
        sys.exit(str(error))
    print(f"database {database.address}: up to date")
    database.close()


if __name__ == "__main__":
    main()
