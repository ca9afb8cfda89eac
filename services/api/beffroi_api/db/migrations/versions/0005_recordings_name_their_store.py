"""Recordings name the store that holds them."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

THE_STORE_SO_FAR = "recordings"
ID_DIGITS = 24


def upgrade() -> None:
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("store", sa.String(length=31), nullable=False, server_default=THE_STORE_SO_FAR))
        batch_op.drop_constraint("uq_recordings_object_name", type_="unique")
        batch_op.create_unique_constraint(batch_op.f("uq_recordings_store"), ["store", "object_name"])
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.alter_column("store", server_default=None)
    _rename(f"{THE_STORE_SO_FAR}/")


def downgrade() -> None:
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_recordings_store"), type_="unique")
        batch_op.create_unique_constraint("uq_recordings_object_name", ["object_name"])
        batch_op.drop_column("store")
    _rename("")


def _rename(prefix: str) -> None:
    """Segments are named after their key on the bus. Who is looking at one begins another look."""
    recordings = sa.table("recordings", sa.column("id", sa.String), sa.column("object_name", sa.String))
    connection = op.get_bind()
    connection.execute(sa.delete(sa.table("playbacks")))
    for row in connection.execute(sa.select(recordings)).all():
        name = hashlib.sha256(f"{prefix}{row.object_name}".encode()).hexdigest()[:ID_DIGITS]
        connection.execute(sa.update(recordings).where(recordings.c.id == row.id).values(id=name))
