"""How many records may be refused before it is a bad release and not bad input: for each partition of its own."""

from __future__ import annotations

import itertools

import pytest

from beffroi_common.bus import Partition
from beffroi_common.bus.dead_letters import DeadLetterCount, DeadLetterLimit, TooManyDeadLettersError

LIMIT = DeadLetterLimit(in_a_row=4, window=10, share=0.5)
FIRST: Partition = ("tracks.v1", 0)
SECOND: Partition = ("tracks.v1", 1)


def feed(count: DeadLetterCount, outcomes: str, partition: Partition = FIRST) -> int:
    """Note each outcome, `x` for refused; return how many were noted before it was too many."""
    for noted, outcome in enumerate(outcomes):
        if outcome == "x":
            try:
                count.refused(partition)
            except TooManyDeadLettersError:
                return noted
        else:
            count.accepted(partition)
    return len(outcomes)


@pytest.mark.parametrize(
    ("outcomes", "noted"),
    [
        ("xxxx", 4),
        ("xxxxx", 4),  # the fifth in a row is one too many
        ("xxxx.xxxx.", 10),  # the share waits for an accepted record's neighbour
        ("xxxx.xxxx.x", 10),  # 8 of the last 10
        ("xx.xx.xx.", 9),  # no window is full yet
        ("x.x.x.x.x.x.x.x.x.x.", 20),  # half is not more than half
        ("x.x.x.x.x.xx", 11),  # and this is
        ("..........xxxx..........xxxx", 28),  # what left the window is forgotten
    ],
)
def test_refused_in_a_row_and_as_a_share_of_the_last_ones(outcomes: str, noted: int) -> None:
    assert feed(DeadLetterCount(LIMIT), outcomes) == noted


def test_a_partition_that_is_well_excuses_no_other() -> None:
    count = DeadLetterCount(LIMIT)
    for _ in range(4):
        assert feed(count, "x") == 1
        assert feed(count, ".....", SECOND) == 5
    with pytest.raises(TooManyDeadLettersError, match=r"5 messages in a row of tracks\.v1\[0\]"):
        count.refused(FIRST)


def test_a_partition_that_is_somebody_elses_is_counted_anew() -> None:
    count = DeadLetterCount(LIMIT)
    assert feed(count, "xxxx") == 4
    count.drop([FIRST])
    assert feed(count, "xxxx") == 4


def test_as_released_one_bad_camera_of_three_in_a_partition_ends_nobody() -> None:
    count = DeadLetterCount(DeadLetterLimit())
    outcomes = "".join(itertools.islice(itertools.cycle("x.."), 10_000))
    assert feed(count, outcomes) == 10_000
