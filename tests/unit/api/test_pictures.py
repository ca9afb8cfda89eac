"""Stills: the right picture, also of odd sizes, and words instead of a crash for nonsense."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from tests.application import film, number_of, segment

from beffroi_api.errors import NoPicture
from beffroi_api.modules.live.stills import pictures
from beffroi_api.modules.recordings.video.object_file import ObjectFile
from beffroi_common.contracts import DrawnPicture, FrameBatch
from beffroi_testing import MemoryStore

START_NS = 1_793_534_400_000_000_000
START = datetime(2026, 11, 1, 12, tzinfo=UTC)


def garbled(batch: FrameBatch) -> FrameBatch:
    return replace(batch, units=tuple(replace(unit, data=b"\x00\x00\x01\x65" + bytes(50)) for unit in batch.units))


def test_the_newest_of_several_batches() -> None:
    still = pictures.from_batches(film(3, start_ns=START_NS, gop=15), None)
    assert number_of(still.jpeg) == 14
    assert still.captured_at == datetime(2026, 11, 1, 12, 0, 2, 800_000, tzinfo=UTC)


def test_a_picture_off_the_bus_says_what_a_decision_drawn_on_it_says() -> None:
    (batch,) = film(1, start_ns=START_NS)
    seen = replace(batch, pixel_aspect=Fraction(12, 11), cropped_left=16)
    drawn_on = pictures.from_batches([seen], None).drawn_on
    assert drawn_on == DrawnPicture(width=batch.width, height=batch.height, pixel_aspect=12 / 11, cropped_left=16)
    plain = pictures.from_batches([batch], None).drawn_on
    assert plain == DrawnPicture(width=batch.width, height=batch.height)
    assert pictures.from_segment(io.BytesIO(segment([batch])), START, [1]).drawn_on is None


def test_nothing_to_decode_is_said() -> None:
    with pytest.raises(NoPicture):
        pictures.from_batches([garbled(film(1, start_ns=START_NS)[0])], None)
    with pytest.raises(NoPicture):
        pictures.from_batches(film(1, start_ns=START_NS), START_NS - 1)


@pytest.mark.parametrize("content", [b"", b"nonsense", bytes(5000)])
def test_a_segment_that_is_none(content: bytes) -> None:
    with pytest.raises(NoPicture):
        pictures.from_segment(io.BytesIO(content), START, [1])


def test_a_segment_cut_short_still_shows_what_it_has() -> None:
    content = segment(film(4, start_ns=START_NS))
    still = pictures.from_segment(io.BytesIO(content[: len(content) * 3 // 4]), START, [1, 2])
    assert number_of(still.jpeg) == 0
    assert still.mask_version is None


def test_capture_times_are_those_of_the_pictures_not_of_the_media_clock() -> None:
    """The camera's clock runs a tenth too fast against the wall: each key picture puts it right."""
    batches = [
        replace(
            batch,
            units=tuple(
                replace(unit, capture_time_ns=START_NS + (unit.capture_time_ns - START_NS) * 11 // 10)
                for unit in batch.units
            ),
        )
        for batch in film(6, start_ns=START_NS)
    ]
    content = segment(batches)
    for number in (0, 5, 10, 25):
        unit = batches[number // 5].units[number % 5]
        at = START + timedelta(microseconds=(unit.capture_time_ns - START_NS) // 1000)
        still = pictures.from_segment(io.BytesIO(content), at, [1])
        assert (number_of(still.jpeg), still.captured_at) == (number, at)


def test_before_the_first_picture_comes_the_first() -> None:
    still = pictures.from_segment(io.BytesIO(segment(film(2, start_ns=START_NS))), START - timedelta(seconds=1), [1])
    assert (number_of(still.jpeg), still.captured_at) == (0, START)


def test_an_object_is_read_in_bounded_parts(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    content = bytes(range(256)) * 10
    asked: list[int] = []

    def read(_name: str, offset: int = 0, length: int | None = None) -> bytes:
        assert length is not None
        asked.append(length)
        return content[offset : offset + length]

    monkeypatch.setattr(store, "read", read)
    monkeypatch.setattr("beffroi_api.modules.recordings.video.object_file.BLOCK_BYTES", 1000)
    file = ObjectFile(store, "segment", len(content))
    whole = b"".join(iter(lambda: file.read(300), b""))
    assert whole == content
    assert asked == [1000, 1000, 560]
    file.seek(-60, io.SEEK_END)
    assert file.read() == content[-60:]
    file.seek(5)
    assert (file.read(3), file.tell()) == (content[5:8], 8)
