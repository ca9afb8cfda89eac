"""Cameras that give no tracks any more, and those that are gone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client import REGISTRY as METRICS
from tests.unit.detector.test_rules_processor import HERE, SETTINGS, Bench, Stream, record
from tests.unit.rules.scenes import camera, since, times, tracks

from beffroi_common.bus import Absent, RetryLater
from beffroi_common.contracts import Alert, AlertState, CloseReason, Tracks
from beffroi_common.runtime import metrics
from beffroi_common.runtime.camera_series import KEEP_S
from beffroi_detector.rules.app import COMPACTION_LAG_S, WRITE_AGAIN_S, _StateWriter
from beffroi_detector.rules.changelog import ChangelogPlaces
from beffroi_detector.rules.idle import IdleCameras

HOME, OTHER = 1, 2
"""Partitions: `Stream` gives the first."""
CHECK_S = SETTINGS.idle_check_s
CHECKS = round(SETTINGS.idle_s / CHECK_S)
"""Turns after which a camera is idle."""


class Table(dict[str, str]):
    """Faust's table, as far as the writer sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.changelog: list[tuple[int, str, str | None]] = []

    @property
    def data(self) -> dict[str, str]:
        """What is kept in memory."""
        return self

    def send_changelog(self, partition: int, key: str, value: str | None, **_more: Any) -> None:
        """Write to one partition of the changelog."""
        self.changelog.append((partition, key, value))


class Site:
    """The rules of one camera, with a table and a clock."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.table = Table()
        self.places = ChangelogPlaces()
        self.bench.configured["cam"] = camera().model_copy(update={"slot": HOME})
        self.writer = _StateWriter(SETTINGS, self.bench.processor, self.table, self.places)

    @property
    def said(self) -> list[tuple[AlertState, CloseReason | None]]:
        """What was said of alerts, updates left out."""
        return [(each.state, each.closed_reason) for each in self.alerts if each.state is not AlertState.UPDATED]

    @property
    def alerts(self) -> list[Alert]:
        return self.bench.said

    async def count(self, messages: Iterable[Tracks]) -> None:
        stream = Stream(list(messages))
        await self.writer.begin()
        await self.writer.write_all(stream, stream.events())

    async def listen(self, turns: int, caught_up: set[int], turn_s: float = CHECK_S) -> None:
        for _ in range(turns):
            self.bench.processor.clock.advance(turn_s)  # type: ignore[attr-defined]
            await self.writer.end_idle(caught_up)


@pytest_asyncio.fixture
async def site() -> Site:
    """Somebody stands there: an alert is open."""
    site = Site()
    await site.writer.resume({HOME})
    await site.listen(1, {HOME})
    await site.count(tracks(at_s, {"a": HERE}) for at_s in times(0, 11))
    return site


OPENED = (AlertState.OPENED, None)
ENDED = (AlertState.CLOSED, CloseReason.NO_PICTURE)


@pytest.mark.asyncio
async def test_a_camera_that_dies_leaves_no_alert_open(site: Site) -> None:
    await site.listen(CHECKS - 1, {HOME})
    assert site.said == [OPENED]
    await site.listen(1, {HOME})
    assert site.said == [OPENED, ENDED]
    assert since(site.alerts[-1].occurred_at) == pytest.approx(10.8)
    ((partition, key, written),) = site.table.changelog
    assert (partition, key, site.table["cam"]) == (HOME, "cam", written)
    await site.listen(3 * CHECKS, {HOME})
    assert site.said == [OPENED, ENDED]


@pytest.mark.asyncio
async def test_while_its_configuration_may_have_changed_unheard_it_waits(site: Site) -> None:
    site.bench.stale = True
    await site.listen(2 * CHECKS, {HOME})
    assert site.said == [OPENED]
    site.bench.stale = False
    await site.listen(1, {HOME})
    assert site.said == [OPENED, ENDED]


@pytest.mark.asyncio
async def test_it_is_said_after_a_restart_too(site: Site) -> None:
    """The next process, or the instance that has the partition now, knows the camera from the changelog alone."""
    after = Site()
    after.table |= site.table
    after.places.remember("cam", HOME)
    await after.writer.resume({HOME})
    await after.listen(1 + CHECKS, {HOME})
    assert after.said == [ENDED]
    assert after.alerts[0].id == site.alerts[0].id


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "silence",
    ["a backlog, or a broker that is away", "another instance has the partition", "a process that was frozen"],
)
async def test_silence_that_means_nothing(site: Site, silence: str) -> None:
    if silence == "a process that was frozen":
        await site.listen(1, {HOME}, turn_s=3600.0)
    elif silence == "another instance has the partition":
        await site.writer.leave(None, [])
        await site.listen(2 * CHECKS, {HOME})
    else:
        await site.listen(2 * CHECKS, set())
    assert site.said == [OPENED]


@pytest.mark.asyncio
async def test_tracks_that_come_keep_it_open(site: Site) -> None:
    for turn in range(2 * CHECKS):
        await site.count([tracks(11.0 + 0.2 * turn, {"a": HERE})])
        await site.listen(1, {HOME})
    assert site.said == [OPENED]


@pytest.mark.asyncio
async def test_a_full_queue_ends_it_a_turn_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_more: object) -> None:
        raise RetryLater("full")

    with monkeypatch.context() as patch:
        patch.setattr(site.bench.producer, "send", full)
        await site.listen(CHECKS, {HOME})
    assert (site.said, site.table.changelog) == ([OPENED], [])
    await site.listen(1, {HOME})
    assert site.said == [OPENED, ENDED]


@pytest.mark.asyncio
async def test_nothing_is_remembered_before_it_was_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []

    def flush(_timeout_s: float) -> int:
        written.append(len(site.table.changelog))
        return 0

    monkeypatch.setattr(site.bench.producer, "flush", flush)
    await site.listen(CHECKS, {HOME})
    assert (written, len(site.table.changelog)) == ([0], 1)


@pytest.mark.asyncio
async def test_nothing_is_remembered_of_a_removed_camera(site: Site) -> None:
    site.bench.configured["cam"] = Absent.MISSING
    await site.listen(CHECKS, {HOME})
    assert site.said == [OPENED, ENDED]
    assert site.table == {}
    assert site.table.changelog[-1] == (HOME, "cam", None)
    assert list(site.places.within({HOME})) == []
    assert not site.bench.processor._recalled
    assert not site.bench.processor.plans._made
    series = [
        sample.labels["camera"]
        for metric in (metrics.ALERTS, metrics.CAPTURE_AGE_SECONDS)
        for each in metric.collect()
        for sample in each.samples
    ]
    assert "cam" not in series


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "configured", [camera().model_copy(update={"slot": HOME, "enabled": False}), Absent.UNREADABLE]
)
async def test_a_camera_that_is_there_is_remembered(site: Site, configured: Any) -> None:
    site.bench.configured["cam"] = configured
    await site.listen(2 * CHECKS, {HOME})
    assert site.table


@pytest.mark.asyncio
async def test_a_camera_that_moved_is_forgotten_where_it_was_and_goes_on_where_it_is(site: Site) -> None:
    site.bench.configured["cam"] = camera().model_copy(update={"slot": OTHER})
    await site.listen(CHECKS, {HOME})
    assert site.said == [OPENED], "what is open goes on elsewhere"
    assert site.table.changelog == [(HOME, "cam", None)]


@pytest.mark.asyncio
async def test_a_camera_that_moved_within_one_instance_leaves_nothing_behind() -> None:
    site = Site()
    site.places.remember("cam", OTHER)
    await site.writer.resume({HOME, OTHER})
    await site.count([tracks(0, {"a": HERE})])
    assert site.table.changelog == [(OTHER, "cam", None)]
    assert site.table
    assert site.places.of("cam") == {HOME}


@pytest.mark.asyncio
async def test_a_state_over_which_a_late_one_was_written_is_written_again_by_whoever_goes_on(site: Site) -> None:
    """Else the late one alone is left once the changelog is compacted."""
    after = Site()
    after.table |= site.table
    after.places.remember("cam", HOME, late=True)
    after.places.remember("other", OTHER, late=True)
    await after.writer.resume({HOME})
    assert after.table.changelog == [(HOME, "cam", site.table["cam"])]
    assert after.places.late == {("other", OTHER)}, "that is for whoever owns it"


@pytest.mark.asyncio
async def test_the_state_of_a_quiet_camera_is_written_again_before_the_changelog_is_compacted(site: Site) -> None:
    """Who was frozen may write over it at any time, and nobody reads the changelog of a partition that it has."""
    await site.listen(1 + CHECKS, {HOME})
    site.table.changelog.clear()
    turns = math.ceil(WRITE_AGAIN_S / 600)
    await site.listen(turns - 1, {HOME}, turn_s=600)
    assert site.table.changelog == []
    await site.listen(1, {HOME}, turn_s=600)
    assert site.table.changelog == [(HOME, "cam", site.table["cam"])]
    assert 2 * WRITE_AGAIN_S < COMPACTION_LAG_S


@pytest.mark.asyncio
async def test_it_is_written_again_in_time_however_often_the_rest_is_shared_out_anew(site: Site) -> None:
    await site.listen(1 + CHECKS, {HOME})
    site.table.changelog.clear()
    for others in ((), (OTHER,)) * round(WRITE_AGAIN_S / 3600):
        await site.writer.leave(None, [])
        await site.writer.resume({HOME, *others})
        await site.listen(3, {HOME}, turn_s=600)
    assert site.table.changelog == [(HOME, "cam", site.table["cam"])]
    await site.writer.leave(None, [])
    await site.writer.resume({OTHER})
    assert site.writer._written_s == {}


@pytest.mark.asyncio
async def test_of_cameras_that_another_worker_has_by_now_nothing_stays(site: Site) -> None:
    series = {"camera": "cam", "rule": "loitering", "state": "opened"}
    assert METRICS.get_sample_value("beffroi_alerts_total", series)
    await site.writer.resume(())
    await site.listen(1, set())
    assert (site.bench.processor._recalled, site.bench.processor.plans._made) == ({}, {})
    await site.listen(2, set(), turn_s=KEEP_S)
    assert METRICS.get_sample_value("beffroi_alerts_total", series) is None


@pytest.mark.asyncio
async def test_refused_messages_leave_nothing_in_memory(site: Site) -> None:
    for number in range(3):
        site.bench.processor.process(record(b"{}", f"nobody-{number}"), None)
    assert set(site.bench.processor._recalled) == {"cam"}
    assert set(site.bench.processor.plans._made) == {"cam"}


def test_an_assignment_begins_anew() -> None:
    idle = IdleCameras(10.0, 2.0)
    idle.turn({HOME}, 0.0)
    for at_s in range(1, 11):
        idle.turn({HOME}, float(at_s))
    assert idle.is_idle(HOME, "cam")
    idle.begin()
    assert not idle.is_idle(HOME, "cam")


@pytest.mark.asyncio
async def test_the_status_of_the_rules_says_how_far_behind_they_are(site: Site) -> None:
    backlog = site.bench.processor.status.backlog
    site.writer.measure({HOME: 100}, {HOME: 100})
    site.bench.processor.clock.advance(50)  # type: ignore[attr-defined]
    site.writer.measure({HOME: 100}, {HOME: 200})
    assert backlog.worst is not None
    assert backlog.worst[1].behind_s == pytest.approx(50)
