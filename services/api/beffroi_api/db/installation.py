"""The identity of this database.

It is part of the consumer group's name: processes on one database share out alerts and recordings, and those on another
read all of them too. How far each database has read is in itself (`bus.positions`).
"""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from beffroi_api.authz.scope import Scope
from beffroi_api.db.database import Database
from beffroi_api.db.tables import InstallationRow

SCOPE = Scope.system("the identity of the database")


def database_id(database: Database) -> str:
    """Return this database's identity, given at its first start."""
    known = known_id(database)
    if known is not None:
        return known
    try:
        with database.write(SCOPE) as session:
            session.add(InstallationRow(id=1, database_id=secrets.token_hex(8)))
    except IntegrityError:
        pass  # another process started at the same moment, and gave it one
    with database.read(SCOPE) as session:
        return session.scalars(select(InstallationRow.database_id)).one()


def known_id(database: Database) -> str | None:
    """This database's identity, if it ever was given one."""
    with database.read(SCOPE) as session:
        return session.scalars(select(InstallationRow.database_id)).first()
