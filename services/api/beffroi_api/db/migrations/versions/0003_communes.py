"""Whose a camera is, as a column: what is in scope is asked of it."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cameras", sa.Column("commune", sa.String(length=200), nullable=True))
    cameras = sa.table("cameras", sa.column("id", sa.String), sa.column("commune"), sa.column("document", sa.Text))
    connection = op.get_bind()
    for camera, document in connection.execute(sa.select(cameras.c.id, cameras.c.document)).all():
        commune = json.loads(document)["commune"]
        connection.execute(sa.update(cameras).where(cameras.c.id == camera).values(commune=commune))
    with op.batch_alter_table("cameras", schema=None) as batch_op:
        batch_op.alter_column("commune", existing_type=sa.String(length=200), nullable=False)
        batch_op.create_index(batch_op.f("ix_cameras_commune"), ["commune"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("cameras", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cameras_commune"))
        batch_op.drop_column("commune")
