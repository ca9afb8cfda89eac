"""Who may do what with a camera, and what whoever may not is answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from beffroi_api.authz import policies
from beffroi_api.authz.policies import Permission
from beffroi_api.authz.roles import Identity, Role
from beffroi_api.authz.scope import SYSTEM, Scope
from beffroi_api.authz.territory import EVERYWHERE, Territory
from beffroi_api.errors import ApiError, NotAllowed, NotFound
from beffroi_common.contracts import Camera, CameraSource

LILLE = Territory(communes=frozenset({"Lille"}))
GATE = Territory(cameras=frozenset({"gate"}))
NOWHERE = Territory()

OPERATOR, ADMINISTRATOR, DPO = Role.OPERATOR, Role.ADMINISTRATOR, Role.DPO
Ask = Callable[[Identity, Camera], Permission]

YES, HIDDEN, NO = None, NotFound, NotAllowed
"""What `require` raises."""


def camera(commune: str = "Lille") -> Camera:
    source = CameraSource(url="pattern:160x96@5")
    return Camera(id="gate", name="Gate", commune=commune, source=source, slot=0, version=1, enabled=True)


def person(role: Role, territory: Territory) -> Identity:
    return Identity("somebody", "Somebody", role, "fr", 1, "here", territory)


CASES: list[tuple[Ask, Role, Territory, type[ApiError] | None]] = [
    (policies.may_know, DPO, LILLE, YES),
    (policies.may_know, DPO, GATE, YES),
    (policies.may_know, DPO, EVERYWHERE, YES),
    (policies.may_know, ADMINISTRATOR, NOWHERE, HIDDEN),
    (policies.may_watch, OPERATOR, LILLE, YES),
    (policies.may_watch, OPERATOR, NOWHERE, HIDDEN),
    (policies.may_watch, DPO, LILLE, NO),
    (policies.may_watch, DPO, NOWHERE, HIDDEN),
    (policies.may_configure, ADMINISTRATOR, LILLE, YES),
    (policies.may_configure, ADMINISTRATOR, EVERYWHERE, YES),
    (policies.may_configure, ADMINISTRATOR, GATE, NO),
    (policies.may_configure, ADMINISTRATOR, NOWHERE, HIDDEN),
    (policies.may_configure, OPERATOR, LILLE, NO),
    (policies.may_configure, OPERATOR, NOWHERE, HIDDEN),
    (lambda who, it: policies.may_place(who, it.commune), ADMINISTRATOR, LILLE, YES),
    (lambda who, it: policies.may_place(who, it.commune), ADMINISTRATOR, EVERYWHERE, YES),
    (lambda who, it: policies.may_place(who, it.commune), ADMINISTRATOR, GATE, NO),
    (lambda who, it: policies.may_place(who, it.commune), OPERATOR, LILLE, NO),
]


@pytest.mark.parametrize(("ask", "role", "territory", "error"), CASES)
def test_the_table(ask: Ask, role: Role, territory: Territory, error: type[ApiError] | None) -> None:
    permission = ask(person(role, territory), camera())
    assert permission.is_granted == (error is None)
    if error is None:
        policies.require(permission, "gate")
    else:
        with pytest.raises(error):
            policies.require(permission, "gate")


@pytest.mark.parametrize("ask", [policies.may_know, policies.may_watch, policies.may_configure])
def test_out_of_scope_is_answered_as_not_there(ask: Callable[[Identity, Camera | None], Permission]) -> None:
    answers = []
    for found in (camera(), None):
        with pytest.raises(NotFound) as refused:
            policies.require(ask(person(ADMINISTRATOR, NOWHERE), found), "gate")
        answers.append(refused.value.detail)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("territory", [LILLE, EVERYWHERE, GATE])
def test_the_address_of_a_camera_is_for_administrators_of_its_commune(territory: Territory) -> None:
    shown_to = [role for role in Role if policies.may_see_source(person(role, territory), camera())]
    assert shown_to == ([] if territory is GATE else [ADMINISTRATOR])


def test_a_scope_says_who_acts_and_why() -> None:
    mine = Scope.of(person(OPERATOR, LILLE))
    assert (mine.actor, mine.reason) == ("somebody", "")
    assert [mine.allows(camera(commune)) for commune in ("Lille", "Hellemmes")] == [True, False]
    assert not mine.covers("gate", None), "nobody knows whose it is"
    theirs = Scope.system("a reason")
    assert (theirs.actor, theirs.reason) == (SYSTEM, "a reason")
    assert theirs.covers("gate", None)
