"""Access units on a file's media clock."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from tests.unit.common.media.footage import film

from beffroi_common.contracts import AccessUnit, InvalidMessageError
from beffroi_common.media.samples import samples


@pytest.mark.parametrize(
    ("times", "time_base", "expected"),
    [
        ([0, 1, 2], Fraction(1, 10), [0, 9000, 18000]),
        ([900, 1800], Fraction(1, 90_000), [900, 1800]),
        ([-512, 0, 512], Fraction(1, 12_800), [-3600, 0, 3600]),
        ([0, 1001], Fraction(1, 30_000), [0, 3003]),
    ],
)
def test_ticks(times: list[int], time_base: Fraction, expected: list[int]) -> None:
    units = tuple(AccessUnit(at, at, 1, True, b"x") for at in times)
    made = samples(replace(film(1)[0], units=units, time_base=time_base))
    assert [sample.dts for sample in made] == expected
    assert {sample.duration for sample in made} == {expected[1] - expected[0]}


@pytest.mark.parametrize(
    ("pts", "dts"),
    [([0, 0], [0, 0]), ([9, 3], [9, 3]), ([0, 90_000 * 61], [0, 90_000 * 61]), ([5, 9], [6, 9]), ([2**62], [0])],
    ids=["stands still", "goes back", "jumps", "shown before decoded", "shown never"],
)
def test_a_media_clock_that_makes_no_sense_is_refused(pts: list[int], dts: list[int]) -> None:
    units = tuple(AccessUnit(shown, decoded, 1, True, b"x") for shown, decoded in zip(pts, dts, strict=True))
    with pytest.raises(InvalidMessageError):
        samples(replace(film(1)[0], units=units))


def test_a_sample_never_prints_its_picture() -> None:
    (sample, *_) = samples(film(1)[0])
    assert repr(sample) == f"Sample(dts=0, key=True, {len(sample.data)} bytes)"
