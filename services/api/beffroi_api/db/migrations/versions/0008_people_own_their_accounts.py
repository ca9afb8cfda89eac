"""People own their accounts: given passwords are changed, sessions are known by their browser, a second factor.

All sessions end. The cookie has another name on either side, so that nobody could use them; and SQLite makes `users`
anew, which it refuses while a row refers to one of them.
"""

import sqlalchemy as sa
from alembic import op

from beffroi_api.db.tables import RowId

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM sessions")
    with op.batch_alter_table("users", schema=None) as batch_op:
        # Until now nobody could choose their own: every password was given.
        batch_op.add_column(sa.Column("password_given", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column("second_factor", sa.String(length=400), nullable=True))
        batch_op.add_column(sa.Column("second_factor_step", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.alter_column("password_given", existing_type=sa.Boolean(), server_default=None)
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("agent", sa.String(length=200), nullable=False, server_default=""))
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.alter_column("agent", existing_type=sa.String(length=200), server_default=None)
    op.create_table(
        "recovery_codes",
        sa.Column("id", RowId, nullable=False),
        sa.Column("user_id", RowId, nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
    )
    op.create_index(op.f("ix_recovery_codes_user_id"), "recovery_codes", ["user_id"])


def downgrade() -> None:
    op.execute("DELETE FROM sessions")
    op.drop_table("recovery_codes")
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.drop_column("agent")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_column("second_factor_step")
        batch_op.drop_column("second_factor")
        batch_op.drop_column("password_given")
