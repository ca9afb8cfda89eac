"""Where segments end."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from tests.unit.recorder.conftest import Film, Site, Start, frame_numbers, later

from beffroi_common.media.nal import ParameterSets
from beffroi_common.media.samples import Sample
from beffroi_recorder.record.cutting import Cut, CutRules, Extent, Shape, why_cut

NS = 1_000_000_000
NOON_NS = 1_793_534_400 * NS
RULES = CutRules(segment_s=60, max_gap_s=10.0, max_drift_s=1.0)
SHAPE = Shape(epoch=7, width=640, height=480, time_base=Fraction(1, 90_000))
SETS = ParameterSets("avc1.42c01e", b"", b"\x67\x42\xc0\x1e", b"\x68")
EXTENT = Extent(NOON_NS + 10 * NS, NOON_NS + 20 * NS, 1_000_000, 1_900_000)
"""From 12:00:10 to 12:00:20, ten seconds on both clocks."""


def following(after_s: float, media_s: float | None = None) -> Sample:
    media_s = after_s if media_s is None else media_s
    dts = 1_900_000 + int(media_s * 90_000)
    return Sample(dts, dts, 9_000, True, NOON_NS + 20 * NS + int(after_s * NS), b"x")


@pytest.mark.parametrize(
    ("shape", "sets", "first", "expected"),
    [
        (SHAPE, SETS, following(0.5), None),
        (SHAPE, None, following(0.5), None),
        (SHAPE, SETS, following(39.9, 0.5), Cut.GAP),
        (SHAPE, SETS, following(9.9), None),
        (SHAPE, SETS, following(10.1, 9.9), Cut.GAP),
        (SHAPE, SETS, following(-10.1, 0.1), Cut.GAP),
        (SHAPE, SETS, following(0.5, 0), Cut.MEDIA_CLOCK),
        (SHAPE, None, following(0.5, -0.1), Cut.MEDIA_CLOCK),
        (SHAPE, None, following(0.5, 10.1), Cut.MEDIA_CLOCK),
        (SHAPE, SETS, following(2.0, 0.5), Cut.DRIFT),
        (SHAPE, SETS, following(1.4, 0.5), None),
        (SHAPE, None, following(2.0, 0.5), None),
        (replace(SHAPE, epoch=8), SETS, following(0.5), Cut.EPOCH),
        (replace(SHAPE, epoch=8), None, following(0.5), Cut.EPOCH),
        (replace(SHAPE, width=320), SETS, following(0.5), Cut.PICTURE),
        (replace(SHAPE, time_base=Fraction(1, 1000)), SETS, following(0.5), Cut.PICTURE),
        (SHAPE, ParameterSets("avc1.42c01f", b"", b"\x67\x42\xc0\x1f", b"\x68"), following(0.5), Cut.PICTURE),
    ],
)
def test_why(shape: Shape, sets: ParameterSets | None, first: Sample, expected: Cut | None) -> None:
    assert why_cut(SHAPE, SETS, EXTENT, shape, sets, first, RULES) is expected


@pytest.mark.parametrize(
    ("last_s", "at_s", "key", "expected"),
    [
        (59.4, 59.9, True, None),
        (59.5, 60.0, True, Cut.FULL_MINUTE),
        (59.5, 60.0, False, None),
        (60.5, 61.0, True, Cut.FULL_MINUTE),
        (0.5, -0.1, True, Cut.FULL_MINUTE),
    ],
)
def test_the_full_minute(last_s: float, at_s: float, key: bool, expected: Cut | None) -> None:
    extent = Extent(NOON_NS + NS // 4, NOON_NS + int(last_s * NS), 0, int((last_s - 0.25) * 90_000))
    dts = extent.last_dts + int(max(at_s - last_s, 0.1) * 90_000)
    first = Sample(dts, dts, 9_000, key, NOON_NS + int(at_s * NS), b"x")
    assert why_cut(SHAPE, SETS, extent, SHAPE, SETS if key else None, first, RULES) is expected


def test_a_new_mask_version_stays_in_the_segment(site: Site, start: Start, film: Film) -> None:
    batches = film(10)
    site.put_on_bus([*batches[:5], *(replace(batch, mask_version=3) for batch in batches[5:])])
    life = start()
    life.work_off()
    life.go_idle()
    assert [each.mask_versions for each in site.recordings] == [(2, 3)]


def test_another_size_is_another_segment(site: Site, start: Start, film: Film) -> None:
    small = film(5)
    large = [
        replace(batch, sequence=batch.sequence + 5)
        for batch in later(film(5, size=(240, 128), first_number=20), capture_s=5, media_s=5)
    ]
    site.put_on_bus([*small, *large])
    life = start()
    life.work_off()
    life.go_idle()
    assert [(each.width, each.height, each.frames) for each in site.recordings] == [(160, 96, 20), (240, 128, 20)]
    assert site.numbers() == list(range(40))


def test_a_media_clock_that_starts_again_is_another_segment(site: Site, start: Start, film: Film) -> None:
    batches = film(20)
    site.put_on_bus([*batches[:10], *later(batches[10:], media_s=-8.0)])
    life = start()
    life.work_off()
    life.go_idle()
    assert [frame_numbers(content) for content in site.segments.values()] == [list(range(40)), list(range(40, 80))]
