"""Where a stream is cut."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, InvalidMessageError, Stream
from beffroi_common.media.nal import MAX_PARTS
from beffroi_ingest.batching import Batcher, BatchLimits, Stamp, StreamInfo

TIME_BASE = Fraction(1, 90_000)
LIMITS = BatchLimits(duration_s=0.5, size_bytes=10_000)


def batcher(limits: BatchLimits = LIMITS, fps: float | None = None) -> Batcher:
    return Batcher(Stamp("gate", Stream.MAIN, 1, 7), StreamInfo(Codec.H264, 64, 48, TIME_BASE, fps), limits)


def unit(index: int, fps: float, *, key: bool = False, size: int = 10) -> AccessUnit:
    time = round(index * 90_000 / fps)
    return AccessUnit(time, time, 1_000 + index, key, b"x" * size)


def cut(units: list[AccessUnit], limits: BatchLimits = LIMITS, fps: float | None = None) -> list[FrameBatch]:
    cutter = batcher(limits, fps)
    return [batch for each in units for batch in cutter.add(each)] + cutter.flush()


@pytest.mark.parametrize(
    ("fps", "gop", "sizes"),
    [
        (10, 20, [5, 5, 5, 5] * 2),
        (25, 50, [13, 13, 13, 11] * 2),
        (30, 60, [15, 15, 15, 15] * 2),
        (12.5, 25, [6, 6, 6, 6, 1] * 2),
        (1, 4, [1] * 8),
        (100, 200, [50, 50, 50, 50] * 2),
    ],
)
def test_batches_come_nearest_to_half_a_second_and_never_run_over_a_key_frame(
    fps: float, gop: int, sizes: list[int]
) -> None:
    batches = cut([unit(n, fps, key=n % gop == 0) for n in range(2 * gop)], fps=fps)
    assert [len(batch.units) for batch in batches] == sizes
    assert [batch.sequence for batch in batches] == list(range(len(batches)))
    assert all(not each.key for batch in batches for each in batch.units[1:])


def test_a_batch_leaves_as_soon_as_it_is_full_without_waiting_for_the_next_picture() -> None:
    cutter = batcher()
    assert [len(cutter.add(unit(n, 10, key=n == 0))) for n in range(5)] == [0, 0, 0, 0, 1]


def test_a_stream_may_begin_in_the_middle() -> None:
    batches = cut([unit(n, 10, key=n == 3) for n in range(8)])
    assert [batch.starts_with_key for batch in batches] == [False, True]


def test_pictures_that_are_all_keys_share_a_batch() -> None:
    assert [len(batch.units) for batch in cut([unit(n, 10, key=True) for n in range(10)])] == [5, 5]


def test_keys_followed_by_others_begin_a_new_batch_at_the_next_key() -> None:
    keys = [True, True, False, True, False]
    batches = cut([unit(n, 30, key=key) for n, key in enumerate(keys)])
    assert [len(batch.units) for batch in batches] == [3, 2]


def test_a_batch_ends_before_it_is_too_large() -> None:
    batches = cut([unit(n, 25, key=n == 0, size=4_000) for n in range(5)])
    assert [len(batch.units) for batch in batches] == [2, 2, 1]


def test_a_picture_larger_than_a_batch_is_one_by_itself() -> None:
    batches = cut([unit(0, 25, key=True), unit(1, 25, size=20_000), unit(2, 25)])
    assert [len(batch.units) for batch in batches] == [1, 1, 1]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 12_000), st.integers(1, 60_000)), max_size=80),
    st.sampled_from([None, 10.0, 30.0]),
)
def test_every_picture_is_in_one_batch_in_order(pictures: list[tuple[bool, int, int]], fps: float | None) -> None:
    units, time = [], 0
    for key, size, step in pictures:
        time += step
        units.append(AccessUnit(time, time, time, key, b"x" * size))
    batches = cut(units, fps=fps)
    assert [each for batch in batches for each in batch.units] == units
    for batch in batches:
        assert batch.size_bytes <= LIMITS.size_bytes or len(batch.units) == 1
        assert batch.starts_with_key or not any(each.key for each in batch.units)


def test_a_picture_that_comes_long_after_the_one_before_begins_a_batch() -> None:
    batches = cut([unit(0, 10, key=True), unit(900, 10, key=True), unit(901, 10)])
    assert [len(batch.units) for batch in batches] == [1, 1, 1], "no batch has two pictures a minute and a half apart"


def test_each_batch_says_what_the_container_says_of_its_pixels() -> None:
    info = StreamInfo(Codec.H264, 64, 48, TIME_BASE, 10.0, Fraction(16, 11))
    batcher = Batcher(Stamp("gate", Stream.MAIN, 1, 7), info, BatchLimits(0.5, 1_000_000))
    batcher.add(AccessUnit(0, 0, 1, True, b"picture"))
    (batch,) = batcher.flush()
    assert batch.pixel_aspect == Fraction(16, 11)


def test_large_pictures_that_come_fast_are_cut_shorter() -> None:
    info = StreamInfo(Codec.H264, 3840, 2160, TIME_BASE, 60)
    cutter = Batcher(Stamp("gate", Stream.MAIN, 1, 7), info, LIMITS)
    batches = [batch for n in range(60) for batch in cutter.add(unit(n, 60, key=n == 0))] + cutter.flush()
    assert [len(batch.units) for batch in batches] == [16, 16, 16, 12]


def test_what_every_reader_refuses_is_not_sent() -> None:
    with pytest.raises(InvalidMessageError, match="parts"):
        cut([AccessUnit(0, 0, 1_000, True, b"\x00\x00\x01\x09" * (MAX_PARTS + 1))])
