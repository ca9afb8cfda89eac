"""The key of the trail can be changed: each row is verified by the key of its time, and by no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text
from tests.application import SYSTEM

from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.db.tables import AuditTableRow
from beffroi_api.modules.audit.chain.rows import digest
from beffroi_api.modules.audit.chain.seal import Head, Seal
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail, TrailKeyError
from beffroi_testing import ManualClock

FIRST, SECOND, THIRD = b"1" * 32, b"2" * 32, b"3" * 32


class Site:
    """One trail, and whoever has which keys."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.database = ManualClock(), Database(f"sqlite:///{folder}/api.sqlite3")
        migrations.upgrade(self.database)

    def with_keys(self, *keys: bytes) -> Trail:
        """The oldest first, the one in force last."""
        return Trail(self.database, self.clock, Seal(keys[-1], keys[:-1]))

    def change(self, statement: str) -> None:
        with self.database.write(SYSTEM) as session:
            session.execute(text(statement))

    def reseal(self, number: int, key: bytes) -> None:
        """As somebody would who writes the database and has a key."""
        with self.database.write(SYSTEM) as session:
            row = session.scalars(select(AuditTableRow).where(AuditTableRow.id == number)).one()
            row.subject = "something else"
            row.hash = digest(row)
            row.seal = Seal(key).of_row(row.hash)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.database.close()


def fill(trail: Trail, rows: int = 2) -> Head:
    for _ in range(rows):
        trail.record(Entry("tests", "here", Action.STILL_SEEN, "gate"))
    head = trail.head()
    assert head is not None
    return head


def handed_over(site: Site) -> list[Head]:
    """Two rows and the row that hands over, twice, and two rows more. Returns heads that were published meanwhile."""
    heads = [fill(site.with_keys(FIRST))]
    for keys in ((FIRST, SECOND), (FIRST, SECOND, THIRD)):
        site.with_keys(*keys).rotate("root (system user)", "local")
        found = site.with_keys(*keys).head()
        assert found is not None
        heads += [found, fill(site.with_keys(keys[-1]))]
    return heads


def test_rows_and_heads_are_verified_by_the_key_of_their_time(site: Site) -> None:
    heads = handed_over(site)
    verdict = site.with_keys(FIRST, SECOND, THIRD).verify(heads)
    assert (verdict.is_whole, verdict.rows) == (True, 8)


@pytest.mark.parametrize(
    ("keys", "broken_at"),
    [
        ((THIRD,), 1),
        ((FIRST,), 3),
        ((SECOND, THIRD), 1),
        ((FIRST, SECOND), 6),
        ((FIRST, THIRD), 3),
        ((SECOND, FIRST, THIRD), 1),
        ((FIRST, SECOND, THIRD, b"4" * 32), 8),
    ],
)
def test_with_other_keys_nothing_is_whole(site: Site, keys: tuple[bytes, ...], broken_at: int) -> None:
    handed_over(site)
    assert site.with_keys(*keys).verify().broken_at == broken_at


@pytest.mark.parametrize(("number", "key"), [(8, FIRST), (8, SECOND), (5, FIRST), (5, THIRD), (2, THIRD), (6, THIRD)])
def test_a_key_that_is_over_or_not_yet_in_force_seals_nothing(site: Site, number: int, key: bytes) -> None:
    handed_over(site)
    site.reseal(number, key)
    assert site.with_keys(FIRST, SECOND, THIRD).verify().broken_at == number


def test_a_head_of_a_key_that_is_over_is_none(site: Site) -> None:
    handed_over(site)
    last = site.with_keys(THIRD).head()
    assert last is not None
    for key in (FIRST, SECOND):
        forged = Seal(key).sign(last.rows, last.hash)
        assert site.with_keys(FIRST, SECOND, THIRD).verify([last, forged]).missed == (forged,)


def test_who_is_set_to_another_key_adds_nothing(site: Site) -> None:
    fill(site.with_keys(FIRST))
    for keys in ((SECOND,), (FIRST, SECOND)):
        with pytest.raises(TrailKeyError, match="audit rotate"):
            site.with_keys(*keys).require_key()
    with pytest.raises(TrailKeyError):
        fill(site.with_keys(FIRST, SECOND))
    site.with_keys(FIRST, SECOND).rotate("root (system user)", "local")
    with pytest.raises(TrailKeyError):
        fill(site.with_keys(FIRST))
    with pytest.raises(TrailKeyError):
        site.with_keys(FIRST).require_key()
    site.with_keys(SECOND).require_key()
    fill(site.with_keys(SECOND))
    site.with_keys(SECOND).require_key()
    for keys in ((FIRST,), (THIRD,)):  # also where they know nothing of the key in force
        with pytest.raises(TrailKeyError):
            fill(site.with_keys(*keys))
    assert site.with_keys(FIRST, SECOND).verify().is_whole


def test_a_row_made_up_at_the_end_stops_everybody_until_its_seal_is_taken(site: Site) -> None:
    fill(site.with_keys(FIRST))
    site.reseal(2, THIRD)
    with pytest.raises(TrailKeyError):
        site.with_keys(FIRST).require_key()
    site.change("UPDATE audit SET seal = NULL WHERE id = 2")
    site.with_keys(FIRST).require_key()
    fill(site.with_keys(FIRST))
    assert site.with_keys(FIRST).verify().broken_at == 2


def test_only_a_whole_trail_is_handed_over_and_once(site: Site) -> None:
    fill(site.with_keys(FIRST))
    for keys in ((FIRST,), (SECOND, THIRD)):
        with pytest.raises(TrailKeyError):
            site.with_keys(*keys).rotate("root (system user)", "local")
    site.with_keys(FIRST, SECOND).rotate("root (system user)", "local")
    with pytest.raises(TrailKeyError, match="already"):
        site.with_keys(FIRST, SECOND).rotate("root (system user)", "local")
    site.change("UPDATE audit SET subject = 'x' WHERE id = 1")
    with pytest.raises(TrailKeyError, match="not whole"):
        site.with_keys(FIRST, SECOND, THIRD).rotate("root (system user)", "local")


def test_a_handing_over_that_is_taken_out_or_put_in_shows(site: Site) -> None:
    handed_over(site)
    site.change("DELETE FROM audit WHERE id = 3")
    assert site.with_keys(FIRST, SECOND, THIRD).verify().broken_at == 4
