"""One camera's thread: connections, epochs, back-off, and what it says of itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import count
from typing import Any

import pytest
from tests.unit.ingest.conftest import ScriptedSource, camera, raw_batches, unit, units

from beffroi_common.bus.reporter import StatusReporter
from beffroi_common.contracts import Camera, CameraSource, CameraStatus, Level
from beffroi_common.contracts.status import decode_status
from beffroi_common.errors import Fatal
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.clock import Clock, SystemClock
from beffroi_common.topics import STATUS
from beffroi_ingest.batching import BatchLimits
from beffroi_ingest.camera_stream import MOST_SHORT_EPOCHS, CameraStream
from beffroi_ingest.outbox import Outbox, OutboxLimits
from beffroi_ingest.sources import EncodedUnit, Pause, Source, SourceError
from beffroi_testing import MemoryBroker, MemoryBus


@dataclass
class Site:
    """A stream with all that surrounds it. `plan` holds what each connection finds; the last one stays connected."""

    broker: MemoryBroker
    outbox: Outbox
    status: StatusReporter
    plan: list[Source | SourceError | Exception] = field(default_factory=list)
    opened: int = 0
    clock: Clock = field(default_factory=SystemClock)
    bugs: list[BaseException] = field(default_factory=list)
    played_out: threading.Event = field(default_factory=threading.Event)

    def open(self, source: CameraSource, pause: Pause) -> Source:
        self.opened += 1
        if not self.plan:
            self.played_out.set()
            pause(60)
            raise SourceError("disconnected", "the script is over")
        found = self.plan.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def stream(self, of: Camera) -> CameraStream:
        return CameraStream(
            of,
            self.open,
            self.outbox,
            self.status,
            self.clock,
            BatchLimits(0.5, 1_000_000),
            Backoff(self.clock, 0.001, 0.002),
            self._bug,
        )

    def _bug(self, bug: BaseException) -> None:
        self.bugs.append(bug)
        self.played_out.set()

    def statuses(self) -> list[CameraStatus]:
        found = [decode_status(record.value or b"") for record in self.broker.records(STATUS)]
        return [each for each in found if isinstance(each, CameraStatus)]


@pytest.fixture
def site() -> Iterator[Site]:
    broker = MemoryBroker()
    bus = MemoryBus(broker)
    outbox = Outbox(bus.producer, OutboxLimits(10_000_000, 1_000_000, 0.01), lambda bug: None)
    outbox.start()
    yield Site(broker, outbox, StatusReporter(bus.producer(), "ingest", "test", SystemClock()))
    outbox.close(1)


def play(site: Site, *plan: Source | Exception, of: Camera | None = None) -> CameraStream:
    site.plan = list(plan)
    stream = site.stream(of or camera())
    stream.start()
    assert site.played_out.wait(10)
    stream.ask_to_stop()
    assert stream.join(10)
    assert site.outbox.drain(10)
    return stream


def test_pictures_of_a_connection_are_one_epoch_without_a_gap(site: Site) -> None:
    source = ScriptedSource(units(12))
    play(site, source)
    batches = raw_batches(site.broker)
    assert [batch.sequence for batch in batches] == [0, 1, 2]
    assert len({batch.epoch for batch in batches}) == 1
    times_ns = [each.capture_time_ns for batch in batches for each in batch.units]
    assert times_ns == sorted(set(times_ns))
    assert [each.pts for batch in batches for each in batch.units] == [each.pts for each in units(12)]
    assert source.closed.is_set()


def test_one_that_was_waited_for_in_vain_sends_nothing_more(site: Site) -> None:
    stalls, goes_on, seen = threading.Event(), threading.Event(), count()

    def before_each() -> None:
        if next(seen) == 2:
            stalls.set()
            assert goes_on.wait(10)

    site.plan = [ScriptedSource(units(3), SourceError("disconnected", "gone"), before_each=before_each)]
    stream = site.stream(camera())
    stream.start()
    assert stalls.wait(10)
    stream.ask_to_stop()
    assert not stream.join(0.01)
    stream.abandon()
    goes_on.set()
    assert stream.join(10)
    assert site.outbox.drain(10)
    assert raw_batches(site.broker) == []
    counted = stream._tally.counters()
    assert counted["frames_in"] == counted["dropped"] > 0


def test_each_connection_is_a_later_epoch_and_counts_from_nought(site: Site) -> None:
    play(site, *(ScriptedSource(units(5), SourceError("disconnected", "gone")) for _ in range(3)))
    batches = raw_batches(site.broker)
    assert [batch.sequence for batch in batches] == [0, 0, 0]
    epochs = [batch.epoch for batch in batches]
    assert epochs == sorted(set(epochs))


@pytest.mark.parametrize("second", [units(5), units(5, start=10**6)])
def test_a_media_clock_that_jumps_begins_an_epoch_without_losing_a_picture(
    site: Site, second: list[EncodedUnit]
) -> None:
    play(site, ScriptedSource([*units(5, start=1000), *second]))
    batches = raw_batches(site.broker)
    assert [(batch.sequence, len(batch.units)) for batch in batches] == [(0, 5), (0, 5)]
    assert site.opened == 2, "the connection itself was kept until its script ended"


class SteppedClock(SystemClock):
    """A wall clock that somebody sets back."""

    step_s = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.step_s * 10**9


def test_a_media_clock_that_stands_still_does_not_make_a_recording_of_each_picture(site: Site) -> None:
    stands_still = [unit(7, key=True) for _ in range(1000)]
    play(site, ScriptedSource(stands_still), ScriptedSource(units(12)))
    epochs = [batch.epoch for batch in raw_batches(site.broker)]
    assert len(set(epochs)) == MOST_SHORT_EPOCHS + 2
    assert "unreadable" in [each.code for each in site.statuses()]
    assert sum(len(batch.units) for batch in raw_batches(site.broker)) == MOST_SHORT_EPOCHS + 1 + 12


def test_a_clock_that_is_set_begins_an_epoch_with_the_next_key_picture(site: Site) -> None:
    site.clock = clock = SteppedClock()
    taken = 0

    def step_after_three() -> None:
        nonlocal taken
        taken += 1
        clock.step_s = -3600 if taken > 3 else 0

    script = [replace(each, key=index in (0, 6)) for index, each in enumerate(units(10))]
    play(site, ScriptedSource(script, before_each=step_after_three))
    batches = raw_batches(site.broker)
    assert [(batch.sequence, len(batch.units), batch.starts_with_key) for batch in batches][-1] == (0, 4, True)
    assert sum(len(batch.units) for batch in batches if batch.epoch == batches[0].epoch) == 6
    assert batches[-1].epoch > batches[0].epoch
    assert batches[-1].units[0].capture_time_ns < batches[0].units[0].capture_time_ns


def test_every_batch_says_of_which_source_it_is(site: Site) -> None:
    play(site, ScriptedSource(units(5)), of=camera().model_copy(update={"source_version": 3}))
    assert {batch.source_version for batch in raw_batches(site.broker)} == {3}


def test_trouble_is_told_with_its_code_and_ends_when_pictures_arrive(site: Site) -> None:
    play(site, SourceError("refused", "nobody answers"), ScriptedSource(units(5)))
    codes = [(each.code, each.level) for each in site.statuses()]
    assert codes[:2] == [("refused", Level.ERROR), ("connected", Level.OK)]


def test_the_counters_close(site: Site) -> None:
    play(site, ScriptedSource(units(12), SourceError("disconnected", "gone")), SourceError("refused", "no"))
    counters = site.statuses()[-1].counters
    assert counters["frames_in"] == 12
    assert counters["connections"] == 1
    assert len([each for batch in raw_batches(site.broker) for each in batch.units]) == 12


def test_a_broker_that_is_away_stops_no_camera(site: Site) -> None:
    site.broker.away = True
    site.plan = [ScriptedSource(units(50))]
    stream = site.stream(camera())
    stream.start()
    assert site.played_out.wait(10)
    site.broker.away = False
    assert site.outbox.drain(10)
    stream.ask_to_stop()
    assert stream.join(10)
    assert len([each for batch in raw_batches(site.broker) for each in batch.units]) == 50


def test_an_unexpected_error_is_said_of_its_camera_which_is_tried_again(site: Site) -> None:
    play(site, ZeroDivisionError("a bug"), ScriptedSource(units(5)))
    assert [each.code for each in site.statuses()][:2] == ["internal_error", "connected"]
    assert site.bugs == []


def test_a_fatal_error_ends_the_process(site: Site) -> None:
    site.plan = [Fatal("no")]
    stream = site.stream(camera())
    stream.start()
    assert stream.join(10)
    assert [type(bug) for bug in site.bugs] == [Fatal]


UNUSABLE = {
    "too large": {"width": 8194, "height": 4098},
    "a clock finer than any": {"time_base": Fraction(1, 4_294_967_295)},
}


@pytest.mark.parametrize("changes", UNUSABLE.values(), ids=UNUSABLE)
def test_pictures_that_no_reader_takes_are_their_cameras_trouble_alone(site: Site, changes: dict[str, Any]) -> None:
    unusable = ScriptedSource(units(12))
    unusable.info = replace(unusable.info, **changes)
    play(site, unusable)
    assert [each.code for each in site.statuses()] == ["connected", "unreadable"]
    assert site.bugs == []
    assert raw_batches(site.broker) == []


@pytest.mark.parametrize(
    ("changes", "goes_on"),
    [
        ({"name": "another name"}, True),
        ({"nominal_fps": 25.0}, True),
        ({"version": 9}, True),
        ({"source": CameraSource(url="pattern:128x96@10")}, False),
        ({"slot": 1}, False),
        ({"source_version": 2}, False),
    ],
)
def test_only_a_change_of_source_or_slot_needs_a_new_connection(
    site: Site, changes: dict[str, object], goes_on: bool
) -> None:
    assert site.stream(camera()).update(camera().model_copy(update=changes)) is goes_on


def test_it_stops_at_the_next_picture(site: Site) -> None:
    stream: CameraStream | None = None
    asked = threading.Event()

    def ask() -> None:
        if asked.is_set():
            return
        asked.set()
        assert stream is not None
        stream.ask_to_stop()

    source = ScriptedSource([unit(n) for n in range(1000)], before_each=ask)
    site.plan = [source]
    stream = site.stream(camera())
    stream.start()
    assert stream.join(10)
    assert source.closed.is_set()
    assert len([each for batch in raw_batches(site.broker) for each in batch.units]) <= 2


def test_fewer_pictures_than_nominal_are_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beffroi_ingest.tally.WINDOW_S", 0.02)
    waiting = threading.Event()

    def wait() -> None:
        waiting.wait(0.005)

    source = ScriptedSource(units(20), before_each=wait)
    play(site, source, of=camera(nominal_fps=120.0 * 10))
    assert "low_frame_rate" in [each.code for each in site.statuses()]
