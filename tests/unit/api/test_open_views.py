"""A live view has an end in the trail, also where its process was killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.application import SEAL, SYSTEM

from beffroi_api.db import migrations
from beffroi_api.db.database import Database
from beffroi_api.db.tables import AuditTableRow, OpenViewRow
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry, Trail
from beffroi_api.modules.live.looks.open_views import GONE_AFTER, RENEW_EVERY_S, OpenView, OpenViews
from beffroi_testing import ManualClock

STARTED = Entry("marie", "192.0.2.1", Action.LIVE_STARTED, "gate", details={"view": "masked"})
ENDED = Entry("marie", "192.0.2.1", Action.LIVE_ENDED, "gate", details={"view": "masked", "seconds": 90})


class Site:
    """Processes on one database."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.database = ManualClock(), Database(f"sqlite:///{folder}/api.sqlite3")
        migrations.upgrade(self.database)
        self.trail = Trail(self.database, self.clock, SEAL)

    def process(self) -> OpenViews:
        return OpenViews(self.database, self.trail, self.clock)

    def turn(self, *alive: OpenViews, times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(RENEW_EVERY_S)
            for each in alive:
                each.look()

    def rows(self) -> list[tuple[str, str | None, dict[str, object]]]:
        assert self.trail.verify().is_whole
        with self.database.read(SYSTEM) as session:
            found = session.scalars(select(AuditTableRow).order_by(AuditTableRow.id)).all()
        return [(row.action, row.camera, row.details) for row in found]

    def open(self) -> int:
        with self.database.read(SYSTEM) as session:
            return len(session.scalars(select(OpenViewRow)).all())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.database.close()


def test_a_view_ends_as_whoever_shows_it_says(site: Site) -> None:
    process, view = site.process(), OpenView("gate", "masked")
    process.begin(view, STARTED)
    site.turn(process, times=2 * GONE_AFTER)
    process.end(view, ENDED)
    assert [action for action, *_ in site.rows()] == ["live_started", "live_ended"]
    assert site.open() == 0


def test_whoever_survives_ends_the_view_of_a_killed_process_once_and_when_it_was_seen_last(site: Site) -> None:
    killed, other, next_start = site.process(), site.process(), site.process()
    killed.begin(OpenView("gate", "masked"), STARTED)
    site.turn(killed, other, times=6)
    seen_at = site.clock.now()
    site.turn(other, next_start, times=GONE_AFTER - 1)
    assert site.open() == 1
    site.turn(other, next_start, times=2)
    details = {"view": "masked", "seconds": 90, "reason": "process_gone", "seen_at": seen_at.isoformat()}
    assert site.rows() == [("live_started", "gate", {"view": "masked"}), ("live_ended", "gate", details)]
    assert site.open() == 0


@pytest.mark.parametrize("pause_s", [3600, -3600])
def test_a_view_that_goes_on_is_left_alone_whatever_the_clocks_say(site: Site, pause_s: float) -> None:
    process, other = site.process(), site.process()
    process.begin(OpenView("gate", "masked"), STARTED)
    site.turn(process, other)
    site.clock.set(pause_s)  # or all of them stood still together
    site.turn(other, process, times=2 * GONE_AFTER)
    assert [action for action, *_ in site.rows()] == ["live_started"]


def test_who_leaves_before_the_beginning_is_written_begins_nothing(site: Site) -> None:
    process, view = site.process(), OpenView("gate", "masked")
    process.end(view, ENDED)
    process.begin(view, STARTED)
    assert (site.open(), [action for action, *_ in site.rows()]) == (0, ["live_ended"])


def test_a_view_whose_process_comes_back_late_ends_twice_and_truly(site: Site) -> None:
    frozen, other, view = site.process(), site.process(), OpenView("gate", "masked")
    frozen.begin(view, STARTED)
    site.turn(other, times=GONE_AFTER + 1)
    frozen.look()
    frozen.end(view, ENDED)
    assert [details.get("reason") for *_, details in site.rows()] == [None, "process_gone", None]
