"""The trail: complete, in order, and whole or visibly not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text
from tests.application import SYSTEM, Running

from beffroi_api.db.tables import AuditTableRow
from beffroi_api.modules.audit.chain.rows import FIRST, digest
from beffroi_api.modules.audit.chain.seal import Seal
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, UnsealedTrailError

AUDIT = "/api/v1/audit"


def fill(app: Running, count: int) -> None:
    def add(number: int) -> None:
        app.services.trail.record(Entry("tests", "here", Action.STILL_SEEN, camera="gate", details={"number": number}))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(count)))


def test_many_at_once_make_one_chain(app: Running) -> None:
    fill(app, 60)
    verdict = app.services.trail.verify()
    assert (verdict.rows, verdict.broken_at) == (60, None)


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit SET subject = 'nothing' WHERE id = 7", 7),
        ("UPDATE audit SET details = '{\"number\": 99}' WHERE id = 7", 7),
        ("DELETE FROM audit WHERE id = 7", 8),
        ("DELETE FROM audit WHERE id = 1", 2),
        ("UPDATE audit SET hash = previous_hash WHERE id = 7", 7),
    ],
)
def test_a_row_that_was_touched_shows(app: Running, statement: str, broken_at: int) -> None:
    fill(app, 10)
    with app.services.database.write(SYSTEM) as session:
        session.execute(text(statement.replace(":", r"\:")))
    assert app.services.trail.verify().broken_at == broken_at


def rewrite(app: Running, *changes: str) -> None:
    """As somebody would who has the database and this code, and not the key: change rows, then hash all anew."""
    with app.services.database.write(SYSTEM) as session:
        for change in changes:
            session.execute(text(change.replace(":", r"\:")))
        session.expunge_all()
        previous = FIRST
        for number, row in enumerate(session.scalars(select(AuditTableRow).order_by(AuditTableRow.id)), start=1):
            assert row.id == number
            row.previous_hash = previous
            row.hash = previous = digest(row)


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE audit SET subject = 'nothing' WHERE id = 7", 7),
        ("UPDATE audit SET \"user\" = 'somebody else' WHERE id = 1", 1),
        ("UPDATE audit SET seal = NULL WHERE id = 7", 7),
        ("UPDATE audit SET seal = hash WHERE id = 10", 10),
    ],
)
def test_who_hashes_all_rows_anew_lacks_the_key(app: Running, statement: str, broken_at: int) -> None:
    fill(app, 10)
    rewrite(app, statement)
    assert app.services.trail.verify().broken_at == broken_at


def test_a_seal_of_another_row_does_not_fit(app: Running) -> None:
    fill(app, 10)
    with app.services.database.write(SYSTEM) as session:
        session.execute(text("UPDATE audit SET seal = (SELECT seal FROM audit WHERE id = 3) WHERE id = 7"))
    assert app.services.trail.verify().broken_at == 7


def test_rows_cut_off_are_missed_by_a_head(app: Running) -> None:
    fill(app, 9)
    early = app.services.trail.head()
    fill(app, 1)
    late = app.services.trail.head()
    assert early is not None
    assert late is not None
    assert app.services.trail.verify([early, late]).is_whole
    with app.services.database.write(SYSTEM) as session:
        session.execute(text("DELETE FROM audit WHERE id = 10"))
    cut = app.services.trail.verify([early, late])
    assert (cut.broken_at, cut.missed, cut.is_whole) == (None, (late,), False)
    app.services.trail.record(Entry("others", "here", Action.STILL_SEEN))  # takes its place
    assert app.services.trail.verify([late]).missed == (late,)
    with app.services.database.write(SYSTEM) as session:
        session.execute(text("DELETE FROM audit"))
    assert app.services.trail.verify([early]).missed == (early,)


def test_a_head_that_somebody_else_signed_is_none(app: Running) -> None:
    fill(app, 3)
    head = app.services.trail.head()
    assert head is not None
    forged = Seal(b"another key").sign(head.rows, head.hash)
    assert app.services.trail.verify([forged]).missed == (forged,)


def test_rows_of_a_release_before_the_key_are_sealed_once_they_are_as_noted(app: Running) -> None:
    fill(app, 5)
    with app.services.database.write(SYSTEM) as session:
        session.execute(text("UPDATE audit SET seal = NULL"))
        noted = session.scalar(select(AuditTableRow.hash).where(AuditTableRow.id == 5))
    assert noted is not None
    fill(app, 1)
    trail = app.services.trail
    assert trail.verify().broken_at == 1
    for rows, last_hash in ((4, noted), (5, FIRST)):
        with pytest.raises(UnsealedTrailError, match="not as was noted"):
            trail.seal_rows(rows, last_hash)
    trail.seal_rows(5, noted)
    assert trail.verify().rows == 6
    with app.services.database.write(SYSTEM) as session:
        session.execute(text("UPDATE audit SET seal = NULL, subject = 'bent' WHERE id = 2"))
    with pytest.raises(UnsealedTrailError, match="does not fit"):
        trail.seal_rows(1, noted)


def test_pages_are_newest_first_and_complete(app: Running) -> None:
    fill(app, 25)
    numbers: list[int] = []
    query: dict[str, int | str] = {"limit": 10, "camera": "gate"}
    while True:
        page = app.dpo.get(AUDIT, params=query).json()
        numbers += [row["id"] for row in page["items"] if row["action"] == "still_seen"]
        if page["next"] is None:
            break
        query["before"] = page["next"]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 25


def test_reading_the_trail_is_in_the_trail(app: Running) -> None:
    app.dpo.get(AUDIT, params={"user": "operator"})
    newest = app.dpo.get(AUDIT).json()["items"][0]
    assert (newest["action"], newest["user"], newest["details"]) == ("audit_read", "dpo", {"of": "operator"})


def test_reading_any_page_of_the_trail_is_in_the_trail(app: Running) -> None:
    newest = app.dpo.get(AUDIT, params={"before": 1_000_000_000}).json()["items"][0]
    assert newest["action"] == "signed_in"
    app.dpo.get(AUDIT, params={"before": 1, "user": "operator", "camera": "gate"})
    second, first = app.dpo.get(AUDIT).json()["items"][:2]
    assert (first["action"], first["camera"], first["details"]) == ("audit_read", None, {"before": 1_000_000_000})
    assert (second["action"], second["camera"]) == ("audit_read", "gate")
    assert second["details"] == {"of": "operator", "before": 1}


def test_signing_in_and_out_is_in_the_trail(app: Running) -> None:
    app.operator.delete("/api/v1/session")
    rows = app.dpo.get(AUDIT, params={"user": "operator"}).json()["items"]
    assert [row["action"] for row in rows] == ["signed_out", "signed_in"]
    assert rows[0]["address"] == "testclient"
