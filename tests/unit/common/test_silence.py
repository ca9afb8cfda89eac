"""A camera is silent when nothing comes from it while somebody listens, and not before."""

from __future__ import annotations

from fractions import Fraction

import pytest
from beffroi.common.bus.silence import Silence
from beffroi.common.contracts import AccessUnit, Codec, FrameBatch, Stream
from beffroi.common.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def silence(clock: ManualClock) -> Silence:
    return Silence(clock, 10.0)


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


def listen(silence: Silence, clock: ManualClock, turns: int, turn_s: float = 1.0) -> None:
    for _ in range(turns):
        clock.advance(turn_s)
        silence.turn()


def test_a_camera_that_says_nothing_for_longer_than_it_may_is_silent(silence: Silence, clock: ManualClock) -> None:
    heard_at_s = silence.heard(batch(clock))
    listen(silence, clock, 10)
    assert not silence.since(heard_at_s)
    listen(silence, clock, 1)
    assert silence.since(heard_at_s)
    assert silence.lasts_s(heard_at_s) == 11


def test_a_long_turn_is_not_time_spent_listening(silence: Silence, clock: ManualClock) -> None:
    heard_at_s = silence.heard(batch(clock))
    listen(silence, clock, 5, turn_s=300)
    assert not silence.since(heard_at_s)
    listen(silence, clock, 6)
    assert silence.since(heard_at_s)


def test_nobody_is_silent_while_a_backlog_is_worked_off(silence: Silence, clock: ManualClock) -> None:
    heard_at_s = silence.heard(batch(clock))
    for _ in range(100):
        listen(silence, clock, 1)
        silence.heard(batch(clock, age_s=60))
    assert not silence.since(heard_at_s)
    listen(silence, clock, 11)
    assert silence.since(heard_at_s)
