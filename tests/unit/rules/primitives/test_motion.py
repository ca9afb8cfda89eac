"""Crossing a line, travelling against a direction, standing still."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from beffroi_rules.primitives import crossing, direction, stillness
from beffroi_rules.primitives.crossing import Crossing, Passage
from beffroi_rules.primitives.direction import Travel
from beffroi_rules.primitives.geometry import Place
from beffroi_rules.primitives.stillness import Stand
from beffroi_rules.primitives.times import seconds

STOP_LINE = ((0.2, 0.5), (0.8, 0.5))
"""From left to right, as who drives up the picture sees it."""
BENT = ((0.2, 0.5), (0.5, 0.5), (0.5, 0.2))
STABLE_US = seconds(0.6)
STEP_US = seconds(0.2)


def passages(places: Sequence[Place], line: Sequence[Place] = STOP_LINE) -> list[Passage]:
    state: Crossing | None = None
    found = []
    for number, place in enumerate(places):
        state, passage = crossing.step(state, line, place, number * STEP_US, STABLE_US)
        found += [passage] if passage else []
    return found


UP = [(0.5, 0.8), (0.5, 0.6), (0.5, 0.4), (0.5, 0.3), (0.5, 0.2), (0.5, 0.1)]
CROSSINGS: dict[str, tuple[Sequence[Place], Sequence[Place], list[Passage]]] = {
    "drives on over it": (STOP_LINE, UP, [Passage(forwards=True, at_us=2 * STEP_US)]),
    "comes from beyond": (STOP_LINE, [*UP[::-1], UP[0], UP[0]], [Passage(forwards=False, at_us=4 * STEP_US)]),
    "stops before it": (STOP_LINE, [*UP[:2], *[(0.5, 0.51)] * 6], []),
    "trembles on it": (STOP_LINE, [(0.5, 0.52), (0.5, 0.49)] * 6, []),
    "is beyond for less than the stable time": (STOP_LINE, [*UP[:4], *UP[1::-1], *UP[1::-1]], []),
    "goes round its end": (STOP_LINE, [(0.1, 0.6), (0.1, 0.4), *[(0.5, 0.4)] * 5], []),
    "over the bent part": (BENT, [(0.6, 0.3), *[(0.4, 0.3)] * 4], [Passage(forwards=True, at_us=STEP_US)]),
    "round the end of the bent part": (BENT, [(0.6, 0.1), *[(0.4, 0.1)] * 5], []),
}


@pytest.mark.parametrize("case", CROSSINGS)
def test_crossings(case: str) -> None:
    line, places, expected = CROSSINGS[case]
    assert passages(places, line) == expected


def test_who_passed_may_pass_again() -> None:
    there_and_back = [*UP, *UP[::-1], *[UP[0]] * 3]
    assert [passage.forwards for passage in passages(there_and_back)] == [True, False]


def travel(places: Sequence[Place], heading: Place = (0.0, -1.0)) -> Travel:
    state: Travel | None = None
    for number, place in enumerate(places):
        state = direction.step(state, place, number * STEP_US, heading, 120.0, 0.01)
    assert state is not None
    return state


def line_to(end: Place, start: Place = (0.5, 0.2), steps: int = 10) -> list[Place]:
    return [
        (start[0] + (end[0] - start[0]) * n / steps, start[1] + (end[1] - start[1]) * n / steps)
        for n in range(steps + 1)
    ]


TRAVELS: dict[str, tuple[list[Place], float]] = {
    "straight against it": (line_to((0.5, 0.8)), 0.6),
    "with it": (line_to((0.5, 0.2), (0.5, 0.8)), 0.0),
    "across it": (line_to((0.9, 0.2)), 0.0),
    "aslant, 135° off": (line_to((0.8, 0.5)), 0.3),
    "aslant, 110° off": (line_to((0.8, 0.309)), 0.0),
    "trembles on the spot": ([(0.5, 0.2 + 0.004 * (n % 3)) for n in range(20)], 0.0),
    "against it and back again": ([*line_to((0.5, 0.8)), *line_to((0.5, 0.2), (0.5, 0.8))], 0.0),
    "against it after some of the right way": ([*line_to((0.5, 0.2), (0.5, 0.8)), *line_to((0.5, 0.5))], 0.3),
}


@pytest.mark.parametrize("case", TRAVELS)
def test_travel_against_a_direction(case: str) -> None:
    places, against = TRAVELS[case]
    assert travel(places).against == pytest.approx(against, abs=0.02)


def test_travel_begins_where_somebody_sets_off() -> None:
    stands_first = [*[(0.5, 0.2)] * 5, *line_to((0.5, 0.8))]
    assert travel(stands_first).start_us == 5 * STEP_US


LENGTH = 0.2
STANDS: dict[str, tuple[list[Place], int]] = {
    "stands": ([(0.5, 0.5)] * 6, 0),
    "trembles": ([(0.5 + 0.02 * (n % 2), 0.5) for n in range(6)], 0),
    "drives": ([(0.1 + 0.15 * n, 0.5) for n in range(6)], 5),
    "creeps: half a length in all": ([(0.1 + 0.025 * n, 0.5) for n in range(6)], 4),
    "comes to stand": ([(0.1, 0.5), (0.3, 0.5), *[(0.5, 0.5)] * 4], 2),
}


@pytest.mark.parametrize("case", STANDS)
def test_standing_still(case: str) -> None:
    places, since = STANDS[case]
    stand: Stand | None = None
    for number, place in enumerate(places):
        stand = stillness.step(stand, place, LENGTH, number * STEP_US)
    assert stand is not None
    assert stand.since_us == since * STEP_US
    assert stillness.stood_us(stand, 5 * STEP_US) == (5 - since) * STEP_US


def test_whoever_stands_on_the_spot_travels_in_no_direction() -> None:
    state: Travel | None = None
    for number in range(3):
        state = direction.step(state, (0.5, 0.5), number * STEP_US, (0.0, 1.0), 120.0, 0.0)
    assert state is not None
    assert state.against == 0
