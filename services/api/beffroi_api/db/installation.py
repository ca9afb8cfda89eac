"""The identity of this database.

It is part of the consumer group's name: processes on one database share out alerts and recordings, and those on another
read all of them too. How far each database has read is in itself (`bus.positions`).
"""

from __future__ import annotations

import secrets

from sqlalchemy import select

from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.tables import InstallationRow


def database_id(database: Database) -> str:
    """Return this database's identity, given at its first start."""
    with database.write(Scope.system("the identity of the database")) as session:
        row = session.scalars(select(InstallationRow).with_for_update()).first()
        if row is None:
            row = InstallationRow(id=1, database_id=secrets.token_hex(8))
            session.add(row)
        return row.database_id


def known_id(database: Database) -> str | None:
    """This database's identity, if it ever was given one."""
    with database.read(Scope.system("the identity of the database")) as session:
        return session.scalars(select(InstallationRow.database_id)).first()
