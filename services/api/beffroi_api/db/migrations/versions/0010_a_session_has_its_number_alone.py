"""The number of a session means one session for ever, on SQLite too, as on PostgreSQL it always did.

SQLite gave the number of the newest session to the next one as soon as that had ended. What was handed out to the one
was then, for a while, taken for the other's.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _make_anew(autoincrement=True)


def downgrade() -> None:
    _make_anew(autoincrement=False)


def _make_anew(*, autoincrement: bool) -> None:
    if op.get_bind().dialect.name == "sqlite":
        kept = {"sqlite_autoincrement": autoincrement}
        with op.batch_alter_table("sessions", schema=None, recreate="always", table_kwargs=kept):
            pass
