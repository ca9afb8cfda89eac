"""How far behind a reader is, how long it has left, and that both are said in time."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from beffroi_common.bus import Backlog, LoopOptions, Offsets, Partition, Processor, Record, StatusReporter, run
from beffroi_common.contracts import Level, ServiceStatus
from beffroi_common.contracts.status import decode_status
from beffroi_common.topics import FRAMES_RAW, STATUS
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

RAW = (FRAMES_RAW.name, 0)
RETENTION_S = 600.0
SERVICES = Path(__file__).parents[3] / "services"


def read(backlog: Backlog, clock: ManualClock, offset: int, age_s: float = 0.0) -> None:
    stamp_ms = int(clock.now_ns() / 1e6 - age_s * 1000)
    backlog.observe(Record(*RAW, offset, "gate", b"", stamp_ms))


def lag(backlog: Backlog) -> tuple[float, float]:
    assert backlog.worst is not None
    return backlog.worst[1].behind_s, backlog.worst[1].headroom_s


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_whoever_is_done_with_everything_is_not_behind(clock: ManualClock) -> None:
    backlog = Backlog(clock)
    read(backlog, clock, 0, age_s=300)
    backlog.measure({RAW: 1}, {RAW: Offsets(0, 1)})
    assert lag(backlog) == (0.0, RETENTION_S)
    assert backlog.complaint is None


def test_it_is_as_far_behind_as_the_oldest_message_that_is_needed_is_old(clock: ManualClock) -> None:
    backlog = Backlog(clock)
    for offset in range(400):
        read(backlog, clock, offset, age_s=400 - offset)
    backlog.measure({RAW: 100}, {RAW: Offsets(0, 500)})
    assert lag(backlog) == pytest.approx((300, RETENTION_S - 300), abs=1.1)


def test_what_is_unread_counts_from_when_all_was_read(clock: ManualClock) -> None:
    backlog = Backlog(clock)
    read(backlog, clock, 0)
    backlog.measure({RAW: 1}, {RAW: Offsets(0, 1)})
    clock.advance(100)
    backlog.measure({RAW: 1}, {RAW: Offsets(0, 1)})
    clock.advance(50)
    backlog.measure({RAW: 1}, {RAW: Offsets(0, 200)})
    assert lag(backlog)[0] == pytest.approx(50), "a camera that was off for long is not a reader that is behind"


def test_a_partition_of_which_nothing_was_heard_yet_is_not_up_to_date(clock: ManualClock) -> None:
    backlog = Backlog(clock)
    backlog.measure({}, {RAW: Offsets(100, 200)})
    clock.advance(400)
    backlog.measure({}, {RAW: Offsets(100, 200)})
    assert lag(backlog)[0] == pytest.approx(400)
    assert backlog.complaint is not None
    backlog.measure({}, {RAW: Offsets(200, 200)})
    assert lag(backlog)[0] == 0, "it holds nothing"
    clock.advance(10)
    backlog.measure({RAW: 200}, {RAW: Offsets(100, 200)})
    assert lag(backlog)[0] == 0, "it was read to its end, though nothing came"


def test_deleting_by_bytes_shortens_what_is_left(clock: ManualClock) -> None:
    backlog = Backlog(clock)
    read(backlog, clock, 1000)
    for step in range(13):
        backlog.measure({RAW: 1000}, {RAW: Offsets(50 * step, 5000)})
        clock.advance(10)
    behind_s, headroom_s = lag(backlog)
    assert headroom_s == pytest.approx((1000 - 600) / 5, rel=0.01)
    assert behind_s == pytest.approx(120)
    assert backlog.complaint is not None


@pytest.mark.parametrize(("age_s", "said"), [(299, False), (302, True)])
def test_half_of_what_the_topic_keeps_is_an_error(clock: ManualClock, age_s: float, said: bool) -> None:
    backlog = Backlog(clock)
    read(backlog, clock, 0, age_s)
    backlog.measure({RAW: 0}, {RAW: Offsets(0, 10)})
    assert (backlog.complaint is not None) is said


def test_the_worst_partition_counts_and_one_that_left_does_not(clock: ManualClock) -> None:
    backlog, other = Backlog(clock), (FRAMES_RAW.name, 1)
    read(backlog, clock, 0, age_s=400)
    backlog.observe(Record(*other, 0, "park", b"", int(clock.now_ns() / 1e6)))
    backlog.measure({RAW: 0, other: 0}, {RAW: Offsets(0, 1), other: Offsets(0, 1)})
    assert lag(backlog)[0] == pytest.approx(400)
    assert value("beffroi_behind_seconds") == pytest.approx(400)
    backlog.measure({other: 0}, {other: Offsets(0, 1)})
    assert lag(backlog)[0] == pytest.approx(0)
    backlog.measure({}, {})
    assert backlog.worst is None
    assert value("beffroi_behind_seconds") is None


def test_a_partition_that_comes_back_counts_from_what_is_read_again(clock: ManualClock) -> None:
    backlog = Backlog(clock)
    clock.advance(1000)
    read(backlog, clock, 500)
    backlog.drop([RAW])
    read(backlog, clock, 400, age_s=100)
    backlog.measure({RAW: 400}, {RAW: Offsets(0, 501)})
    assert lag(backlog)[0] == pytest.approx(100)


def value(metric: str) -> float | None:
    return REGISTRY.get_sample_value(metric, {"topic": FRAMES_RAW.name})


def test_a_topic_that_loses_nothing_has_no_end(clock: ManualClock) -> None:
    backlog, status = Backlog(clock), (STATUS.name, 0)
    backlog.observe(Record(*status, 0, "gate", b"", 0))
    backlog.measure({status: 0}, {status: Offsets(0, 1)})
    assert backlog.worst is not None
    assert backlog.worst[1].headroom_s == math.inf
    assert backlog.complaint is None


def statuses(broker: MemoryBroker) -> list[ServiceStatus]:
    found = [decode_status(record.value or b"") for record in broker.records(STATUS)]
    return [each for each in found if isinstance(each, ServiceStatus)]


def test_the_status_says_it_over_anything_less_bad_and_with_its_numbers(clock: ManualClock) -> None:
    broker = MemoryBroker(slots=1, clock=clock)
    reporter = StatusReporter(MemoryBus(broker).producer(), "masker", "m1", clock)
    read(reporter.backlog, clock, 0, age_s=500)
    reporter.backlog.measure({RAW: 0}, {RAW: Offsets(0, 1)})
    reporter.service(Level.WARNING, "slow", "")
    reporter.service(Level.ERROR, "broken", "")
    first, second = statuses(broker)
    assert (first.level, first.code, second.code) == (Level.ERROR, "falling_behind", "broken")
    assert first.counters == {"behind_s": 500.0, "headroom_s": 100.0}


class Takes(Processor):
    """Takes every record, and stops the loop after the last."""

    def __init__(self, last: int) -> None:
        self.stop = threading.Event()
        self.records: list[Record] = []
        self._last = last

    def handle(self, record: Record) -> None:
        self.records.append(record)
        if record.offset == self._last:
            self.stop.set()

    def tick(self) -> None: ...

    def needed(self) -> Mapping[Partition, int]:
        return {}

    def assigned(self, partitions: Collection[Partition]) -> None: ...

    def revoked(self, partitions: Collection[Partition]) -> None: ...


@pytest.fixture
def read_to(clock: ManualClock) -> tuple[MemoryBroker, Callable[[int], tuple[list[Record], Backlog]]]:
    broker, backlog = MemoryBroker(slots=1, clock=clock), Backlog(clock)

    def go(last: int) -> tuple[list[Record], Backlog]:
        processor, bus = Takes(last), MemoryBus(broker)
        run(
            bus,
            processor,
            service="masker",
            topics=[FRAMES_RAW],
            producer=bus.producer(),
            stop=processor.stop,
            clock=clock,
            backlog=backlog,
            options=LoopOptions(poll_timeout_s=0.01),
        )
        return processor.records, backlog

    return broker, go


def test_what_was_gone_before_it_was_read_is_counted_and_said(
    clock: ManualClock, read_to: tuple[MemoryBroker, Callable[[int], tuple[list[Record], Backlog]]]
) -> None:
    broker, go = read_to
    for _ in range(20):
        broker.append(FRAMES_RAW.name, "gate", b"", 0, {})
    read_first, backlog = go(4)
    assert [each.overtaken for each in read_first] == [0] * 5
    assert backlog.loss is None
    broker.delete_before(RAW, 12)  # the reader was frozen meanwhile
    read_then, backlog = go(19)
    assert [(each.offset, each.overtaken) for each in read_then][:2] == [(12, 7), (13, 0)]
    assert backlog.loss is not None
    assert "7 messages" in backlog.loss
    reporter = StatusReporter(MemoryBus(broker).producer(), "masker", "m1", clock, backlog)
    reporter.service()
    assert statuses(broker)[-1].code == "overtaken"
    clock.advance(3600)
    assert backlog.loss is None


def test_every_service_that_reads_reports_how_far_behind_it_is() -> None:
    calls = [
        call
        for file in SERVICES.glob("*/beffroi_*/**/*.py")
        for call in re.findall(r"^ +run\(\n(.*?)\n +\)$", file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        if "topics=" in call
    ]
    assert len(calls) >= 4
    assert [call for call in calls if "backlog=" not in call] == []


def test_a_reporter_remembers_nobody_who_is_gone(clock: ManualClock) -> None:
    reporter = StatusReporter(MemoryBus(MemoryBroker(clock=clock)).producer(), "masker", "m1", clock)
    for number in range(1000):
        reporter.camera(f"camera-{number}", Level.OK, "masked", "")
        clock.advance(1)
    assert len(reporter._said) < 100
