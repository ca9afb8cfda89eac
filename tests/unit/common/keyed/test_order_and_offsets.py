"""Whatever happens between two commits: of each camera everything is said, in order, and nothing is skipped."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.common.keyed.streams import GROUP, INVALID, TIMEOUT_S, Stage, Stepped, batch, said

from beffroi_common.bus import Consumer, LoopOptions, Partition, RetryLater, run
from beffroi_common.bus.keyed import Executor, InlineExecutor, ThreadExecutor
from beffroi_common.contracts import DeadLetter, FrameBatch
from beffroi_common.topics import FRAMES_MASKED
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

CAMERAS = {"attic": 0, "bridge": 0, "canal": 1}
"""Each with its slot."""

BATCHES = 12
TURNS = 100
"""The story is over once all is committed, and not before this: there are fewer actions."""

STEP_S = 1.0


class Killed(Exception):  # noqa: N818
    """The process is gone."""


class Mortal(MemoryBus):
    """Its consumer dies with the process: nothing is committed on leaving."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.made: Any = None

    def consumer(self, *arguments: Any, **named: Any) -> Consumer:
        self.made = super().consumer(*arguments, **named)
        return self.made  # type: ignore[no-any-return]

    def hand_over(self) -> None:
        """All partitions leave as in a rebalance, and come back from what is committed."""
        if self.made is not None:
            self.made.close()  # at its next poll it joins again


def fill(broker: MemoryBroker, invalid: set[tuple[str, int]]) -> None:
    for sequence in range(BATCHES):
        for camera, slot in CAMERAS.items():
            data = INVALID if (camera, sequence) in invalid else b"picture"
            at_ns = broker.clock.now_ns()
            one = batch(camera, sequence, data=data, at_ns=at_ns)
            broker.append(FRAMES_MASKED.name, camera, one.encode(), slot, {})


class Story:
    """Lives of a process, one after the other, until everything is read and rested."""

    def __init__(self, actions: list[str], busy: set[tuple[str, int]], invalid: set[tuple[str, int]]) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(slots=2, clock=self.clock, session_timeout_s=10_000)
        self.actions = actions
        self.invalid = invalid
        self._busy = busy
        self.stop = threading.Event()
        self._turns = 0
        self._deadline_s = time.monotonic() + TIMEOUT_S
        fill(self.broker, invalid)

    def tell(self, new_executor: Callable[[], Executor]) -> None:
        while not self.stop.is_set():
            bus, executor = Mortal(self.broker), new_executor()
            stage = Stage(executor, self._work, self.broker, hang_s=math.inf)  # a turn takes a second, and threads more
            with suppress(Killed), stage.processor:
                run(
                    bus, stage.processor, service=GROUP, topics=[FRAMES_MASKED],
                    producer=bus.producer(), stop=self.stop, clock=self.clock, beat=lambda: self._beat(bus, executor),  # noqa: B023
                    options=LoopOptions(poll_timeout_s=0.0, commit_interval_s=3.0),
                )  # fmt: skip

    def _work(self, batch: FrameBatch) -> None:
        asked = (batch.camera, batch.sequence)
        if asked in self._busy:
            self._busy.discard(asked)
            raise RetryLater("once")

    def _beat(self, bus: Mortal, executor: Executor) -> None:
        self._turns += 1
        self.clock.advance(STEP_S)
        action = self.actions.pop() if self.actions else "work"
        if action == "kill":
            bus.made._listener = None
            raise Killed
        if action == "hand over":
            bus.hand_over()
        self.broker.away = action == "away"
        if isinstance(executor, Stepped):
            executor.work({"idle": 0, "one": 1}.get(action, 3))
        if self._turns >= TURNS and (self.all_is_committed() or time.monotonic() > self._deadline_s):
            self.stop.set()

    def all_is_committed(self) -> bool:
        partitions = [(FRAMES_MASKED.name, slot) for slot in (0, 1)]
        return all(self.broker.committed(GROUP, each) == len(self.broker.log(each)) for each in partitions)


def batches_of() -> st.SearchStrategy[set[tuple[str, int]]]:
    return st.sets(st.tuples(st.sampled_from(sorted(CAMERAS)), st.integers(0, BATCHES - 1)), max_size=4)


def check(story: Story) -> None:
    broker = story.broker
    for camera in CAMERAS:
        expected = [number for number in range(BATCHES) if (camera, number) not in story.invalid]
        first_times = list(dict.fromkeys(said(broker, camera)))
        assert first_times == expected, camera
    letters = {DeadLetter.decode(each.value or b"") for each in broker.records(FRAMES_MASKED.dead_letters)}
    refused = {(letter.key, letter.partition, letter.offset) for letter in letters}
    assert {(key, _sequence(broker, (FRAMES_MASKED.name, slot), at)) for key, slot, at in refused} == story.invalid
    assert story.all_is_committed()


def _sequence(broker: MemoryBroker, partition: Partition, offset: int) -> int:
    return FrameBatch.decode(broker.log(partition)[offset].value or b"").sequence


ACTIONS = st.lists(
    st.sampled_from(["work", "work", "one", "one", "idle", "idle", "away", "kill", "hand over"]), max_size=60
)


@given(actions=ACTIONS, busy=batches_of(), invalid=batches_of())
@settings(deadline=None, max_examples=150)
def test_any_interleaving(actions: list[str], busy: set[tuple[str, int]], invalid: set[tuple[str, int]]) -> None:
    story = Story(actions, busy, invalid)
    story.tell(Stepped)
    check(story)


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_at_once_and_in_threads(workers: int) -> None:
    actions = ["work", "hand over", "work", "work", "away", "away", "work", "kill", "work", "work", "kill"] * 3
    story = Story(actions, {("attic", 3), ("canal", 0)}, {("bridge", 5)})
    story.tell(lambda: ThreadExecutor(workers, "test") if workers else InlineExecutor())
    check(story)
