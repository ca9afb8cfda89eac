"""One thing, one alert (invariant 6): as many alerts as persons who stay, whatever the tracker calls them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from tests.unit.rules.scenes import REGISTRY, SIZE, Foot, camera, run, since, times, tracks

from beffroi_common.contracts import Alert, AlertState, Tracks
from beffroi_rules.engine import advance
from beffroi_rules.fitting import plan_of
from beffroi_rules.rules.loitering import LoiteringState
from beffroi_rules.state import CameraState

LAST_S = 30.0
STEP = SIZE * 0.16
"""A walker's way between two pictures."""
CASES: dict[str, tuple[list[tuple[float, dict[str, Foot]]], int]] = {
    "another one takes over, and both are seen then": (
        [(0, {"x": (0.4, 0.5)}), (2, {"y": (0.43, 0.5)}), (3, {"x": (0.4, 0.5), "y": (0.43, 0.5)})],
        2,
    ),
    "the same, with alerts open": (
        [(0, {"x": (0.4, 0.5)}), (12, {"y": (0.43, 0.5)}), (13, {"x": (0.4, 0.5), "y": (0.43, 0.5)})],
        2,
    ),
    "a passer-by takes over and goes": (
        [
            (0, {"x": (0.4, 0.5)}),
            (12, {"y": (0.43, 0.5)}),
            (13, {"x": (0.4, 0.5), "y": (0.7, 0.5)}),
            (13.2, {"x": (0.4, 0.5)}),
        ],
        1,
    ),
    "who was hidden comes back under another name": (
        [
            (0, {"x": (0.4, 0.5)}),
            (12, {"y": (0.43, 0.5)}),
            (13, {"z": (0.4, 0.5), "y": (0.5, 0.5)}),
            (13.2, {"z": (0.4, 0.5)}),
        ],
        1,
    ),
    "the tracker goes back to the name before": (
        [(0, {"x": (0.4, 0.5)}), (5, {"y": (0.4, 0.5)}), (6, {"x": (0.4, 0.5)}), (7, {"y": (0.4, 0.5)})],
        1,
    ),
    "the lost name goes to a passer-by": (
        [
            (0, {"x": (0.4, 0.5)}),
            (12, {"y": (0.4, 0.5)}),
            (13, {"y": (0.4, 0.5), "x": (0.5, 0.5)}),
            (14, {"y": (0.4, 0.5)}),
        ],
        1,
    ),
    "two take over, one after the other, and all three are seen then": (
        [
            (0, {"x": (0.4, 0.5)}),
            (2, {"y": (0.43, 0.5)}),
            (3, {"z": (0.46, 0.5)}),
            (4, {"x": (0.4, 0.5), "y": (0.43, 0.5), "z": (0.46, 0.5)}),
        ],
        3,
    ),
    "two swap their names": (
        [(0, {"x": (0.3, 0.5), "y": (0.6, 0.5)}), (12, {"x": (0.6, 0.5), "y": (0.3, 0.5)})],
        2,
    ),
}
"""By name: who is seen from when on, and how many stay."""


def film(changes: Iterable[tuple[float, dict[str, Foot]]]) -> list[Tracks]:
    steps = sorted(changes, key=lambda change: change[0])
    return [tracks(at_s, [who for from_s, who in steps if from_s <= at_s][-1]) for at_s in times(0, LAST_S)]


def assert_once(said: Iterable[Alert]) -> None:
    """Each alert is opened once, closed at most once, and nothing is said of it outside."""
    lives: dict[str, list[AlertState]] = {}
    for alert in said:
        lives.setdefault(alert.id, []).append(alert.state)
    for life in lives.values():
        assert life[0] is AlertState.OPENED
        assert Counter(life)[AlertState.OPENED] == 1
        assert AlertState.CLOSED not in life[:-1]


def opened(said: Iterable[Alert]) -> list[Alert]:
    return [alert for alert in said if alert.state is AlertState.OPENED]


@pytest.mark.parametrize("case", CASES)
def test_as_many_alerts_as_persons(case: str) -> None:
    changes, persons = CASES[case]
    _, said = run(film(changes), camera())
    assert_once(said)
    assert len(opened(said)) == persons


def test_each_stay_counts_from_where_it_began() -> None:
    changes, _ = CASES["another one takes over, and both are seen then"]
    _, said = run(film(changes), camera())
    assert [(alert.track, since(alert.onset)) for alert in opened(said)] == [("x", 0.0), ("y", 2.0)]


def test_no_reach_is_longer_than_a_few_body_lengths() -> None:
    changes = [(0.0, {"x": (0.2, 0.5)}), (12.0, {}), (32.0, {"y": (0.85, 0.5)})]
    _, said = run([*film(changes), *(tracks(at_s, changes[2][1]) for at_s in times(32, 34))], camera(gap_s=30.0))
    assert [alert.state for alert in said if alert.state is not AlertState.UPDATED] == [AlertState.OPENED]
    assert said[-1].box[0] == pytest.approx(0.17), "somebody else far away is not who vanished"


@pytest.mark.parametrize("seed", range(40))
def test_a_crowd_that_hides_each_other(seed: int) -> None:
    """Who stays is hidden again and again by walkers, and seen again under the same name or a new one."""
    chance = random.Random(seed)
    places = [(0.4, 0.35), (0.5, 0.6), (0.6, 0.85)]
    names = {place: f"p{index}" for index, place in enumerate(places)}
    walkers: dict[str, tuple[Foot, float]] = {}
    hidden_until: dict[Foot, float] = {}
    number = 0
    messages = []
    for at_s in times(0, LAST_S):
        for place in places:
            if at_s > 1 and place not in hidden_until and chance.random() < 0.02:
                number += 1
                side = chance.choice((-1, 1))
                hidden_until[place] = at_s + chance.uniform(0.4, 1.6)
                walkers[f"w{number}"] = (place[0] - side * chance.uniform(0, 0.05), place[1]), side * STEP
            elif place in hidden_until and at_s >= hidden_until[place]:
                del hidden_until[place]
                number += 1
                names[place] = names[place] if chance.random() < 0.7 else f"n{number}"
        seen = {
            names[place]: (place[0] + chance.uniform(-0.005, 0.005), place[1])
            for place in places
            if place not in hidden_until
        }
        walkers = {
            name: ((foot[0] + way, foot[1]), way)
            for name, (foot, way) in walkers.items()
            if 0.05 < foot[0] + way < 0.95
        }
        messages.append(tracks(at_s, seen | {name: foot for name, (foot, *_) in walkers.items()}))
    _, said = run(messages, camera())
    assert_once(said)
    assert len(opened(said)) == len(places)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("gap_s", [0.0, 3.0, 30.0])
def test_whatever_a_tracker_says_each_visit_is_one(seed: int, gap_s: float) -> None:
    """Names that vanish, come back, jump and are exchanged: no two visits are one, no person is in two at a time."""
    chance = random.Random(seed)
    plan = plan_of(camera(gap_s=gap_s, threshold_s=5.0), REGISTRY)
    feet: dict[str, Foot] = {}
    state: CameraState | None = None
    said: list[Alert] = []
    for at_s in times(0, LAST_S):
        if chance.random() < 0.3:
            feet[f"t{chance.randrange(8)}"] = chance.choice(((0.4, 0.5), (0.43, 0.5), (0.5, 0.5), (0.6, 0.6)))
        if chance.random() < 0.2 and len(feet) > 1:
            one, other = chance.sample(sorted(feet), 2)
            feet[one], feet[other] = feet[other], feet[one]
        seen = {name: foot for name, foot in feet.items() if chance.random() < 0.8}
        state, alerts = advance(state, tracks(at_s, seen), plan)
        said.extend(alerts)
        remembered = state.watches["loitering"].state
        assert isinstance(remembered, LoiteringState)
        visits = remembered.visits
        assert len({visit.id for visit in visits}) == len(visits)
        now = [visit.track for visit in visits if visit.seen_us == state.last_us]
        assert len(set(now)) == len(now)
    assert_once(said)
