"""Records weighed and written down, without Faust's broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalStateError  # type: ignore[import-untyped]
from faust.exceptions import ConsumerNotStarted
from faust.types import TP
from prometheus_client import REGISTRY as METRICS
from tests.refusing import RefusingProducer
from tests.unit.rules.scenes import REGISTRY, START, camera, times, tracks

from beffroi_common.bus import (
    Absent,
    InvalidRecord,
    Producer,
    Record,
    RetryLater,
    StatusReporter,
    TableStaleError,
    TooLarge,
)
from beffroi_common.bus.crashes import TRIES
from beffroi_common.bus.dead_letters import MAX_UNSENT, RETRY_MOST_S, DeadLetterLimit, Refusals, TooManyDeadLettersError
from beffroi_common.bus.deliveries import Deliveries
from beffroi_common.contracts import Alert, AlertState, Camera, CameraRule, CameraStatus, DeadLetter, Level, Tracks
from beffroi_common.contracts.status import decode_status
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import ALERTS, STATUS, TRACKS, dead_letter_topic
from beffroi_detector.rules.__main__ import _with_data_folder
from beffroi_detector.rules.app import Failed, SteadyFlow, _config, _position, _StateWriter, make_app
from beffroi_detector.rules.processor import TracksProcessor
from beffroi_detector.rules.settings import RulesSettings
from beffroi_rules.engine import advance
from beffroi_rules.fitting import Plans
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

HERE = (0.5, 0.5)
SETTINGS = RulesSettings(kafka=KafkaSettings(bootstrap_servers="a:1, b:2"), retry_s=0.001)


class Bench:
    """A processor with a broker in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.broker = MemoryBroker(clock=self.clock)
        self.producer = MemoryBus(self.broker).producer()
        self.configured: dict[str, Camera | Absent] = {"cam": camera()}
        self.stale = False
        clock = self.clock
        self.processor = TracksProcessor(
            cameras=self.camera,
            producer=self.producer,
            refusals=Refusals(self.producer, "rules", [TRACKS], clock, DeadLetterLimit(in_a_row=3)),
            status=StatusReporter(self.producer, "rules", "test", clock),
            clock=clock,
            plans=Plans(REGISTRY),
        )

    def camera(self, name: str) -> Camera | Absent:
        """What is configured, as the table says it."""
        if self.stale:
            raise TableStaleError("cameras.v1")
        return self.configured.get(name, Absent.MISSING)

    @property
    def said(self) -> list[Alert]:
        return [Alert.decode(record.value or b"") for record in self.broker.records(ALERTS)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def record(message: Tracks | bytes | None, key: str = "cam", offset: int = 0) -> Record:
    value = message.encode() if isinstance(message, Tracks) else message
    return Record(TRACKS.name, 1, offset, key, value, 0)


def test_alerts_go_to_the_partition_of_their_camera(bench: Bench) -> None:
    remembered: str | None = None
    for at_s in times(0, 11):
        remembered = bench.processor.process(record(tracks(at_s, {"a": HERE})), remembered)
    (opened,) = bench.said
    assert opened.state is AlertState.OPENED
    assert bench.broker.log((ALERTS.name, 1))
    status = decode_status(bench.broker.records(STATUS)[-1].value or b"")
    assert isinstance(status, CameraStatus)
    assert status.code == "watching"


def test_while_a_legal_basis_may_have_ended_unheard_a_record_waits(bench: Bench) -> None:
    bench.stale = True
    with pytest.raises(RetryLater):
        bench.processor.process(record(tracks(0, {"a": HERE})), None)
    bench.stale = False
    assert bench.processor.process(record(tracks(0, {"a": HERE})), None) is not None


def test_a_release_that_refuses_everything_ends(bench: Bench) -> None:
    for offset in range(3):
        bench.processor.process(record(b"{}", offset=offset), None)
    bench.processor.process(record(tracks(0, {"a": HERE}), offset=3), None)
    for offset in range(4, 7):
        bench.processor.process(record(b"{}", offset=offset), None)
    with pytest.raises(TooManyDeadLettersError, match="4 messages in a row"):
        bench.processor.process(record(b"{}", offset=7), None)


@pytest.mark.asyncio
async def test_what_was_refused_of_a_partition_that_left_is_not_counted_when_it_comes_back(bench: Bench) -> None:
    app = make_app(SETTINGS, 2, bench.processor, lambda _error: None)
    for offset in range(6):
        if offset == 3:
            await app.on_partitions_revoked.send({TP(TRACKS.name, 1)})
        bench.processor.process(record(b"{}", offset=offset), None)
    await app.on_partitions_revoked.send({TP(TRACKS.name, 0)})
    with pytest.raises(TooManyDeadLettersError, match="4 messages in a row"):
        bench.processor.process(record(b"{}", offset=6), None)


def test_what_was_counted_is_not_written_again(bench: Bench) -> None:
    first = bench.processor.process(record(tracks(0, {"a": HERE})), None)
    assert bench.processor.process(record(tracks(0, {"a": HERE})), first) is None


def test_what_another_version_remembered_is_forgotten(bench: Bench) -> None:
    assert bench.processor.process(record(tracks(0, {"a": HERE})), '{"shape": "of old"}') is not None


@pytest.mark.parametrize(
    ("configured", "code"),
    [(Absent.MISSING, "unknown_camera"), (Absent.UNREADABLE, "unreadable_configuration")],
)
def test_a_camera_without_a_configuration_is_said_with_why(bench: Bench, configured: Absent, code: str) -> None:
    bench.configured["cam"] = configured
    bench.processor.process(record(tracks(0, {"a": HERE})), None)
    status = decode_status(bench.broker.records(STATUS)[-1].value or b"")
    assert isinstance(status, CameraStatus)
    assert status.code == code


def test_a_rule_that_rests_is_named_with_why_and_the_others_alert(bench: Bench) -> None:
    later = CameraRule(id="later", rule="from_the_future")
    bench.configured["cam"] = camera(more=(later,))
    remembered: str | None = None
    for at_s in times(0, 11):
        remembered = bench.processor.process(record(tracks(at_s, {"a": HERE})), remembered)
    assert [alert.state for alert in bench.said] == [AlertState.OPENED]
    status = decode_status(bench.broker.records(STATUS)[-1].value or b"")
    assert isinstance(status, CameraStatus)
    assert (status.level, status.code) == (Level.WARNING, "rule_unknown")
    assert "rule later rests" in status.message
    assert "from_the_future" in status.message
    assert status.resting_rules == {"later": "rule_unknown"}


@pytest.mark.parametrize(
    ("value", "key", "reason"),
    [
        (None, "cam", "tombstones"),
        (b"{", "cam", "Tracks"),
        (tracks(0, {}).encode()[:-1] + b',"mood":"angry"}', "cam", "mood"),
        (tracks(0, {}).encode(), "other", "names camera"),
    ],
)
def test_what_can_never_be_read_is_buried(bench: Bench, value: bytes | None, key: str, reason: str) -> None:
    assert bench.processor.process(record(value, key), None) is None
    (letter,) = bench.broker.records(dead_letter_topic(TRACKS))
    assert reason in DeadLetter.decode(letter.value or b"").reason


class Stream:
    """Faust's stream and events, as far as the writer sees them."""

    def __init__(self, messages: list[Tracks], offsets: list[int] | None = None) -> None:
        self.values = [each.encode() for each in messages]
        self.offsets = offsets or list(range(len(messages)))
        self.acked: list[int] = []

    async def events(self) -> AsyncIterator[Any]:
        for offset, value in zip(self.offsets, self.values, strict=True):
            message = SimpleNamespace(
                topic=TRACKS.name, partition=1, offset=offset, key=b"cam", value=value, timestamp=0.0
            )
            yield SimpleNamespace(message=message)

    async def ack(self, event: Any) -> None:
        self.acked.append(event.message.offset)


class Hesitant:
    """A producer that is full at first, and delivers late."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self.broker_clock = producer.broker_clock
        self.refusals = 2
        self.late = 2
        self.table_when_flushed: list[int] = []
        self.table: dict[str, str] = {}

    def send(self, *arguments: Any, **more: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise RetryLater("full")
        self._producer.send(*arguments, **more)

    def flush(self, _timeout_s: float) -> int:
        self.table_when_flushed.append(len(self.table))
        self.late -= 1
        return max(0, self.late)

    def close(self) -> None:
        """Nothing to let go."""


@pytest.mark.asyncio
async def test_nothing_is_remembered_before_it_was_said(bench: Bench) -> None:
    hesitant = Hesitant(bench.producer)
    bench.processor._alerts = Deliveries(hesitant)
    state: str | None = None
    for at_s in times(0, 10):
        state = bench.processor.process(record(tracks(at_s, {"a": HERE})), state)
    assert state is not None
    hesitant.table = {"cam": state}
    stream = Stream([tracks(10.0, {"a": HERE})])
    await _StateWriter(SETTINGS, bench.processor, hesitant.table).write_all(stream, stream.events())
    assert stream.acked == [0]
    assert hesitant.table["cam"] != state
    assert [alert.state for alert in bench.said] == [AlertState.OPENED]


def refusing(bench: Bench) -> RefusingProducer:
    """Let the rules send by a producer that refuses."""
    producer = RefusingProducer(bench.producer)
    bench.processor._alerts = Deliveries(producer)
    bench.processor.refusals = Refusals(producer, "rules", [TRACKS], bench.broker.clock)
    return producer


def remembered_until(bench: Bench, until_s: float) -> str:
    """What is remembered of somebody who has stayed so long."""
    state: str | None = None
    for at_s in times(0, until_s):
        state = bench.processor.process(record(tracks(at_s, {"a": HERE})), state)
    assert state is not None
    return state


@pytest.mark.asyncio
async def test_an_alert_that_is_not_taken_now_is_raised_again_before_anything_is_remembered(bench: Bench) -> None:
    table = {"cam": remembered_until(bench, 10)}
    refusing(bench).refusals[ALERTS.name] = [RetryLater("not authorised"), RetryLater("not authorised"), None]
    stream = Stream([tracks(10.0, {"a": HERE}), tracks(10.2, {"a": HERE})])
    await _StateWriter(SETTINGS, bench.processor, table).write_all(stream, stream.events())
    assert stream.acked == [0, 1]
    assert [alert.state for alert in bench.said] == [AlertState.OPENED]
    assert bench.processor.waits_for is None


@pytest.mark.parametrize("refusal", [InvalidRecord("too large for this broker"), TooLarge("too large")])
@pytest.mark.asyncio
async def test_an_alert_that_is_never_taken_is_lost_alone_and_counted(bench: Bench, refusal: InvalidRecord) -> None:
    labels = {"camera": "cam", "topic": ALERTS.name}
    before = METRICS.get_sample_value("beffroi_outputs_refused_total", labels) or 0
    table = {"cam": remembered_until(bench, 10)}
    refusing(bench).refusals[ALERTS.name] = [refusal]
    stream = Stream([tracks(10.0, {"a": HERE}), tracks(10.2, {"a": HERE})])
    await _StateWriter(SETTINGS, bench.processor, table).write_all(stream, stream.events())
    assert stream.acked == [0, 1]
    assert METRICS.get_sample_value("beffroi_outputs_refused_total", labels) == before + 1


@pytest.mark.asyncio
async def test_tracks_whose_dead_letter_is_not_taken_now_are_not_acknowledged_and_the_rest_goes_on(
    bench: Bench,
) -> None:
    refusing(bench).refusals[dead_letter_topic(TRACKS).name] = [RetryLater("not authorised"), None]
    stream = Stream([tracks(0.0, {}), tracks(0.2, {})])
    stream.values[0] = b"{"
    writer = _StateWriter(SETTINGS, bench.processor, {})
    await writer.write_all(stream, stream.events())
    assert stream.acked == [1]
    bench.clock.advance(RETRY_MOST_S)
    await writer.end_idle([])
    assert stream.acked == [1], "it is on its way, and the broker may refuse it again"
    await writer.end_idle([])
    assert stream.acked == [1, 0]
    assert len(bench.broker.records(dead_letter_topic(TRACKS))) == 1


@pytest.mark.asyncio
async def test_tracks_that_left_before_their_dead_letter_was_taken_are_never_acknowledged(bench: Bench) -> None:
    refusing(bench).refusals[dead_letter_topic(TRACKS).name] = [RetryLater("not authorised")]
    stream = Stream([tracks(0.0, {})])
    stream.values[0] = b"{"
    writer = _StateWriter(SETTINGS, bench.processor, {})
    await writer.write_all(stream, stream.events())
    await writer.leave(None, [TP(TRACKS.name, 1)])
    await writer.end_idle([])
    assert stream.acked == [], "whoever has the partition next reads them again"


@pytest.mark.asyncio
async def test_more_dead_letters_than_may_wait_are_sent_once_the_right_to_is_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a record waits to be refused nobody else has a turn: not the check for idle cameras, not another one."""
    dead = dead_letter_topic(TRACKS)
    refusing(bench).refusals[dead.name] = [RetryLater("not authorised")]
    stream = Stream([tracks(0.2 * number, {}) for number in range(MAX_UNSENT + 2)])
    stream.values[:-1] = [b"{"] * (MAX_UNSENT + 1)
    producer, sleep = bench.processor.refusals._producer, asyncio.sleep
    waits: list[float] = []

    async def wait(delay_s: float) -> None:
        waits.append(delay_s)
        assert len(waits) < 10, "nobody sends them again"
        assert isinstance(producer, RefusingProducer)
        producer.refusals.clear()  # the right is back
        bench.clock.advance(RETRY_MOST_S)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", wait)
    table: dict[str, str] = {}
    await _StateWriter(SETTINGS, bench.processor, table).write_all(stream, stream.events())
    assert waits
    assert sorted(stream.acked) == list(range(MAX_UNSENT + 2))
    assert len(bench.broker.records(dead)) == MAX_UNSENT + 1
    assert table


@pytest.mark.asyncio
async def test_a_bug_acknowledges_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(bench.processor, "process", fail)
    stream = Stream([tracks(0, {})])
    with pytest.raises(RuntimeError, match="a bug"):
        await _StateWriter(SETTINGS, bench.processor, {}).write_all(stream, stream.events())
    assert stream.acked == []


@pytest.mark.asyncio
async def test_a_message_that_was_lost_on_the_way_ends_the_process(bench: Bench) -> None:
    stream = Stream([tracks(at_s, {}) for at_s in times(0, 0.8)], offsets=[7, 8, 8, 10])
    writer = _StateWriter(SETTINGS, bench.processor, {})
    with pytest.raises(Failed, match="offset 9 was due"):
        await writer.write_all(stream, stream.events())
    assert stream.acked == [7, 8, 8]
    await writer.begin()
    again = Stream([tracks(1.0, {})], offsets=[20])
    await writer.write_all(again, again.events())
    assert again.acked == [20]


def test_resuming_twice_throws_nothing_away() -> None:
    flow = SteadyFlow()
    cleared: list[bool] = []
    flow.clear = lambda: cleared.append(True)  # type: ignore[method-assign]
    flow.resume()
    flow.resume()
    assert len(cleared) == 1
    flow.suspend()
    flow.resume()
    assert len(cleared) == 2


def test_the_folder_of_a_run_is_nobody_elses_and_goes_with_it() -> None:
    """A name that is known beforehand is one that another account of the machine can prepare."""
    with _with_data_folder(SETTINGS) as first, _with_data_folder(SETTINGS) as second:
        assert first.data_folder is not None
        assert second.data_folder is not None
        assert first.data_folder != second.data_folder
        assert first.data_folder.stat().st_mode & 0o077 == 0
        assert _config(first, partitions=7)["datadir"] == str(first.data_folder)
    assert not first.data_folder.exists()


def test_faust_is_told_what_matters() -> None:
    config = _config(SETTINGS, partitions=7)
    assert config["broker"] == ["kafka://a:1", "kafka://b:2"]
    assert config["topic_partitions"] == 7
    assert config["processing_guarantee"] == "at_least_once"
    assert config["stream_buffer_maxsize"] < 4096
    assert config["consumer_group_instance_id"].startswith("rules-")
    assert config["web_enabled"] is False


def test_tracks_that_end_the_rules_twice_are_a_dead_letter_and_the_rest_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    def fail(state: Any, message: Tracks, plan: Any) -> Any:
        if message.sequence == 1:
            tries.append(message.sequence)
            raise OverflowError("date value out of range")
        return advance(state, message, plan)

    monkeypatch.setattr("beffroi_detector.rules.processor.advance", fail)
    first, poison, last = (tracks(at_s, {"a": HERE}).model_copy(update={"sequence": at_s}) for at_s in range(3))
    remembered = bench.processor.process(record(first), None)
    assert bench.processor.process(record(poison, offset=1), remembered) is None
    assert len(tries) == TRIES
    assert bench.processor.process(record(last, offset=2), remembered) is not None
    (letter,) = (DeadLetter.decode(each.value or b"") for each in bench.broker.records(dead_letter_topic(TRACKS)))
    assert (letter.offset, letter.payload) == (1, poison.encode())
    assert "OverflowError" in letter.reason


@pytest.mark.parametrize("error", [ConsumerNotStarted(), IllegalStateError("Partition 1 is not assigned")])
@pytest.mark.asyncio
async def test_a_partition_that_is_lost_while_it_is_asked_for_has_no_position(error: Exception) -> None:
    async def position(_partition: TP) -> int:
        raise error

    app: Any = SimpleNamespace(consumer=SimpleNamespace(position=position))
    assert await _position(app, 1) is None


def test_more_to_remember_than_the_broker_takes_is_one_cameras_trouble(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    remembered = bench.processor.process(record(tracks(0, {"a": HERE})), None)
    monkeypatch.setattr("beffroi_detector.rules.processor.MOST_WRITTEN_BYTES", 1000)
    people = {f"t{n}": (0.2 + 0.02 * n, 0.5) for n in range(30)}
    assert bench.processor.process(record(tracks(1, people), offset=1), remembered) is None
    (letter,) = bench.broker.records(dead_letter_topic(TRACKS))
    assert "bytes would be remembered" in DeadLetter.decode(letter.value or b"").reason
    assert bench.processor.process(record(tracks(2, {"a": HERE}), offset=2), remembered) is not None
