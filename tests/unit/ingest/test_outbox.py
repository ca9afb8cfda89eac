"""The outbox: bounded, oldest out first, every batch counted once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import pytest
from tests.unit.ingest.conftest import raw_batches

from beffroi_common.bus import Delivered, DeliveryError, InvalidRecord, Producer, RetryLater
from beffroi_common.contracts import AccessUnit, Codec, Contract, FrameBatch, Stream
from beffroi_common.topics import FRAMES_RAW, MAX_FRAME_RECORD_BYTES, Topic
from beffroi_ingest import outbox as outbox_module
from beffroi_ingest.outbox import RENEW_S, Outbox, OutboxLimits, SideProducer
from beffroi_ingest.tally import Tally
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

LIMITS = OutboxLimits(waiting_bytes=1000, in_flight_bytes=300, timeout_s=0.01)
StartOutbox = Callable[..., Outbox]


def batch(sequence: int, size: int = 100, camera: str = "gate") -> FrameBatch:
    unit = AccessUnit(0, 0, 0, True, b"x" * size)
    return FrameBatch(camera, Stream.MAIN, 1, sequence, Fraction(1, 90_000), Codec.H264, 64, 48, 0, (unit,))


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def start(broker: MemoryBroker) -> Iterator[StartOutbox]:
    started: list[Outbox] = []
    bugs: list[BaseException] = []

    def start(new_producer: Callable[[], Producer] | None = None) -> Outbox:
        outbox = Outbox(new_producer or MemoryBus(broker).producer, LIMITS, bugs.append)
        outbox.start()
        started.append(outbox)
        return outbox

    yield start
    for outbox in started:
        outbox.close(1)
    assert bugs == []


def test_batches_go_out_in_order_to_the_slot_of_their_camera(broker: MemoryBroker, start: StartOutbox) -> None:
    tally, outbox = Tally("gate"), start()
    for number in range(20):
        outbox.put(batch(number), 1, tally)
        assert outbox.drain(5)
    assert [each.sequence for each in raw_batches(broker)] == list(range(20))
    assert {record.partition for record in broker.records(FRAMES_RAW)} == {1}
    assert (tally.batches_out, tally.dropped) == (20, 0)


def test_while_the_broker_is_away_the_oldest_are_dropped_and_counted(broker: MemoryBroker, start: StartOutbox) -> None:
    tally, outbox = Tally("gate"), start()
    broker.away = True
    for number in range(50):
        outbox.put(batch(number), 0, tally)
    broker.away = False
    assert outbox.drain(5)
    sent = [each.sequence for each in raw_batches(broker)]
    assert sent[-10:] == list(range(40, 50))
    assert len(sent) <= 11, "all that fits waits, and one may be on its way"
    assert (tally.batches_out, tally.dropped) == (len(sent), 50 - len(sent))


def test_a_batch_too_large_is_dropped_and_the_next_passes(broker: MemoryBroker) -> None:
    tally, bugs = Tally("gate"), list[BaseException]()
    limits = OutboxLimits(4 * MAX_FRAME_RECORD_BYTES, MAX_FRAME_RECORD_BYTES, 0.01)
    outbox = Outbox(MemoryBus(broker).producer, limits, bugs.append)
    outbox.start()
    outbox.put(batch(0, size=50_000_000), 0, tally)
    outbox.put(batch(1), 0, tally)
    outbox.close(5)
    assert [each.sequence for each in raw_batches(broker)] == [1]
    assert (tally.batches_out, tally.dropped, bugs) == (1, 1, [])


class Unreliable:
    """A producer that does what a test tells it."""

    def __init__(self, behind: Producer) -> None:
        self.behind = behind
        self.broker_clock = behind.broker_clock
        self.acknowledges = True
        self.broken = False
        self.full: set[int | None] = set()
        self.refused: dict[int, InvalidRecord | RetryLater] = {}
        self.sent: list[int] = []
        self.told: list[tuple[Delivered, InvalidRecord | RetryLater | None, int | None]] = []
        self.silent: set[int | None] = set()

    def send(
        self,
        topic: Topic,
        key: str,
        value: Contract | FrameBatch | None,
        *,
        partition: int | None = None,
        on_delivery: Delivered | None = None,
    ) -> None:
        if partition in self.full:
            raise RetryLater("full")
        assert isinstance(value, FrameBatch)
        assert on_delivery is not None
        self.sent.append(value.sequence)
        if value.sequence not in self.refused:
            self.behind.send(topic, key, value, partition=partition)
        self.told.append((on_delivery, self.refused.get(value.sequence), partition))

    def flush(self, timeout_s: float) -> int:
        if self.broken:
            raise DeliveryError("broken")
        waiting, self.told = self.told, []
        for on_delivery, refusal, partition in waiting:
            if self.acknowledges and partition not in self.silent:
                on_delivery(refusal)
            else:
                self.told.append((on_delivery, refusal, partition))
        return len(self.told)

    def close(self) -> None:
        pass


def eventually(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(1000):
        if condition():
            return
        waiting.wait(0.005)
    raise AssertionError("it did not come to pass within 5 s")


def test_not_more_is_handed_over_than_may_be_in_flight(broker: MemoryBroker, start: StartOutbox) -> None:
    producer = Unreliable(MemoryBus(broker).producer())
    producer.acknowledges = False
    tally, outbox = Tally("gate"), start(lambda: producer)
    for number in range(8):
        outbox.put(batch(number), 0, tally)
    eventually(lambda: len(producer.sent) == 3)
    assert not outbox.drain(0.1)
    assert (producer.sent, tally.batches_out) == ([0, 1, 2], 0)
    producer.acknowledges = True
    assert outbox.drain(5)
    assert (producer.sent, tally.batches_out) == (list(range(8)), 8)


def test_a_full_producer_takes_the_batch_later_and_in_order(broker: MemoryBroker, start: StartOutbox) -> None:
    producer = Unreliable(MemoryBus(broker).producer())
    producer.full = {0}
    tally, outbox = Tally("gate"), start(lambda: producer)
    for number in range(5):
        outbox.put(batch(number), 0, tally)
    assert not outbox.drain(0.1)
    producer.full = set()
    assert outbox.drain(5)
    assert producer.sent == list(range(5))


def test_what_a_broken_producer_had_in_flight_is_sent_by_a_new_one_and_nothing_is_lost(
    broker: MemoryBroker, start: StartOutbox
) -> None:
    made: list[Unreliable] = []

    def new_producer() -> Producer:
        made.append(Unreliable(MemoryBus(broker).producer()))
        made[-1].broken = len(made) == 1
        return made[-1]

    gate, park, outbox = Tally("gate"), Tally("park"), start(new_producer)
    outbox.put(batch(0), 0, gate)
    outbox.put(batch(1, camera="park"), 1, park)
    eventually(lambda: len(made) == 2)
    assert outbox.drain(5)
    assert (gate.batches_out, gate.dropped, park.batches_out, park.dropped) == (1, 0, 1, 0)


def test_who_waits_for_a_new_connection_goes_on_beating(broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    def new_producer() -> Producer:
        made.append(Unreliable(MemoryBus(broker).producer()))
        made[-1].broken = True
        return made[-1]

    made: list[Unreliable] = []
    beats: list[int] = []
    monkeypatch.setattr(outbox_module, "BEAT_S", 0.01)
    limits = replace(LIMITS, timeout_s=60.0)
    outbox = Outbox(new_producer, limits, lambda bug: pytest.fail(repr(bug)), beat=lambda: beats.append(len(made)))
    outbox.start()
    try:
        outbox.put(batch(0), 0, Tally("gate"))
        eventually(lambda: len(beats) > 20)
        assert len(made) == 1
    finally:
        outbox.close(0)


def test_a_batch_that_is_refused_costs_no_other(broker: MemoryBroker, start: StartOutbox) -> None:
    made: list[Unreliable] = []

    def new_producer() -> Producer:
        made.append(Unreliable(MemoryBus(broker).producer()))
        made[-1].refused = {1: InvalidRecord("told to be")}
        return made[-1]

    gate, park, outbox = Tally("gate"), Tally("park"), start(new_producer)
    for number in range(3):
        outbox.put(batch(number), 0, gate)
    outbox.put(batch(7, camera="park"), 1, park)
    assert outbox.drain(5)
    assert (gate.batches_out, gate.dropped, park.batches_out, park.dropped) == (2, 1, 1, 0)
    assert len(made) == 1, "its connection is as good as before"


def test_what_the_broker_takes_from_nobody_now_waits_in_its_order_and_is_not_lost(
    broker: MemoryBroker, start: StartOutbox
) -> None:
    producer = Unreliable(MemoryBus(broker).producer())
    producer.refused = dict.fromkeys(range(5), RetryLater("the right to write was lost"))
    tally, outbox = Tally("gate"), start(lambda: producer)
    for number in range(5):
        outbox.put(batch(number), 0, tally)
    eventually(lambda: len(producer.sent) > 6)
    producer.refused = {}
    assert outbox.drain(5)
    assert [each.sequence for each in raw_batches(broker)] == list(range(5))
    assert (tally.batches_out, tally.dropped) == (5, 0)


def test_what_would_come_behind_a_later_batch_is_said_to_be_lost(broker: MemoryBroker, start: StartOutbox) -> None:
    """Readers leave it out, and would call it a repeat."""
    producer = Unreliable(MemoryBus(broker).producer())
    producer.acknowledges = False
    producer.refused = {1: RetryLater("no leader")}
    tally, outbox = Tally("gate"), start(lambda: producer)
    for number in range(3):
        outbox.put(batch(number), 0, tally)
    eventually(lambda: len(producer.sent) == 3)
    producer.refused = {}
    producer.acknowledges = True
    assert outbox.drain(5)
    assert [each.sequence for each in raw_batches(broker)] == [0, 2]
    assert (tally.batches_out, tally.dropped) == (2, 1)


def test_after_a_refusal_batches_go_one_at_a_time_until_one_is_taken(broker: MemoryBroker, start: StartOutbox) -> None:
    producer = Unreliable(MemoryBus(broker).producer())
    producer.refused = dict.fromkeys(range(3), RetryLater("the right to write was lost"))
    tally, outbox = Tally("gate"), start(lambda: producer)
    for number in range(3):
        outbox.put(batch(number), 0, tally)
    eventually(lambda: len(producer.sent) >= 6)
    assert set(producer.sent[3:]) == {0}
    producer.refused = {}
    assert outbox.drain(5)
    assert [each.sequence for each in raw_batches(broker)] == [0, 1, 2]
    assert (tally.batches_out, tally.dropped) == (3, 0)


def test_a_slot_that_nobody_takes_keeps_no_other_camera_waiting(broker: MemoryBroker, start: StartOutbox) -> None:
    gate, park, outbox = Tally("gate"), Tally("park"), start()
    for number in range(5):
        outbox.put(batch(number), 99, gate)  # there is no such partition
        outbox.put(batch(number, camera="park"), 1, park)
    assert outbox.drain(5, [1])
    assert (gate.batches_out, park.batches_out) == (0, 5)


def test_a_partition_that_acknowledges_nothing_keeps_no_other_camera_waiting(
    broker: MemoryBroker, start: StartOutbox
) -> None:
    producer = Unreliable(MemoryBus(broker).producer())
    producer.silent = {0}
    gate, park, outbox = Tally("gate"), Tally("park"), start(lambda: producer)
    for number in range(4):
        outbox.put(batch(number), 0, gate)
        outbox.put(batch(number, camera="park"), 1, park)
    assert outbox.drain(5, [1])
    assert (gate.batches_out, park.batches_out) == (0, 4)
    producer.silent = set()


def test_a_hand_over_waits_for_its_own_cameras_alone(broker: MemoryBroker, start: StartOutbox) -> None:
    producer = Unreliable(MemoryBus(broker).producer())
    producer.silent = {0}
    outbox = start(lambda: producer)
    outbox.put(batch(0), 0, Tally("gate"))
    eventually(lambda: producer.sent == [0])
    assert outbox.drain(0, [1]), "nothing of it is left to wait for"
    assert not outbox.drain(0, [0])
    producer.silent = set()


def test_whoever_has_most_waiting_loses_its_oldest_and_no_other_camera_does(broker: MemoryBroker) -> None:
    small, large = Tally("gate"), Tally("park")
    outbox = Outbox(MemoryBus(broker).producer, LIMITS, lambda bug: None)
    outbox.put(batch(0), 0, small)
    for number in range(30):
        outbox.put(batch(number, camera="park"), 0, large)
    assert (small.dropped, large.dropped) == (0, 21)


def test_what_is_held_waits_and_then_goes_in_order(broker: MemoryBroker, start: StartOutbox) -> None:
    tally, outbox = Tally("gate"), start()
    outbox.put(batch(0), 0, tally)
    outbox.hold([0])
    for number in (1, 2):
        outbox.put(batch(number), 0, tally)
    outbox.put(batch(7, camera="park"), 1, tally)
    assert outbox.drain(5), "what is held is not waited for"
    assert sorted(each.sequence for each in raw_batches(broker)) == [0, 7]
    outbox.release([0])
    outbox.put(batch(3), 0, tally)
    assert outbox.drain(5)
    assert [each.sequence for each in raw_batches(broker) if each.camera == "gate"] == [0, 1, 2, 3]


def test_what_is_held_counts_against_the_bound_and_the_oldest_of_all_is_dropped(broker: MemoryBroker) -> None:
    held, waiting = Tally("gate"), Tally("park")
    outbox = Outbox(MemoryBus(broker).producer, LIMITS, lambda bug: None)
    outbox.hold([0])
    for number in range(8):
        outbox.put(batch(number), 0, held)
        outbox.put(batch(number, camera="park"), 1, waiting)
    assert (held.dropped, waiting.dropped) == (3, 3)
    assert outbox.discard([0]) == 5
    assert (held.dropped, waiting.dropped) == (8, 3)
    for number in range(8, 13):
        outbox.put(batch(number), 0, held)
    assert (held.dropped, waiting.dropped) == (8, 3), "what was discarded no longer counts"


def test_what_is_held_at_the_end_is_sent(broker: MemoryBroker, start: StartOutbox) -> None:
    outbox = start()
    outbox.hold([0])
    outbox.put(batch(0), 0, Tally("gate"))
    outbox.close(5)
    assert [each.sequence for each in raw_batches(broker)] == [0]


class Refusing(Unreliable):
    """A producer that was refused a message for good."""

    def send(
        self,
        topic: Topic,
        key: str,
        value: Contract | FrameBatch | None,
        *,
        partition: int | None = None,
        on_delivery: Delivered | None = None,
    ) -> None:
        raise DeliveryError("refused")


def test_a_side_producer_turns_a_refusal_for_good_into_retry_later_and_begins_anew(broker: MemoryBroker) -> None:
    made: list[Producer] = []

    def new_producer() -> Producer:
        real = MemoryBus(broker).producer()
        made.append(real if len(made) == 2 else Refusing(real))
        return made[-1]

    clock = ManualClock()
    producer = SideProducer(new_producer, clock)
    for _ in range(3):
        with pytest.raises(RetryLater, match="refused"):
            producer.send(FRAMES_RAW, "gate", batch(0), partition=0)
    assert len(made) == 2, "not one each time"
    clock.advance(RENEW_S)
    with pytest.raises(RetryLater, match="refused"):
        producer.send(FRAMES_RAW, "gate", batch(0), partition=0)
    producer.send(FRAMES_RAW, "gate", batch(1), partition=0)
    assert producer.flush(1) == 0
    assert [each.sequence for each in raw_batches(broker)] == [1]


def test_who_was_frozen_throws_away_what_waits_what_is_held_and_what_may_not_be_sent(
    broker: MemoryBroker, start: StartOutbox
) -> None:
    broker.away = True
    gate, park, outbox = Tally("gate"), Tally("park"), start()
    outbox.put(batch(0), 0, gate)
    outbox.hold([0])
    outbox.put(batch(1), 0, gate)
    outbox.put(batch(0, camera="park"), 1, park)
    assert outbox.clear([0]) == 2
    outbox.put(batch(2), 0, gate)
    broker.away = False
    assert outbox.drain(5)
    sent = [(each.camera, each.sequence) for each in raw_batches(broker)]
    assert sorted(sent) == [("gate", 2), ("park", 0)]
    assert (gate.batches_out, gate.dropped) == (1, 2)
