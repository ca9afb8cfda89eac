"""A row of the trail that somebody slipped in shows, whatever number it has."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from tests.application import SEAL, SYSTEM

from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_testing import ManualClock

COPIED = (
    'at, "user", address, action, camera, subject, details, previous_hash, hash, seal FROM audit WHERE audit.id = 2'
)


@pytest.mark.parametrize("number", [-(2**63), -1, 0, 4, 2**63 - 1])
def test_it_is_read_under_any_number(tmp_path: Path, number: int) -> None:
    database = Database(f"sqlite:///{tmp_path}/api.sqlite3")
    migrations.upgrade(database)
    trail = Trail(database, ManualClock(), SEAL)
    for _ in range(3):
        trail.record(Entry("tests", "here", Action.STILL_SEEN))
    assert trail.verify().is_whole
    with database.write(SYSTEM) as session:
        session.execute(text(f"INSERT INTO audit SELECT {number}, {COPIED}"))
    assert trail.verify().broken_at == number
    database.close()
