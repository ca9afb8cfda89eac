"""A camera is idle when nothing comes from it while somebody listens, and not before."""

from __future__ import annotations

from fractions import Fraction

import pytest

from beffroi_common.bus.idle import IdleTracker
from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, Stream
from beffroi_common.topics import FRAMES_MASKED
from beffroi_testing import ManualClock

HERE, ELSEWHERE = (FRAMES_MASKED.name, 0), (FRAMES_MASKED.name, 1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def idle(clock: ManualClock) -> IdleTracker:
    return IdleTracker(clock, 10.0)


def batch(clock: ManualClock, age_s: float = 0.0) -> FrameBatch:
    taken_ns = clock.now_ns() - int(age_s * 1e9)
    return FrameBatch(
        camera="gate",
        stream=Stream.MAIN,
        epoch=1,
        sequence=0,
        time_base=Fraction(1, 90_000),
        codec=Codec.H264,
        width=64,
        height=64,
        mask_version=1,
        units=(AccessUnit(0, 0, taken_ns, True, b"\0"),),
    )


def listen(idle: IdleTracker, clock: ManualClock, turns: int, turn_s: float = 1.0) -> None:
    for _ in range(turns):
        clock.advance(turn_s)
        idle.tick()


def test_a_camera_that_says_nothing_for_longer_than_it_may_is_idle(idle: IdleTracker, clock: ManualClock) -> None:
    observed_at_s = idle.observe(batch(clock), HERE)
    listen(idle, clock, 10)
    assert not idle.is_idle(HERE, observed_at_s)
    listen(idle, clock, 1)
    assert idle.is_idle(HERE, observed_at_s)
    assert idle.idle_for_s(HERE, observed_at_s) == 11


def test_a_long_turn_is_not_time_spent_listening(idle: IdleTracker, clock: ManualClock) -> None:
    observed_at_s = idle.observe(batch(clock), HERE)
    listen(idle, clock, 5, turn_s=300)
    assert not idle.is_idle(HERE, observed_at_s)
    listen(idle, clock, 6)
    assert idle.is_idle(HERE, observed_at_s)


def test_nobody_is_idle_while_a_backlog_is_worked_off(idle: IdleTracker, clock: ManualClock) -> None:
    observed_at_s = idle.observe(batch(clock), HERE)
    for _ in range(100):
        listen(idle, clock, 1)
        idle.observe(batch(clock, age_s=60), HERE)
    assert not idle.is_idle(HERE, observed_at_s)
    listen(idle, clock, 11)
    assert idle.is_idle(HERE, observed_at_s)


def test_a_backlog_of_one_partition_holds_up_no_other(idle: IdleTracker, clock: ManualClock) -> None:
    here, there = (idle.observe(batch(clock), each) for each in (HERE, ELSEWHERE))
    for _ in range(11):
        listen(idle, clock, 1)
        idle.observe(batch(clock, age_s=60), ELSEWHERE)
    assert idle.is_idle(HERE, here)
    assert not idle.is_idle(ELSEWHERE, there)


def test_a_partition_that_is_not_read_holds_up_its_own_cameras_alone(idle: IdleTracker, clock: ManualClock) -> None:
    here, there = (idle.observe(batch(clock), each) for each in (HERE, ELSEWHERE))
    for _ in range(11):
        clock.advance(1)
        idle.tick(unread=[ELSEWHERE])
    assert idle.is_idle(HERE, here)
    assert not idle.is_idle(ELSEWHERE, there)
    listen(idle, clock, 11)
    assert idle.is_idle(ELSEWHERE, there)
