"""Live views are rows as long as they are open, so that whoever survives their process ends them in the trail."""

import sqlalchemy as sa
from alembic import op

from beffroi_api.db.tables import RowId
from beffroi_api.db.types import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "open_views",
        sa.Column("id", RowId, nullable=False),
        sa.Column("user", sa.String(length=63), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("camera", sa.String(length=63), nullable=False),
        sa.Column("view", sa.String(length=20), nullable=False),
        sa.Column("began_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("seen_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_open_views")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("open_views")
