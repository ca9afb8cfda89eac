"""The whole system under seeds, and the faults that it must find. `make simulate` runs more of them."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import weakref
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from tests.simulation.hosts import Host
from tests.simulation.planted import GoesBack
from tests.simulation.rules import RulesProcessor, States
from tests.simulation.schedule import STEPS, Event, Kind, Schedule, drawn, shortened
from tests.simulation.world import World, simulate
from tests.unit.detector.test_rules_processor import HERE, Bench, record
from tests.unit.rules.scenes import tracks

ROOT = Path(__file__).parents[2]
SEEDS = os.environ.get("SIMULATE_SEEDS", "0-199")
"""Of each run of the tests: three minutes of one core."""
ENOUGH = 200
"""Among so many seeds each planted fault is found."""
FIRST = {"retry that drops": 60}
"""Where they begin, for what is found late: it takes no longer than it must."""
WORDS = {
    "offset too far": "offset too far: recorder",
    "repeat stored": "stored twice|is not whole",
    "mask late": "mask late: ",
    "retry that drops": "offset too far: masker",
    "alert lost": "alert lost: |alerts differ",
}
"""What the check says that a planted fault breaks. A state that goes back is too rare for so few seeds: see below."""


def simulation(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: the order of sets is part of a run."""
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_nothing_that_must_never_be_false_is() -> None:
    ran = simulation(SEEDS)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("fault", WORDS)
def test_a_planted_fault_is_found(fault: str) -> None:
    first = FIRST.get(fault, 0)
    ran = simulation(f"{first}-{first + ENOUGH - 1}", "--planted", fault, "--no-shortening")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert re.search(WORDS[fault], ran.stdout.splitlines()[0]), ran.stdout


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


def test_a_seed_runs_the_same_way_alone_and_behind_another() -> None:
    alone, other, behind = (simulation(*seeds, "--trace").stdout for seeds in (["7"], ["8"], ["8", "7"]))
    assert behind == other + alone
    assert len(alone.splitlines()) > 100


def test_a_world_that_is_over_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands run in one process."""
    worlds: weakref.WeakSet[World] = weakref.WeakSet()
    begin = World.__init__

    def noted(world: World, *about: Any) -> None:
        begin(world, *about)
        worlds.add(world)

    monkeypatch.setattr(World, "__init__", noted)
    assert simulate(Schedule(0, ())) is None
    gc.unfreeze()
    gc.collect()
    assert not worlds


def test_each_step_after_which_a_process_may_die_is_one_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, set[str]] = defaultdict(set)
    step = Host._step

    def noted(host: Host, operation: str) -> None:
        taken[host.service].add(operation)
        step(host, operation)

    monkeypatch.setattr(Host, "_step", noted)
    assert simulate(Schedule(0, ())) is None
    assert not [(service, each) for service, steps in STEPS.items() for each in steps if each not in taken[service]]


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
