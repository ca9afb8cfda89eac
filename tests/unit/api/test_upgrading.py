"""A database with people in it and at work is brought up to date, and put back."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from sqlalchemy import text

from beffroi_api.db import migrations
from beffroi_api.db.database import Database

BEFORE_ACCOUNTS = "0007"

SESSION = (
    "INSERT INTO sessions (token_hash, user_id, address, agent, created_at, seen_at) "
    "VALUES (:token, 1, '192.0.2.1', '', '2026-11-01 12:00:00', '2026-11-01 12:00:00')"
)


def test_people_who_are_signed_in_do_not_keep_it_from_being_upgraded(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/api.sqlite3")
    with database.for_migrations(writes=True) as connection:
        command.upgrade(migrations._config(connection), BEFORE_ACCOUNTS)
        connection.execute(
            text(
                "INSERT INTO users (username, display_name, role, language, password_hash, created_at) "
                "VALUES ('marie', 'Marie', 'operator', 'fr', 'hash', '2026-11-01 12:00:00')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO sessions (token_hash, user_id, address, created_at, seen_at) "
                "VALUES ('old', 1, '192.0.2.1', '2026-11-01 12:00:00', '2026-11-01 12:00:00')"
            )
        )
    migrations.upgrade(database)
    with database.for_migrations(writes=True) as connection:
        assert connection.execute(text("SELECT username, password_given FROM users")).all() == [("marie", 1)]
        assert connection.execute(text("SELECT * FROM sessions")).all() == []
        connection.execute(
            text(
                "INSERT INTO sessions (token_hash, user_id, address, agent, created_at, seen_at) "
                "VALUES ('new', 1, '192.0.2.1', '', '2026-11-01 12:00:00', '2026-11-01 12:00:00')"
            )
        )
        command.downgrade(migrations._config(connection), BEFORE_ACCOUNTS)
        assert connection.execute(text("SELECT username FROM users")).all() == [("marie",)]
    database.close()


def test_numbers_of_sessions_are_not_given_twice_after_the_upgrade(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/api.sqlite3")
    with database.for_migrations(writes=True) as connection:
        command.upgrade(migrations._config(connection), "0009")
        connection.execute(
            text(
                "INSERT INTO users (username, display_name, role, language, password_hash, password_given, created_at) "
                "VALUES ('marie', 'Marie', 'operator', 'fr', 'hash', 0, '2026-11-01 12:00:00')"
            )
        )
        connection.execute(text(SESSION), {"token": "first"})
    migrations.upgrade(database)
    with database.for_migrations(writes=True) as connection:
        connection.execute(text("DELETE FROM sessions WHERE token_hash = 'first'"))
        connection.execute(text(SESSION), {"token": "second"})
        assert connection.execute(text("SELECT id, token_hash FROM sessions")).all() == [(2, "second")]
        command.downgrade(migrations._config(connection), "0009")
        assert connection.execute(text("SELECT id, token_hash FROM sessions")).all() == [(2, "second")]
    database.close()
