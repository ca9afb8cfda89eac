"""The migrations make exactly the tables that the code expects."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text
from tests.application import SYSTEM

from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.db.installation import database_id, known_id
from beffroi_api.db.tables import Base, RecordingRow
from beffroi_common.recordings.naming import segment_id


def test_they_fit_the_tables(database_url: str) -> None:
    database = Database(database_url)
    migrations.upgrade(database)
    migrations.upgrade(database)
    migrations.check(database)
    with database.for_migrations(writes=False) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_they_can_be_undone(database_url: str) -> None:
    database = Database(database_url)
    migrations.upgrade(database)
    with database.for_migrations(writes=True) as connection:
        command.downgrade(migrations._config(connection), "base")
    with database.for_migrations(writes=False) as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    with pytest.raises(migrations.DatabaseNotReady, match=r"python -m beffroi_api\.commands\.migrate"):
        migrations.check(database)
    database.close()


def test_cameras_of_an_older_release_keep_their_commune(database_url: str) -> None:
    database = Database(database_url)
    document = '{"id": "gate", "commune": "Hellemmes"}'
    with database.for_migrations(writes=True) as connection:
        command.upgrade(migrations._config(connection), "0002")
        connection.execute(
            text(
                "INSERT INTO cameras (id, slot, version, mask_version, published_version, document) "
                "VALUES ('gate', 0, 1, 0, 0, :document)"
            ),
            {"document": document},
        )
    migrations.upgrade(database)
    with database.for_migrations(writes=True) as connection:
        assert connection.execute(text("SELECT commune, document FROM cameras")).all() == [("Hellemmes", document)]
    database.close()


def test_two_at_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrations.upgrade, databases))
    for database in databases:
        migrations.check(database)
        database.close()


def test_many_that_start_at_once_agree_on_the_identity_of_the_database(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(8)]
    migrations.upgrade(databases[0])
    start = Barrier(len(databases))

    def ask(database: Database) -> str:
        assert known_id(database) is None  # and it is connected
        start.wait()
        return database_id(database)

    with ThreadPoolExecutor(len(databases)) as pool:
        assert len(set(pool.map(ask, databases))) == 1
    for database in databases:
        database.close()


def test_a_new_file_that_somebody_else_prepares_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "api.sqlite3"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        other.rollback()

    monkeypatch.setattr(time, "sleep", wait)
    database = Database(f"sqlite:///{file}")
    migrations.upgrade(database)
    assert waited
    migrations.check(database)
    database.close()
    other.close()


@pytest.mark.parametrize(
    "url",
    ["postgresql+psycopg://beffroi:hunter2@127.0.0.1:1/beffroi", "sqlite:////nowhere/at/all.sqlite3"],
)
def test_a_database_that_is_away_is_named_without_its_password(url: str) -> None:
    database = Database(url)
    for act in (migrations.upgrade, migrations.check):
        with pytest.raises(migrations.DatabaseNotReady, match="check the setting DATABASE_URL") as away:
            act(database)
        assert "hunter2" not in str(away.value)
    database.close()


def test_a_recording_from_before_stores_had_names_is_of_the_one_there_was(database_url: str) -> None:
    database = Database(database_url)
    name = "segments/2026-11-01/gate/120000.000Z-1-0.mp4"
    told = datetime(2026, 11, 1, 12, tzinfo=UTC)
    columns = (
        "camera, state, starts_at, ends_at, frames, missing_batches, width, height, codec, mask_versions, size_bytes"
    )
    values = "'gate', 'stored', :at, :at, 1, 0, 160, 96, 'avc1.42c00a', '[1]', 1"
    insert = text(
        f"INSERT INTO recordings (id, object_name, sha256, changed_at, {columns}) "
        f"VALUES ('{'0' * 24}', '{name}', '{'0' * 64}', :at, {values})"
    )
    with database.for_migrations(writes=True) as connection:
        command.upgrade(migrations._config(connection), "0004")
        connection.execute(insert, {"at": told})
    migrations.upgrade(database)
    with database.read(SYSTEM) as session:
        (row,) = session.scalars(select(RecordingRow)).all()
    assert (row.store, row.object_name, row.id) == ("recordings", name, segment_id(f"recordings/{name}"))
    database.close()
