"""Names that are made can be read back; the shape of a name is known in one place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from beffroi_common import recordings
from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, Stream
from beffroi_common.recordings.naming import HEADS, SEGMENTS, head_name, segment_id, segment_name, starts_at

REPOSITORY = Path(__file__).parents[4]
STARTS_AT = datetime(2026, 11, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def batch(camera: str) -> FrameBatch:
    unit = AccessUnit(0, 0, int(STARTS_AT.timestamp() * 1000) * 1_000_000, True, b"x")
    return FrameBatch(
        camera=camera,
        stream=Stream.MAIN,
        epoch=7,
        sequence=0,
        time_base=Fraction(1, 90_000),
        codec=Codec.H264,
        width=160,
        height=96,
        mask_version=1,
        units=(unit,),
    )


def test_names_begin_with_the_day_and_can_be_read_back() -> None:
    name = segment_name(batch("rue-de-paris-3"))
    assert name == "segments/2026-11-01/rue-de-paris-3/120000.250Z-7-0.mp4"
    assert starts_at(name) == STARTS_AT


@pytest.mark.parametrize("name", ["segments/2026-13-01/a/120000.250Z-7-0.mp4", head_name("gate"), "segments/x"])
def test_other_names_have_no_time(name: str) -> None:
    assert starts_at(name) is None


def test_segments_of_the_same_name_in_two_stores_have_two_ids() -> None:
    name = segment_name(batch("gate"))
    assert segment_id(f"recordings/{name}") == segment_id(f"recordings/{name}")
    assert segment_id(f"recordings/{name}") != segment_id(f"holds/{name}")


def shipped() -> Iterator[Path]:
    own = Path(recordings.__file__).parent
    for folder in ("libs/common", "services", "local"):
        yield from (path for path in (REPOSITORY / folder).glob("**/beffroi_*/**/*.py") if own not in path.parents)


@pytest.mark.parametrize("prefix", [SEGMENTS, HEADS])
def test_nobody_else_knows_the_shape_of_a_name(prefix: str) -> None:
    modules = list(shipped())
    assert len(modules) > 100
    assert [str(path) for path in modules if prefix in path.read_text()] == []
