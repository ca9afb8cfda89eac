"""Two loops in one process: what holds up one of them holds up no other, and what ends one ends the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.unit.recorder.conftest import Film, Running, Site, Start

from beffroi_common.bus import LoopOptions, run
from beffroi_common.contracts import CameraStatus, Level, RecordingState, ServiceStatus
from beffroi_common.contracts.status import decode_status
from beffroi_common.runtime.health import Health
from beffroi_common.store import RetentionError, StoredObject
from beffroi_common.topics import FRAMES_MASKED, STATUS
from beffroi_recorder.keep.destroyer import DESTROYER_PARTITION, NotDestroyedError
from beffroi_recorder.keep.retention import LOOP, RetentionThread
from beffroi_recorder.keep.sweep import BUDGET_S
from beffroi_testing import ManualClock, MemoryBus, MemoryStore

DAY_S = 24 * 3600
TIMEOUT_S = 30.0
"""Far longer than what is waited for takes."""


class Hanging(MemoryStore):
    """Once `hangs` is set, the calls named there do not return before `answers` is set."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.hangs: set[str] = set()
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.make_bucket(14)

    def _hang(self, call: str) -> None:
        if call in self.hangs:
            self.asked.set()
            assert self.answers.wait(TIMEOUT_S)

    def check_retention(self, retention_days: int) -> None:
        self._hang("check_retention")
        super().check_retention(retention_days)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        self._hang("list")
        return super().list(prefix)

    def remove(self, name: str) -> None:
        self._hang("remove")
        super().remove(name)

    def put(self, name: str, *arguments: Any, **more: Any) -> None:
        self._hang("put")
        super().put(name, *arguments, **more)


@pytest.fixture
def store(site: Site) -> Iterator[Hanging]:
    store = Hanging(site.clock)
    site.store = store
    yield store
    store.answers.set()


def health(site: Site) -> Health:
    return Health(site.clock, timeout_s=60.0)


@contextmanager
def beside(turn: Callable[[], None], site: Site) -> Iterator[threading.Event]:
    """The loop in its thread; yields what stops it."""
    stop = threading.Event()
    with RetentionThread(turn, health(site), stop):
        yield stop


@pytest.fixture
def old(site: Site, store: Hanging, start: Start, film: Film) -> Running:
    """A recorder that stored three recordings, which are due by now, and owns the partition whose owner destroys."""
    site.put_on_bus(film(130))
    life = start(store)
    life.recorder.assigned([DESTROYER_PARTITION])
    life.work_off()
    life.go_idle()
    site.clock.advance(20 * DAY_S)
    return life


@pytest.mark.parametrize("call", ["check_retention", "list", "remove"])
def test_a_destruction_that_hangs_holds_up_no_recording(
    site: Site, store: Hanging, old: Running, film: Film, call: str
) -> None:
    store.hangs = {call}
    site.clock.advance(3601)  # a listing is due, too
    site.put_on_bus(film(70, camera="square", first_number=10_000), slot=1)
    with beside(old.retention.turn, site):
        assert store.asked.wait(TIMEOUT_S)
        for record in site.broker.log((FRAMES_MASKED.name, 1)):
            old.recorder.handle(record)
            old.recorder.tick()
        assert [each.frames for each in site.final.values() if each.camera == "square"] == [240]
        store.answers.set()


def test_an_upload_that_hangs_holds_up_no_destruction(site: Site, store: Hanging, old: Running, film: Film) -> None:
    store.hangs = {"put"}
    site.put_on_bus(film(70, camera="square"), slot=1)

    def record_on() -> None:
        for record in site.broker.log((FRAMES_MASKED.name, 1)):
            old.recorder.handle(record)
            old.recorder.tick()

    recording = threading.Thread(target=record_on, daemon=True)
    recording.start()
    assert store.asked.wait(TIMEOUT_S)
    old.retention.turn()
    assert {each.state for each in site.final.values()} == {RecordingState.DESTROYED}
    store.answers.set()
    recording.join(TIMEOUT_S)
    assert not recording.is_alive()


@pytest.mark.parametrize(
    ("breaks", "error"),
    [
        (lambda store: setattr(store, "retention_days", 30), RetentionError),
        (lambda store: setattr(store, "remove", lambda _name: None), NotDestroyedError),
        (lambda store: setattr(store, "list", lambda _prefix: 1 / 0), ZeroDivisionError),
    ],
    ids=["the bucket breaks its promise", "an object stays", "a bug"],
)
def test_what_ends_the_retention_ends_the_process(
    site: Site, store: Hanging, old: Running, breaks: Callable[[MemoryStore], None], error: type[Exception]
) -> None:
    site.clock.advance(3601)
    breaks(store)
    bus = MemoryBus(site.broker)
    stop = threading.Event()
    with pytest.raises(error), RetentionThread(old.retention.turn, health(site), stop):
        run(
            bus,
            old.recorder,
            service="recorder",
            topics=[FRAMES_MASKED],
            producer=bus.producer(),
            stop=stop,
            clock=site.clock,
            options=LoopOptions(poll_timeout_s=0.01),
        )


def test_it_has_a_heartbeat_of_its_own_which_ends_with_it(site: Site) -> None:
    beating, turned = health(site), threading.Event()
    with RetentionThread(turned.set, beating, threading.Event()):
        assert turned.wait(TIMEOUT_S)
        assert beating.live() == {LOOP: True}
    assert beating.live() == {}


def test_a_heartbeat_that_stopped_is_seen(site: Site, store: Hanging, old: Running) -> None:
    store.hangs = {"check_retention"}
    beating, stop = health(site), threading.Event()
    with RetentionThread(old.retention.turn, beating, stop):
        assert store.asked.wait(TIMEOUT_S)
        site.clock.advance(61.0)
        assert beating.live() == {LOOP: False}
        store.answers.set()


def test_a_hand_over_waits_for_no_destruction(site: Site, store: Hanging, old: Running) -> None:
    store.hangs = {"remove"}
    with beside(old.retention.turn, site):
        assert store.asked.wait(TIMEOUT_S)
        old.recorder.revoked([DESTROYER_PARTITION])
        store.answers.set()
    states = [each.state for each in site.final.values()]
    assert states == [RecordingState.DESTROYED, RecordingState.STORED, RecordingState.STORED]


def test_whoever_is_the_owner_again_lists_anew(site: Site, old: Running) -> None:
    old.tick()
    assert not site.segments
    site.clock.advance(61)
    old.recorder.revoked([DESTROYER_PARTITION])
    old.recorder.assigned([DESTROYER_PARTITION])
    listed: list[str] = []
    site.store.list = lambda prefix: listed.append(prefix) or iter(())  # type: ignore[method-assign,func-returns-value]
    old.tick()
    assert listed == ["segments/", "segments/"], "what is due, and what is on the register"


def test_tries_to_destroy_get_rarer_while_the_store_is_away(site: Site, old: Running) -> None:
    site.store.away = True
    tries: list[float] = []
    check = site.store.check_retention

    def noted(retention_days: int) -> None:
        tries.append(site.clock.monotonic_s())
        check(retention_days)

    site.store.check_retention = noted  # type: ignore[method-assign]
    for _ in range(60):
        site.clock.advance(0.25)
        old.tick()
    assert [after - before for before, after in pairwise(tries)][:5] == [0.5, 1.0, 2.0, 4.0, 4.0]


def test_a_sweep_that_is_late_is_an_error_of_the_service(site: Site, start: Start) -> None:
    life = start()
    life.destroyer.own({DESTROYER_PARTITION})
    life.tick()
    life.retention.turn()
    assert life.destroyer.sweep.age_s == 0
    assert said(site).code == "running"
    site.clock.advance(BUDGET_S / 2 + 1)
    life.recorder.tick()
    late = said(site)
    assert (late.level, late.code, late.counters["last_sweep_age_s"]) == (Level.ERROR, "destruction_late", 1801.0)
    site.clock.advance(60)
    life.retention.turn()
    life.recorder.tick()
    assert said(site).code == "running"
    life.destroyer.own(())
    assert life.destroyer.sweep.age_s is None


def test_the_status_of_a_camera_says_how_long_ago_its_last_segment_was_stored(
    site: Site, start: Start, film: Film
) -> None:
    site.put_on_bus(film(70))
    life = start()
    life.work_off()
    site.clock.advance(30)
    life.recorder.tick()
    cameras = [each for each in statuses(site) if isinstance(each, CameraStatus)]
    assert cameras[-1].counters["last_stored_age_s"] >= 30
    stamp = REGISTRY.get_sample_value("beffroi_last_segment_stored_timestamp_seconds", {"camera": "gate"})
    assert stamp == pytest.approx(site.clock.now_ns() / 1e9 - cameras[-1].counters["last_stored_age_s"], abs=0.1)


def statuses(site: Site) -> list[CameraStatus | ServiceStatus]:
    return [decode_status(record.value or b"") for record in site.broker.records(STATUS)]


def said(site: Site) -> ServiceStatus:
    return [each for each in statuses(site) if isinstance(each, ServiceStatus)][-1]
