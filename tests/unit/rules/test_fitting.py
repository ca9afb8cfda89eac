"""Rules on their geometry: what can run, and what rests and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.rules.scenes import REGISTRY, START, camera, run, times, tracks, written

from beffroi_common.contracts import AlertState, Camera, CameraRule, CloseReason, Zone
from beffroi_common.contracts.base import MAX_OBJECT_BYTES
from beffroi_rules.fitting import Plans, RestReason, UnfitError, fit, plan_of
from beffroi_rules.registry import Registry
from beffroi_rules.rule import Parameters
from beffroi_rules.state import CameraState, Watch

SQUARE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
BOW_TIE = ((0.1, 0.1), (0.5, 0.5), (0.5, 0.1), (0.1, 0.5))
HERE = {"a": (0.5, 0.5)}
UNKNOWN = CameraRule(id="later", rule="from_the_future", parameters={"x": 1}, geometry={"gate": "nowhere"})


def rule(**changes: Any) -> CameraRule:
    return CameraRule(**({"id": "r", "rule": "loitering", "geometry": {"zone": "z"}} | changes))


def zone(**changes: Any) -> Zone:
    return Zone(**({"id": "z", "name": "z", "kind": "sensitive", "shape": "polygon", "points": SQUARE} | changes))


FAULTS: dict[str, tuple[CameraRule, Zone, list[tuple[RestReason, str]]]] = {
    "unknown": (rule(rule="from_the_future"), zone(), [(RestReason.UNKNOWN, "rule")]),
    "a parameter out of bounds": (
        rule(parameters={"threshold_s": 1}),
        zone(),
        [(RestReason.PARAMETERS, "parameters.threshold_s")],
    ),
    "a parameter that nobody knows": (
        rule(parameters={"mood": "angry"}),
        zone(),
        [(RestReason.PARAMETERS, "parameters.mood")],
    ),
    "an hour of a schedule": (
        rule(parameters={"schedule": {"start": "25:00", "end": "06:00"}}),
        zone(),
        [(RestReason.PARAMETERS, "parameters.schedule.start")],
    ),
    "a role that nobody plays": (rule(geometry={}), zone(), [(RestReason.GEOMETRY, "geometry.zone")]),
    "a zone that is not there": (rule(geometry={"zone": "y"}), zone(), [(RestReason.GEOMETRY, "geometry.zone")]),
    "a role that there is not": (
        rule(geometry={"zone": "z", "exit": "z"}),
        zone(),
        [(RestReason.GEOMETRY, "geometry.exit")],
    ),
    "a zone of another kind": (rule(), zone(kind="lawn"), [(RestReason.GEOMETRY, "geometry.zone")]),
    "a zone of another shape": (rule(), zone(shape="line"), [(RestReason.GEOMETRY, "geometry.zone")]),
    "an outline that crosses itself": (rule(), zone(points=BOW_TIE), [(RestReason.GEOMETRY, "geometry.zone")]),
    "several things": (
        rule(parameters={"gap_s": -1}, geometry={}),
        zone(),
        [(RestReason.PARAMETERS, "parameters.gap_s"), (RestReason.GEOMETRY, "geometry.zone")],
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_all_that_does_not_fit_is_said(case: str) -> None:
    wanted, drawn, expected = FAULTS[case]
    with pytest.raises(UnfitError) as refused:
        fit(wanted, (drawn,), REGISTRY)
    assert [(fault.reason, fault.field) for fault in refused.value.faults] == expected


def test_defaults_are_stamped() -> None:
    assert fit(rule(parameters={"threshold_s": 20}), (zone(),), REGISTRY).stamped["gap_s"] == 3.0


class Wordy(Parameters):
    text: str = ""
    more: str = "x" * 100


def test_what_no_alert_could_carry_rests() -> None:
    wordy = Registry({"loitering": replace(REGISTRY.rules["loitering"], parameters=Wordy)})
    text = "x" * (MAX_OBJECT_BYTES - 50)
    assert fit(rule(parameters={"text": text, "more": ""}), (zone(),), wordy).stamped["more"] == ""
    with pytest.raises(UnfitError, match="longer than"):
        fit(rule(parameters={"text": text}), (zone(),), wordy)


def test_a_rule_that_rests_concerns_no_other() -> None:
    at = camera(more=(UNKNOWN,))
    plan = plan_of(at, REGISTRY)
    assert [each.id for each in plan.running] == ["loitering"]
    assert [(each.id, each.reason) for each in plan.resting] == [("later", RestReason.UNKNOWN)]
    assert plan.reasons == {"later": "rule_unknown"}
    assert plan.resting[0].fields == ("rule",)
    _, said = run((tracks(at_s, HERE) for at_s in times(0, 11)), at)
    assert [alert.state for alert in said] == [AlertState.OPENED]


@pytest.fixture
def of_a_later_release() -> CameraState:
    """What is remembered of a camera, 6 s on: of a rule that this release does not know there is an open alert."""
    watched = camera(more=(rule(id="later", parameters={"threshold_s": 5.0}),))
    state, said = run((tracks(at_s, HERE) for at_s in times(0, 6)), watched)
    assert state is not None
    assert [alert.state for alert in said] == [AlertState.OPENED]
    renamed = state.watches["later"].model_copy(update={"rule": "from_the_future"})
    return state.model_copy(update={"watches": state.watches | {"later": renamed}})


def test_what_only_a_later_release_can_go_on_with_is_kept_for_it(of_a_later_release: CameraState) -> None:
    pictures = (tracks(at_s, HERE) for at_s in times(6, 7))
    after, said = run(pictures, camera(more=(UNKNOWN,)), of_a_later_release)
    assert after is not None
    assert after.watches["later"] == Watch.model_validate_json(written(of_a_later_release.watches["later"]))
    assert said == []


@pytest.mark.parametrize(
    ("at", "at_s", "reason"),
    [
        (camera(), 6.0, CloseReason.RULE_CHANGED),
        (None, 6.0, CloseReason.RULE_CHANGED),
        (camera(more=(UNKNOWN,)), 60.0, CloseReason.NO_PICTURE),
    ],
    ids=["taken off", "the camera was removed", "no pictures"],
)
def test_an_alert_of_a_later_release_is_closed(
    of_a_later_release: CameraState, at: Camera | None, at_s: float, reason: CloseReason
) -> None:
    after, said = run([tracks(at_s, HERE)], at, of_a_later_release)
    assert after is not None
    assert "later" not in after.watches
    assert [(alert.state, alert.closed_reason) for alert in said] == [(AlertState.CLOSED, reason)]


def test_an_alert_whose_rule_forgot_it_is_closed_once() -> None:
    at = camera()
    state, (opened,) = run((tracks(at_s, HERE) for at_s in times(0, 11)), at)
    assert state is not None
    unreadable = state.watches["loitering"].model_copy(update={"state": {"of": "another release"}})
    state = state.model_copy(update={"watches": {"loitering": unreadable}})
    _, said = run((tracks(at_s, HERE) for at_s in times(11, 15)), at, state)
    assert [(alert.id, alert.closed_reason) for alert in said] == [(opened.id, CloseReason.RULE_CHANGED)]


@pytest.mark.parametrize(
    ("at", "known", "expected"),
    [
        (camera(), {"person", "car"}, {"person"}),
        (camera(), {"car"}, set()),
        (camera(bases=False), {"person"}, set()),
        (camera(enabled=False), {"person"}, set()),
        (camera(threshold_s=-1.0), {"person"}, set()),
        (None, {"person"}, set()),
    ],
    ids=["allowed", "the model knows no such class", "no basis", "switched off", "unfit", "removed"],
)
def test_only_what_rules_need_and_a_basis_allows_is_looked_for(at: Any, known: set[str], expected: set[str]) -> None:
    plan = plan_of(at, REGISTRY).with_classes(known)
    assert plan.classes(START) == expected
    assert plan.classes(START + timedelta(days=2)) == set()


def test_a_rule_rests_whose_class_the_model_lacks() -> None:
    (resting,) = plan_of(camera(), REGISTRY).with_classes({"car"}).resting
    assert (resting.id, resting.reason, "person" in resting.message) == ("loitering", RestReason.CLASSES, True)


def test_a_plan_is_made_once_for_a_configuration() -> None:
    plans, first = Plans(REGISTRY), camera()
    plan = plans.of("cam", first)
    assert plans.of("cam", first) is plan
    assert plans.of("cam", camera(threshold_s=30.0)) is not plan
    assert plans.of("cam", None).running == ()
    assert not plans._made, "nothing is kept of a camera that is gone"
