"""The trail: complete, in order, and whole or visibly not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from tests.application import SYSTEM, Running

from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry

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
