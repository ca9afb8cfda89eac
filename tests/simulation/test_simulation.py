"""The whole system under seeds, and the faults that it must find. `make simulate` runs more of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulation.planted import PLANTED, GoesBack
from tests.simulation.rules import RulesProcessor, States
from tests.simulation.schedule import Event, Kind, Schedule, drawn, shortened
from tests.unit.detector.test_rules_processor import HERE, Bench, record
from tests.unit.rules.scenes import tracks

ROOT = Path(__file__).parents[2]
SEEDS = os.environ.get("SIMULATE_SEEDS", "0-23")
"""Of each run of the tests: half a minute on two cores."""
ENOUGH = "0-199"
"""Among so many seeds each planted fault is found."""
RARE = {"state that goes back": "600-799"}
"""But for these: whoever is late must write in the moment before somebody reads."""


def simulation(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: the order of sets is part of a run."""
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_nothing_that_must_never_be_false_is() -> None:
    ran = simulation(SEEDS)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str) -> None:
    ran = simulation(RARE.get(fault, ENOUGH), "--planted", fault, "--no-shortening")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert ": " in ran.stdout.splitlines()[0], ran.stdout


@pytest.mark.parametrize(("reader", "is_deceived"), [(RulesProcessor, False), (GoesBack, True)])
def test_rules_that_were_held_up_write_late_and_whoever_reads_it_leaves_it_out(
    reader: type[RulesProcessor], is_deceived: bool
) -> None:
    states = States()
    records = [
        record(tracks(number / 5, {"a": HERE}).model_copy(update={"sequence": number}), offset=number)
        for number in range(10)
    ]

    def owner(kind: type[RulesProcessor] = RulesProcessor) -> RulesProcessor:
        bench = Bench()
        made = kind(bench.processor, bench.producer, states)
        made.assigned([records[0].source])
        return made

    held_up = owner()
    for each in records[:5]:
        held_up.handle(each)
    successor = owner()
    for each in records[5:]:
        successor.handle(each)
    held_up.handle(records[5])
    assert len(states.changelog[records[0].partition]) == len(records) + 1
    assert (owner(reader).table != successor.table) is is_deceived


def test_a_seed_runs_the_same_way_each_time() -> None:
    first, second = (simulation("7", "--trace", "--jobs", "1") for _ in range(2))
    assert first.stdout == second.stdout
    assert len(first.stdout.splitlines()) > 100


def test_a_schedule_that_fails_is_made_short() -> None:
    guilty = Event(5.0, Kind.KILL, "masker-0", 8.0, 3)
    innocent = tuple(Event(float(at), Kind.FREEZE, "api-0", 2.0) for at in range(6))
    schedule = Schedule(0, (*innocent[:3], guilty, *innocent[3:]))
    found = shortened(schedule, lambda one: any(event.kind is Kind.KILL for event in one.events))
    assert [event.kind for event in found.events] == [Kind.KILL]
    assert found.events[0].for_s < 1.0


def test_a_seed_gives_one_schedule() -> None:
    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)
