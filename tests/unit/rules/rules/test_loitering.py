"""The rule, case by case (rules.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.unit.rules.scenes import REGISTRY, Foot, camera, run, since, times, tracks, written

from beffroi_common.contracts import AlertState, CloseReason, Tracks
from beffroi_rules.engine import ClockJumpedBackError, advance
from beffroi_rules.fitting import plan_of

HERE = (0.5, 0.5)
FAR = (0.8, 0.8)
OUTSIDE = (0.5, 0.95)
Place = Callable[[float], dict[str, Foot]]


def film(place: Place, from_s: float = 0.0, to_s: float = 14.0) -> Iterator[Tracks]:
    return (tracks(at_s, place(at_s)) for at_s in times(from_s, to_s))


def absent(from_s: float, to_s: float, then: str = "a", where: Foot = HERE) -> Place:
    """Somebody who stands, is not seen for a while, and is then seen under a name at a place."""

    def place(at_s: float) -> dict[str, Foot]:
        if at_s < from_s:
            return {"a": HERE}
        return {} if at_s < to_s else {then: where}

    return place


def moved(from_s: float, to_s: float, where: Foot) -> Place:
    """Somebody who stands, but is elsewhere for a while."""
    return lambda at_s: {"a": where if from_s <= at_s < to_s else HERE}


CASES: dict[str, tuple[Place, int]] = {
    "stands": (lambda _: {"a": HERE}, 1),
    "nobody": (lambda _: {}, 0),
    "stands outside the zone": (lambda _: {"a": OUTSIDE}, 0),
    "two people stand": (lambda _: {"a": HERE, "b": FAR}, 2),
    "trembles within the radius": (lambda t: {"a": (0.5 + 0.04 * (round(t * 5) % 3 - 1), 0.5)}, 1),
    "walks through": (lambda t: {"a": (0.15 + 0.05 * t, 0.5)}, 0),
    "creeps: never 10 s within the radius": (lambda t: {"a": (0.2 + 0.013 * t, 0.5)}, 0),
    "is not seen for 2 s": (absent(5, 7), 1),
    "is not seen for 4 s": (absent(5, 9), 0),
    "gets another identity on the spot": (absent(5, 6, "b"), 1),
    "somebody else appears far away": (absent(5, 6, "b", FAR), 0),
    "leaves the radius for 2 s": (moved(5, 7, (0.65, 0.5)), 1),
    "leaves the radius for 4 s": (moved(5, 9, (0.65, 0.5)), 0),
    "leaves the zone for 2 s": (moved(5, 7, OUTSIDE), 1),
    "leaves the zone for 4 s": (moved(5, 9, OUTSIDE), 0),
    "only touches the zone's edge": (lambda t: {"a": (0.5, 0.89 if round(t * 5) % 25 == 0 else 0.93)}, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_cases(case: str) -> None:
    place, expected = CASES[case]
    _, said = run(film(place), camera())
    assert [alert.state for alert in said if alert.state is AlertState.OPENED] == [AlertState.OPENED] * expected


def test_it_opens_at_the_threshold_with_the_onset_of_the_stay() -> None:
    # Comes from the left and stands at 0.5 from 4 s on: within the radius of that point since 2 s.
    _, said = run(film(lambda t: {"a": (min(0.5, 0.3 + 0.05 * t), 0.5)}, to_s=13), camera())
    (opened,) = said
    assert since(opened.onset) == pytest.approx(2.0, abs=0.4)  # places are a sixth of the radius apart
    assert since(opened.occurred_at) == pytest.approx(since(opened.onset) + 10)
    assert not opened.onset_unknown
    assert opened.legal_basis == "arrêté 1"
    assert opened.parameters["threshold_s"] == 10
    assert opened.track == "a"


def test_absences_do_not_count() -> None:
    _, said = run(film(moved(5, 7, (0.65, 0.5)), to_s=12.9), camera())
    assert since(said[0].occurred_at) == pytest.approx(12.0)


def test_who_stands_on_the_first_picture_has_an_unknown_onset() -> None:
    _, said = run(film(lambda _: {"a": HERE}, to_s=11), camera())
    assert said[0].onset_unknown
    _, said = run(film(lambda t: {"a": HERE} if t >= 3 else {}), camera())
    assert not said[0].onset_unknown


def test_one_event_one_alert_opened_updated_closed() -> None:
    _, said = run(film(lambda t: {"a": HERE} if t < 21 else {}, to_s=26), camera())
    assert [alert.state.value for alert in said] == ["opened", "updated", "updated", "closed"]
    assert len({alert.id for alert in said}) == 1
    assert said[-1].closed_reason is CloseReason.LEFT
    assert since(said[-1].occurred_at) == pytest.approx(24.0)


def test_the_same_pictures_give_the_same_alerts_however_often_they_are_read() -> None:
    messages = list(film(lambda _: {"a": HERE}, to_s=20))
    state, first = run(messages, camera())
    after, repeated = run(messages, camera(), state)
    assert after == state
    assert repeated == []
    _, again = run(messages, camera())
    assert again == first


def test_two_zones_cameras_or_tracks_have_alerts_of_their_own() -> None:
    _, one = run(film(lambda _: {"a": HERE}), camera())
    _, other = run(film(lambda _: {"b": HERE}), camera())
    assert one[0].id != other[0].id


def test_a_clock_that_jumps_back_is_refused_and_changes_nothing() -> None:
    state, _ = run(film(lambda _: {"a": HERE}, to_s=5), camera())
    with pytest.raises(ClockJumpedBackError, match="set back"):
        advance(state, tracks(1.0, {"a": HERE}, epoch=2), plan_of(camera(), REGISTRY))


@pytest.mark.parametrize("epoch", [2, 0], ids=["in one life of ingest", "in the next, on a corrected clock"])
def test_after_a_clock_was_set_back_by_much_the_rules_look_again_at_once(epoch: int) -> None:
    ahead = list(film(lambda _: {"a": HERE}, from_s=3600.0, to_s=3615.0))
    state, said = run(ahead, camera())
    assert [alert.state.value for alert in said] == ["opened"]
    after, closing = advance(state, tracks(0.0, {"a": HERE}, epoch=epoch), plan_of(camera(), REGISTRY))
    assert [(alert.state.value, alert.closed_reason) for alert in closing] == [("closed", CloseReason.NO_PICTURE)]
    replayed, repeated = run(ahead, camera(), after)
    assert (written(replayed), repeated) == (written(after), []), "a replay from before changes nothing"
    _, said = run((tracks(at_s, {"a": HERE}, epoch=epoch) for at_s in times(0.2, 15.0)), camera(), after)
    assert [alert.state.value for alert in said] == ["opened"]


@pytest.mark.parametrize("gap_s", [0.0, 0.1])
def test_a_rule_that_bridges_no_gap_still_alerts(gap_s: float) -> None:
    _, said = run(film(lambda _: {"a": HERE}, to_s=11.9), camera(gap_s=gap_s))
    assert [alert.state for alert in said] == [AlertState.OPENED]


ENDINGS = {
    "the legal basis ends": (camera(days=12 / 86400), CloseReason.NO_LEGAL_BASIS),
    "the legal basis is withdrawn": (camera(bases=False), CloseReason.NO_LEGAL_BASIS),
    "the camera is switched off": (camera(enabled=False), CloseReason.NO_LEGAL_BASIS),
    "the camera is removed": (None, CloseReason.RULE_CHANGED),
    "the rule is changed": (camera(threshold_s=30.0), CloseReason.RULE_CHANGED),
    "its hours are changed": (
        camera(schedule={"start": "22:00", "end": "06:00"}),
        CloseReason.RULE_CHANGED,
    ),
}


@pytest.mark.parametrize("case", ENDINGS)
def test_what_ends_an_open_alert(case: str) -> None:
    after, reason = ENDINGS[case]
    state, said = run(film(lambda _: {"a": HERE}, to_s=11.9), camera())
    assert said[-1].state is AlertState.OPENED
    state, said = run(film(lambda _: {"a": HERE}, 12.1, 16), after, state)
    (closed,) = said
    assert (closed.state, closed.closed_reason) == (AlertState.CLOSED, reason)


def test_hours_end_while_somebody_stands() -> None:
    # START is 13:00 in Lille.
    at = camera(schedule={"start": "12:00", "end": "13:00"}, threshold_s=5.0)
    _, said = run(film(lambda _: {"a": HERE}, -10, 5), at)
    assert [(alert.state.value, alert.closed_reason) for alert in said] == [
        ("opened", None),
        ("closed", CloseReason.OUT_OF_HOURS),
    ]
    assert since(said[-1].occurred_at) == 0


def test_a_camera_without_pictures_closes_what_was_open() -> None:
    state, _ = run(film(lambda _: {"a": HERE}, to_s=11), camera())
    state, said = run([tracks(60.0, {"a": HERE})], camera(), state)
    assert [alert.closed_reason for alert in said] == [CloseReason.NO_PICTURE]
    _, said = run(film(lambda _: {"a": HERE}, 60.2, 71), camera(), state)
    assert said[0].onset_unknown


def test_only_people_loiter() -> None:
    _, said = run((tracks(at_s, {"a": HERE}, label="car") for at_s in times(0, 14)), camera())
    assert said == []


def test_nothing_is_said_without_a_legal_basis() -> None:
    state, said = run(film(lambda _: {"a": HERE}), camera(bases=False))
    assert said == []
    assert state is not None
    assert state.watches == {}


def test_the_state_stays_small() -> None:
    # Five minutes of pacing up and down a small place.
    place = lambda t: {"a": (0.5 + 0.09 * ((t * 0.7) % 1), 0.5 + 0.09 * ((t * 0.31) % 1))}  # noqa: E731
    state, _ = run(film(place, to_s=300), camera(threshold_s=600))
    assert state is not None
    assert len(state.model_dump_json(exclude_defaults=True)) < 8_000
