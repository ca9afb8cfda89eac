"""What a reader knows is as old as the last time when all that the broker had was read."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from beffroi_common.bus import Bus, Consumer, Start, from_the_beginning
from beffroi_common.bus.age import ASK_EVERY_S, TopicAge, TopicTruncatedError
from beffroi_common.topics import CAMERAS
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

NewReader = Callable[[Bus], Consumer]


def member(bus: Bus) -> Consumer:
    return bus.consumer("ingest", [CAMERAS], begin_at=from_the_beginning)


def follower(bus: Bus) -> Consumer:
    return bus.follower([CAMERAS], Start.BEGINNING)


class Bench:
    def __init__(self, new_reader: NewReader) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(slots=2, clock=self.clock)
        self.reader = new_reader(MemoryBus(self.broker, instance="first"))
        self.age = TopicAge(CAMERAS, self.clock)

    def say(self, partition: int = 0) -> None:
        self.broker.append(CAMERAS.name, "gate", b"{}", partition, {})

    def turn(self, seconds: float = 0.0, polls: int = 5) -> float:
        self.clock.advance(seconds)
        for _ in range(polls):
            self.reader.poll(0.0)
            self.age.measure(self.reader)
        return self.age.age_s


@pytest.fixture(params=[member, follower])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def test_nothing_is_known_before_all_was_read(bench: Bench) -> None:
    for _ in range(3):
        bench.say()
    assert bench.age.age_s == math.inf
    assert bench.turn(polls=1) == math.inf
    assert bench.turn() == 0


def test_it_ages_while_the_broker_says_nothing_or_lets_nobody_read(bench: Bench) -> None:
    assert bench.turn() == 0
    bench.broker.denied.add(CAMERAS.name)
    assert bench.turn(40) == 40
    bench.broker.tells_ends = True
    assert bench.turn(ASK_EVERY_S) == 0, "it tells that nothing was said"
    bench.say()
    assert bench.turn(40) == 40, "something was"
    bench.broker.denied.clear()
    bench.turn(ASK_EVERY_S)
    assert bench.turn(ASK_EVERY_S) == 0
    bench.broker.away = True
    assert bench.turn(9) == 9


def test_a_partition_that_went_to_another_member_makes_nothing_older() -> None:
    bench = Bench(member)
    assert bench.turn() == 0
    bench.broker.denied.add(CAMERAS.name)
    bench.broker.tells_ends = True
    for number in range(2):
        bench.say(number)
    assert bench.turn(ASK_EVERY_S) == ASK_EVERY_S
    second = member(MemoryBus(bench.broker, instance="second"))
    for _ in range(5):
        second.poll(0.0)
        bench.turn(polls=1)
    (kept,) = bench.reader.assignment()
    bench.broker.denied.clear()
    bench.turn(ASK_EVERY_S)
    assert bench.turn(ASK_EVERY_S) == 0
    assert kept in bench.reader.reached()


def test_a_topic_that_was_made_anew_ends_whoever_reads_it(bench: Bench) -> None:
    bench.say()
    assert bench.turn() == 0
    bench.broker._logs.clear()
    with pytest.raises(TopicTruncatedError):
        bench.turn(ASK_EVERY_S)
