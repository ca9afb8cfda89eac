"""Which batches are left out: repeats, and those of a connection whose place another took."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beffroi_common.bus.sequences import SILENT_MS, SequenceTracker, Stale

OLD, NEW = 5_000, 6_000
"""Epochs."""

Batch = tuple[int, int]
"""(epoch, sequence)."""


def taken(tracker: SequenceTracker, batches: list[tuple[Batch, int]]) -> list[Batch]:
    """What is taken of batches that come at these milliseconds."""
    found = []
    for (epoch, sequence), at_ms in batches:
        if tracker.stale(epoch, sequence, at_ms) is None:
            tracker.take(epoch, sequence)
            found.append((epoch, sequence))
    return found


def evenly(batches: list[Batch], step_ms: int = 500) -> list[tuple[Batch, int]]:
    return list(zip(batches, count(0, step_ms), strict=False))


@given(
    before=st.integers(1, 10),
    late=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 12)), max_size=12),
    begins_at=st.integers(0, 9),
)
def test_what_comes_of_a_connection_that_is_over_disturbs_the_next_one_nowhere(
    before: int, late: list[tuple[int, int]], begins_at: int
) -> None:
    """Ten batches of the new connection, some of the old one between, for a reader that begins at any."""
    old, new = [(OLD, n) for n in range(before)], [(NEW, n) for n in range(10)]
    zombie = {behind: (OLD, before + n) for behind, n in late}
    mixed = [each for n, batch in enumerate(new) for each in (batch, zombie.get(n)) if each is not None]
    assert taken(SequenceTracker(), evenly([*old, *mixed])) == [*old, *new]
    restarted = mixed[mixed.index(new[begins_at]) :]
    assert taken(SequenceTracker(), evenly(restarted)) == new[begins_at:]


def test_a_restart_among_the_old_ones_takes_the_new_ones_all_the_same() -> None:
    mixed = [(OLD, 7), (NEW, 3), (OLD, 8), (NEW, 4), (NEW, 5), (OLD, 9), (NEW, 6)]
    assert taken(SequenceTracker(), evenly(mixed)) == [(OLD, 7), (NEW, 3), (NEW, 4), (NEW, 5), (NEW, 6)]


def test_it_is_said_why() -> None:
    tracker = SequenceTracker()
    tracker.take(OLD, 3)
    tracker.take(NEW, 0)
    assert tracker.stale(OLD, 3, 0) is Stale.REPEATED
    assert tracker.stale(OLD, 4, 0) is Stale.EPOCH_OVER
    assert tracker.stale(NEW, 0, 0) is Stale.REPEATED
    assert tracker.stale(NEW, 1, 0) is None


def test_a_clock_that_was_set_back_begins_a_lower_epoch_at_once() -> None:
    tracker = SequenceTracker()
    assert taken(tracker, evenly([(NEW, 0), (NEW, 1), (OLD, 0), (OLD, 1)])) == [(NEW, 0), (NEW, 1), (OLD, 0), (OLD, 1)]
    assert tracker.stale(NEW, 2, 2_000) is Stale.EPOCH_OVER


def test_a_lower_epoch_whose_beginning_never_came_is_taken_once_the_other_is_silent() -> None:
    tracker = SequenceTracker()
    lower = [((OLD, n), 500 + n * 1_000) for n in range(4, 24)]
    found = taken(tracker, [((NEW, 0), 0), *lower])
    assert found == [(NEW, 0), *((OLD, n) for n in range(10, 24))]
    assert lower[6][1] >= SILENT_MS > lower[5][1]


@given(st.lists(st.tuples(st.sampled_from([OLD, NEW, 7_000]), st.integers(0, 5)), max_size=30), st.integers(1, 9_000))
def test_whatever_came_before_who_goes_on_alone_is_taken_in_the_end(before: list[Batch], epoch: int) -> None:
    tracker = SequenceTracker()
    taken(tracker, evenly(before))
    start_ms = 500 * len(before)
    alone = [((epoch, 6 + n), start_ms + n * 500) for n in range(40)]
    found = taken(tracker, alone)
    assert found
    assert found == [batch for batch, _ in alone][-len(found) :]
    assert len(alone) - len(found) <= SILENT_MS // 500 + 1


def test_what_was_remembered_goes_on_after_a_restart() -> None:
    tracker = SequenceTracker({OLD: 9, NEW: 3})
    assert tracker.stale(OLD, 10, 1_000_000) is Stale.EPOCH_OVER
    assert tracker.stale(NEW, 4, 1_000_500) is None


@pytest.mark.parametrize("at_ms", [0, 10**13])
def test_the_first_of_a_camera_is_taken(at_ms: int) -> None:
    assert SequenceTracker().stale(OLD, 17, at_ms) is None
