"""Time goes on without pictures: what is open ends with the last one, and late pictures are not another event."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.rules.scenes import REGISTRY, START, camera, run, times, tracks, written

from beffroi_common.contracts import Alert, AlertState, CloseReason
from beffroi_rules.engine import advance, end_idle
from beffroi_rules.fitting import plan_of
from beffroi_rules.state import CameraState

HERE = {"a": (0.5, 0.5)}
LAST = START + timedelta(seconds=10.8)


@pytest.fixture
def watched() -> CameraState:
    """Somebody has stood for 11 s, the last picture is of 10.8 s, and an alert is open."""
    state, said = run((tracks(at_s, HERE) for at_s in times(0, 11)), camera())
    assert state is not None
    assert [alert.state for alert in said] == [AlertState.OPENED]
    return state


def test_what_is_open_ends_with_the_last_picture(watched: CameraState) -> None:
    _, (closed,) = end_idle(watched)
    assert (closed.state, closed.closed_reason) == (AlertState.CLOSED, CloseReason.NO_PICTURE)
    assert closed.occurred_at == LAST


def test_it_is_said_once_whatever_follows(watched: CameraState) -> None:
    idle, _ = end_idle(watched)
    idle = CameraState.model_validate_json(written(idle))
    assert end_idle(idle) == (idle, ())
    after, said = run([tracks(600.0, HERE)], camera(), idle)
    assert said == []
    assert after is not None
    assert not after.idle


@pytest.mark.parametrize("people", [HERE, {}], ids=["stands there again", "nobody"])
def test_a_camera_that_comes_back_shows_nobody_of_before(
    watched: CameraState, people: dict[str, tuple[float, float]]
) -> None:
    _, (closed,) = run([tracks(600.0, people)], camera(), watched)
    assert (closed.state, closed.closed_reason) == (AlertState.CLOSED, CloseReason.NO_PICTURE)
    assert closed.occurred_at == LAST, "its last sighting is no picture on which it was not seen"


def test_pictures_that_were_only_late_go_on_with_the_same_alert(watched: CameraState) -> None:
    late = [tracks(at_s, HERE) for at_s in times(11, 20)] + [tracks(at_s, {}) for at_s in times(20, 26)]
    idle, _ = end_idle(watched)
    _, said = run(late, camera(), idle)
    _, punctual = run(late, camera(), watched)
    assert said == punctual
    assert AlertState.OPENED not in {alert.state for alert in said}
    assert said[-1].closed_reason is CloseReason.LEFT


def test_the_same_alerts_wherever_silence_fell() -> None:
    film = [tracks(at_s, HERE if at_s < 14 else {}) for at_s in times(0, 20)]
    _, expected = run(film, camera())
    plan = plan_of(camera(), REGISTRY)
    for silent_after in range(len(film)):
        state: CameraState | None = None
        said: dict[str, Alert] = {}
        for number, message in enumerate(film):
            state, alerts = advance(state, message, plan)
            said |= {alert.id: alert for alert in alerts}
            if number == silent_after:
                state, alerts = end_idle(state)
                said |= {alert.id: alert for alert in alerts}
        assert said == {alert.id: alert for alert in expected}


def test_after_a_clock_was_set_back_nothing_is_said_twice(watched: CameraState) -> None:
    idle, _ = end_idle(watched)
    _, said = advance(idle, tracks(-60.0, HERE, epoch=2), plan_of(camera(), REGISTRY))
    assert said == ()
