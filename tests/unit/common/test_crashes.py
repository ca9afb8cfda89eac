"""How long a camera is left out of which record after record ends in an unexpected error."""

from __future__ import annotations

from beffroi_common.bus.crashes import LEFT_OUT_FIRST_S, LEFT_OUT_MOST_S, ONCE_S, TRIES, Crashes, RecordCrashError
from beffroi_common.bus.interfaces import Record
from beffroi_common.errors import InvalidRecord
from beffroi_testing import ManualClock


class Camera:
    """Gives record after record, of which each ends in an error or none."""

    def __init__(self, crashes: Crashes, key: str = "bad") -> None:
        self.crashes = crashes
        self.key = key
        self.offset = 0

    def refusal(self) -> str | None:
        """Whether the next record would be handed over; if not, why."""
        record = Record("topic", 0, self.offset, self.key, b"", 0)
        try:
            self.crashes.refuse_if_tried(record)
        except InvalidRecord as reason:
            return str(reason)
        return None

    def give_up(self) -> None:
        """A record ends so often in an error that it is a dead letter."""
        self.offset += 1
        for _ in range(TRIES):
            assert self.refusal() is None
            self.crashes.note(RecordCrashError(("topic", 0), self.offset))
        for _ in range(2):  # read again before it is committed: it counts once
            assert "times in an unexpected error" in (self.refusal() or "")
        self.offset += 1
        self.crashes.handled(("topic", 0), self.offset)


def test_one_record_now_and_then_leaves_nobody_out() -> None:
    clock = ManualClock()
    camera = Camera(Crashes(clock))
    for _ in range(20):
        camera.give_up()
        assert camera.refusal() is None
        clock.advance(ONCE_S + 1)


def test_each_time_is_longer_up_to_a_bound_and_the_camera_is_tried_again_after_each() -> None:
    clock = ManualClock()
    crashes = Crashes(clock)
    camera, other = Camera(crashes), Camera(crashes, "good")
    camera.give_up()
    times_s = []
    for _ in range(9):
        camera.give_up()
        began_s = clock.monotonic_s()
        while camera.refusal() is not None:
            assert "left out" in (camera.refusal() or "")
            assert other.refusal() is None
            clock.advance(1.0)
        times_s.append(clock.monotonic_s() - began_s)
    assert times_s[:3] == [LEFT_OUT_FIRST_S, 2 * LEFT_OUT_FIRST_S, 4 * LEFT_OUT_FIRST_S]
    assert times_s[-2:] == [LEFT_OUT_MOST_S, LEFT_OUT_MOST_S]


def test_a_camera_that_is_well_again_is_forgiven() -> None:
    clock = ManualClock()
    camera = Camera(Crashes(clock))
    camera.give_up()
    camera.give_up()
    clock.advance(LEFT_OUT_FIRST_S + ONCE_S + 1)
    camera.give_up()
    assert camera.refusal() is None
