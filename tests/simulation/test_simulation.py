"""The whole system under seeds, and the faults that it must find. `make simulate` runs more of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulation.planted import PLANTED
from tests.simulation.schedule import Event, Kind, Schedule, drawn, shortened

ROOT = Path(__file__).parents[2]
SEEDS = os.environ.get("SIMULATE_SEEDS", "0-23")
"""Of each run of the tests: half a minute on two cores."""
ENOUGH = "0-199"
"""Among so many seeds each planted fault is found."""


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
    ran = simulation(ENOUGH, "--planted", fault, "--no-shortening")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert ": " in ran.stdout.splitlines()[0], ran.stdout


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
