"""However many are on a picture, one picture takes bounded time, and what is remembered is bounded."""

from __future__ import annotations

from itertools import chain

import pytest
from tests.unit.rules.scenes import REGISTRY, Foot, camera, since, times, tracks

from beffroi_common.contracts import Alert, AlertState, Camera, CloseReason, Tracks
from beffroi_common.contracts.tracks import MAX_OBJECTS
from beffroi_rules import engine
from beffroi_rules.engine import MAX_KNOWN, MAX_PRESENT, MAX_VISITS, advance
from beffroi_rules.fitting import Plan, plan_of
from beffroi_rules.rules.loitering import LoiteringState
from beffroi_rules.state import CameraState

HERE = (0.5, 0.5)


def ghosts(at_s: float, count: int) -> dict[str, Foot]:
    """So many that nobody has seen before, and nobody sees again, all over the picture."""
    return {f"{round(at_s * 10)}-{n}": (0.15 + 0.7 * (n % 23) / 23, 0.35 + 0.5 * (n % 19) / 19) for n in range(count)}


def with_rules(count: int) -> Camera:
    one = camera(gap_s=30.0)
    rules = tuple(one.rules[0].model_copy(update={"id": f"r{number}"}) for number in range(count))
    return one.model_copy(update={"rules": rules})


def visits(state: CameraState) -> int:
    remembered = [each.state for each in state.watches.values()]
    return sum(len(each.visits) for each in remembered if isinstance(each, LoiteringState))


def counted(messages: list[Tracks], plan: Plan) -> tuple[list[CameraState], list[Alert]]:
    states: list[CameraState] = []
    said: list[Alert] = []
    for message in messages:
        state, alerts = advance(states[-1] if states else None, message, plan)
        states.append(state)
        said.extend(alerts)
    return states, said


@pytest.mark.parametrize("rules", [1, 8])
def test_what_is_remembered_of_a_crowd_is_bounded(rules: int) -> None:
    messages = [tracks(at_s, ghosts(at_s, MAX_OBJECTS)) for at_s in times(0, 2.4)]
    states, _ = counted(messages, plan_of(with_rules(rules), REGISTRY))
    assert max(map(visits, states)) == min(MAX_VISITS, rules * MAX_PRESENT)
    assert max(len(state.seen_us) for state in states) == MAX_KNOWN


def test_who_is_followed_is_not_lost_in_a_crowd() -> None:
    def picture(at_s: float) -> Tracks:
        crowd, waiting = tracks(at_s, ghosts(at_s, 2 * MAX_PRESENT)), tracks(at_s, {"waiting": HERE})
        unsure = (each.model_copy(update={"confidence": 0.5}) for each in waiting.objects)
        return crowd.model_copy(update={"objects": tuple(chain(crowd.objects, unsure))})

    messages = [tracks(0, {"waiting": HERE}), *map(picture, times(0.2, 11))]
    _, said = counted(messages, plan_of(camera(), REGISTRY))
    assert [(alert.track, alert.state) for alert in said if alert.track == "waiting"][:1] == [
        ("waiting", AlertState.OPENED)
    ]
    assert since(next(alert for alert in said if alert.track == "waiting").onset) == 0


def test_who_has_an_alert_goes_before_others_and_whoever_is_one_too_many_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    three = {"a": (0.2, 0.5), "b": (0.5, 0.5), "c": (0.8, 0.5)}
    plan = plan_of(camera(), REGISTRY)
    states, said = counted([tracks(at_s, three) for at_s in times(0, 10.4)], plan)
    assert [alert.state for alert in said] == [AlertState.OPENED] * 3
    monkeypatch.setattr(engine, "MAX_VISITS", 2)
    after, said_then = advance(states[-1], tracks(10.4, three | ghosts(10.4, 20)), plan)
    assert visits(after) == 2
    assert [(alert.state, alert.closed_reason) for alert in said_then] == [(AlertState.CLOSED, CloseReason.LEFT)]
    open_ids = {alert.id for alert in after.watches["loitering"].open}
    assert len(open_ids) == 2
    assert said_then[0].id not in open_ids
