"""Rows of the trail carry a seal; ranges of a recording that are handed out are kept each.

Rows that are there already have no seal: nobody but the holder of the key can give one, by `commands.audit seal`.
"""

import sqlalchemy as sa
from alembic import op

from beffroi_api.db.tables import RowId
from beffroi_api.db.types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit", sa.Column("seal", sa.String(length=64), nullable=True))
    op.drop_table("playbacks")
    op.create_table(
        "playbacks",
        sa.Column("id", RowId, nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("recording_id", sa.String(length=24), nullable=False),
        sa.Column("user", sa.String(length=63), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("first_byte", sa.BigInteger(), nullable=False),
        sa.Column("last_byte", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbacks")),
    )
    op.create_index("ix_playbacks_continued", "playbacks", ["session_id", "recording_id"])
    op.create_index(op.f("ix_playbacks_began_at"), "playbacks", ["began_at"])
    op.create_index(op.f("ix_playbacks_last_at"), "playbacks", ["last_at"])


def downgrade() -> None:
    op.drop_table("playbacks")
    op.create_table(
        "playbacks",
        sa.Column("session_id", RowId, nullable=False),
        sa.Column("recording_id", sa.String(length=24), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name=op.f("fk_playbacks_session_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", "recording_id", name=op.f("pk_playbacks")),
    )
    op.drop_column("audit", "seal")
