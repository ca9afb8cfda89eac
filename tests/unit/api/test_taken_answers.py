"""Whoever takes an answer slowly gets all of it; whoever does not take it is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from beffroi_api.http.connections import LEAST_TAKEN_BYTES, PromptReaders

ANSWER_BYTES = 5_000_000
MOBILE_BYTES_PER_S = 125_000
"""1 Mbit/s."""


class Line(asyncio.Transport):
    """Somebody at the other end, who takes so much a second."""

    def __init__(self, bytes_per_s: float) -> None:
        super().__init__()
        self.bytes_per_s = bytes_per_s
        self.left = 0.0
        self.is_cut = False

    def get_write_buffer_size(self) -> int:
        return round(self.left)

    def abort(self) -> None:
        self.is_cut = True


class Timer:
    def __init__(self, at_s: float, do: Callable[[], None]) -> None:
        self.at_s, self.do, self.is_over = at_s, do, False

    def cancel(self) -> None:
        self.is_over = True


class Loop:
    """Time goes on by itself."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.timers: list[Timer] = []

    def call_later(self, delay_s: float, do: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now_s + delay_s, do))
        return self.timers[-1]

    def tick(self) -> None:
        self.now_s += 1
        for timer in list(self.timers):
            if not timer.is_over and timer.at_s <= self.now_s:
                timer.cancel()
                timer.do()


def taken_in_s(bytes_per_s: float, answer_bytes: int = ANSWER_BYTES) -> float | None:
    """How long an answer takes; None: it was cut off."""
    line, loop, connection = Line(bytes_per_s), Loop(), PromptReaders()
    connection.transport, connection.loop = line, cast("asyncio.AbstractEventLoop", loop)
    line.left = answer_bytes
    connection.pause_writing()
    while line.left > 0 and not line.is_cut:
        line.left = max(0.0, line.left - line.bytes_per_s)
        if line.left == 0:
            connection.resume_writing()
        loop.tick()
    assert line.is_cut or all(timer.is_over for timer in loop.timers)
    return None if line.is_cut else loop.now_s


def test_a_slow_line_that_takes_what_it_can_gets_all() -> None:
    assert taken_in_s(MOBILE_BYTES_PER_S) == ANSWER_BYTES / MOBILE_BYTES_PER_S
    assert taken_in_s(LEAST_TAKEN_BYTES / PromptReaders.write_timeout_s + 1) is not None


@pytest.mark.parametrize("bytes_per_s", [0, 1, LEAST_TAKEN_BYTES / PromptReaders.write_timeout_s - 1])
def test_who_takes_nothing_or_next_to_nothing_is_cut_off(bytes_per_s: float) -> None:
    assert taken_in_s(bytes_per_s) is None


def test_a_short_answer_is_taken_in_time_or_not_at_all() -> None:
    assert taken_in_s(1_000, answer_bytes=5_000) == 5
    assert taken_in_s(100, answer_bytes=5_000) is None
