"""What is due is destroyed, seen to be gone, and said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from beffroi.common.contracts import RecordingState
from beffroi.common.store import RetentionError
from beffroi.common.testing import MemoryStore
from beffroi.common.topics import FRAMES_MASKED
from beffroi.recorder.auditor import NotDestroyedError, _born

from tests.unit.recorder.conftest import START_NS, Film, Running, Site, Start

DAY_S = 24 * 3600
SILENT_S = 35
"""What the clock went on until the camera counted as silent."""
OWNED = [(FRAMES_MASKED.name, 0)]


@pytest.fixture
def life(site: Site, start: Start, film: Film) -> Running:
    site.put_on_bus([*film(130), *film(5, epoch=9, start_ns=START_NS + 2 * DAY_S * 1_000_000_000)])
    life = start()
    life.recorder.assigned(OWNED)
    life.work_off()
    life.fall_silent()
    return life


def test_the_due_are_destroyed_and_no_others(site: Site, life: Running) -> None:
    stored = list(site.final.values())
    assert len(stored) == 4
    site.clock.advance(14 * DAY_S - SILENT_S - 1)
    life.tick()
    assert site.final == {each.object_name: each for each in stored}
    site.clock.advance(61)
    life.tick()
    assert [each.state for each in site.final.values()] == [*[RecordingState.DESTROYED] * 3, RecordingState.STORED]
    assert list(site.segments) == [stored[3].object_name]
    last = site.final[stored[2].object_name]
    assert last == stored[2].model_copy(update={"state": RecordingState.DESTROYED, "changed_at": site.clock.now()})


def test_only_the_owner_of_the_first_partition_audits(site: Site, life: Running) -> None:
    life.recorder.revoked(OWNED)
    site.clock.advance(20 * DAY_S)
    life.tick()
    assert len(site.segments) == 4


def test_a_round_is_bounded_and_rounds_have_a_distance(site: Site, life: Running) -> None:
    life.auditor._most = 2
    site.clock.advance(20 * DAY_S)
    life.tick()
    assert len(site.segments) == 2
    life.tick()
    assert len(site.segments) == 2
    site.clock.advance(61)
    life.tick()
    assert not site.segments


def test_a_foreign_object_dies_too_and_is_not_on_the_register(site: Site, life: Running, tmp_path: Path) -> None:
    file = tmp_path / "still.jpg"
    file.write_bytes(b"x")
    site.store.put("segments/2020-01-01/still.jpg", file, "image/jpeg", {})
    before = len(site.recordings)
    site.clock.advance(13 * DAY_S)
    life.tick()
    assert "segments/2020-01-01/still.jpg" in site.segments
    site.clock.advance(DAY_S)
    life.tick()
    assert "segments/2020-01-01/still.jpg" not in site.segments
    assert len(site.recordings) == before + 3


def test_an_object_that_stays_is_an_alarm(site: Site, life: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, "remove", lambda self, name: None)
    site.clock.advance(20 * DAY_S)
    with pytest.raises(NotDestroyedError, match="still in the store after its removal"):
        life.tick()


def test_a_bucket_whose_rule_was_changed_is_an_alarm(site: Site, life: Running) -> None:
    site.store.retention_days = 30
    site.clock.advance(61)
    with pytest.raises(RetentionError):
        life.tick()


def test_a_store_away_puts_the_audit_off(site: Site, life: Running) -> None:
    site.store.away = True
    site.clock.advance(20 * DAY_S)
    life.tick()
    site.store.away = False
    site.clock.advance(61)
    life.tick()
    assert not site.segments


AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("captured", "stored", "expected"),
    [
        (AT, AT + timedelta(minutes=1), AT),
        (None, AT, AT),
        (AT - timedelta(days=9000), AT, AT),
        (AT + timedelta(days=9000), AT, AT),
    ],
    ids=["captured, then stored", "no time in the name", "a clock that was in 2002", "a clock ahead"],
)
def test_what_the_retention_counts_from(captured: datetime | None, stored: datetime, expected: datetime) -> None:
    assert _born(captured, stored) == expected
