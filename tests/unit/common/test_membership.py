"""Who was frozen for a session sends nothing until the group has spoken, or had the time to."""

from __future__ import annotations

import pytest

from beffroi_common.bus.membership import Membership
from beffroi_common.errors import RetryLater
from beffroi_testing import ManualClock

SESSION_S = 10.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def member(clock: ManualClock) -> Membership:
    made = Membership(SESSION_S, clock)
    made.turned()
    return made


def may_send(member: Membership) -> bool:
    try:
        member.require()
    except RetryLater:
        return False
    return True


def test_who_turns_may_send(member: Membership, clock: ManualClock) -> None:
    for _ in range(100):
        clock.advance(1)
        member.turned()
        assert may_send(member)


@pytest.mark.parametrize(("frozen_s", "sends"), [(SESSION_S - 1, True), (SESSION_S, False), (3600.0, False)])
def test_who_stood_still_for_a_session_may_not_whoever_comes_first(
    member: Membership, clock: ManualClock, frozen_s: float, sends: bool
) -> None:
    clock.advance(frozen_s)
    assert may_send(member) is sends, "the thread that sends wakes before the one that reads"
    member.turned()
    assert may_send(member) is sends
    assert member.in_doubt is not sends


def test_what_the_group_says_ends_the_doubt(member: Membership, clock: ManualClock) -> None:
    clock.advance(60)
    member.turned()
    member.confirmed()
    assert may_send(member)


def test_a_group_that_knows_it_still_says_nothing_and_a_session_later_it_may_send(
    member: Membership, clock: ManualClock
) -> None:
    clock.advance(SESSION_S)
    for second in range(int(SESSION_S)):
        assert not may_send(member), second
        clock.advance(1)
        member.turned()
    assert may_send(member)


def test_frozen_again_while_in_doubt_it_waits_anew(member: Membership, clock: ManualClock) -> None:
    clock.advance(60)
    assert not may_send(member)
    clock.advance(60)
    assert not may_send(member)


def test_who_is_no_member_of_any_group_may_always_send(clock: ManualClock) -> None:
    alone = Membership(SESSION_S, clock)
    clock.advance(3600)
    assert may_send(alone)


def test_a_loop_that_waits_while_others_work_is_not_frozen(member: Membership, clock: ManualClock) -> None:
    for _ in range(60):
        clock.advance(1)
        assert may_send(member)
