"""SQLite has one writer at a time: the others wait for it, however long it takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.application import SYSTEM

from beffroi_api.db import database
from beffroi_api.db.database import Database


def test_writers_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 0)
    place = Database(f"sqlite:///{tmp_path / 'api.sqlite3'}")

    def write(number: int) -> None:
        with place.write(SYSTEM) as session:
            session.execute(text("INSERT INTO t VALUES (:number)"), {"number": number})

    with ThreadPoolExecutor(1) as pool:
        with place.write(SYSTEM) as session:
            session.execute(text("CREATE TABLE t (number INTEGER)"))
            other = pool.submit(write, 1)
            assert wait([other], timeout=0.2).not_done, "it did not wait: SQLite refuses it"
        other.result()
    with place.read(SYSTEM) as session:
        assert session.execute(text("SELECT number FROM t")).scalars().all() == [1]
    place.close()
