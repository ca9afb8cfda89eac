"""Fragmented MP4 that is written is read again: pictures, capture times and nothing else; nonsense is one error."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.common.media.footage import FPS, film, numbers

from beffroi_common.contracts import FrameBatch, InvalidMessageError
from beffroi_common.contracts.base import EARLIEST, LATEST
from beffroi_common.media import mp4_reader
from beffroi_common.media.mp4_reader import UnreadableMp4Error, covering, decoded
from beffroi_common.media.mp4_writer import FragmentWriter
from beffroi_common.media.samples import samples

LAST = LATEST - timedelta(seconds=4)
START = datetime(2026, 11, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def written(batches: Sequence[FrameBatch], **tags: str) -> bytes:
    pictures = [sample for batch in batches for sample in samples(batch)]
    writer = FragmentWriter(pictures[0], tags)
    parts = []
    for sample in pictures:
        writer.add(sample)
        parts.append(writer.take())
    writer.close()
    return b"".join([*parts, writer.take()])


def test_every_picture_comes_back_at_its_time() -> None:
    found = list(decoded(written(film(3))))
    assert numbers([picture for _, picture in found]) == list(range(3 * FPS))
    assert [media_s for media_s, _ in found] == pytest.approx([number / FPS for number in range(3 * FPS)])


def test_the_clock_begins_with_the_first_sample_wherever_the_camera_s_is() -> None:
    assert written(film(3)) == written(
        [
            replace(
                batch, units=tuple(replace(each, pts=each.pts + 77_777, dts=each.dts + 77_777) for each in batch.units)
            )
            for batch in film(3)
        ]
    )


def test_tags_are_in_the_file() -> None:
    with av.open(io.BytesIO(written(film(1), title="gate")), "r") as container:
        assert container.metadata["title"] == "gate"


def test_what_is_no_h264_cannot_be_begun() -> None:
    (first, *_) = samples(film(1)[0])
    with pytest.raises(InvalidMessageError):
        FragmentWriter(replace(first, data=b"\x00\x00\x01nonsense"), {})


def at_first(begins_at: datetime, batches: Sequence[FrameBatch]) -> list[FrameBatch]:
    """The same pictures, captured from that moment on."""
    ahead_ns = (begins_at - START) // timedelta(microseconds=1) * 1000
    return [
        replace(
            batch, units=tuple(replace(each, capture_time_ns=each.capture_time_ns + ahead_ns) for each in batch.units)
        )
        for batch in batches
    ]


@pytest.mark.parametrize("begins_at", [EARLIEST, START, datetime(2036, 2, 7, 6, 28, 15, tzinfo=UTC), LAST])
def test_every_time_that_a_batch_may_have_comes_back_from_the_file(begins_at: datetime) -> None:
    file = io.BytesIO(written(at_first(begins_at, film(3))))
    fragment = covering(file, begins_at + timedelta(seconds=1.7))
    assert numbers([picture for _, picture in decoded(fragment.content)])[0] == 4
    assert abs(fragment.starts_at - begins_at - timedelta(seconds=1)) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("at_s", "first"), [(-5.0, 0), (0.0, 0), (0.999, 0), (1.0, 4), (1.7, 4), (2.0, 8), (2.9, 8), (100.0, 8)]
)
def test_the_fragment_of_a_moment(at_s: float, first: int) -> None:
    fragment = covering(io.BytesIO(written(film(3))), START + timedelta(seconds=at_s))
    assert fragment.starts_at == START + timedelta(seconds=first / FPS)
    assert numbers([picture for _, picture in decoded(fragment.content)]) == list(range(first, first + FPS))


def test_of_a_long_file_little_is_read() -> None:
    content = written(film(20))
    file = CountingFile(content)
    fragment = covering(file, START + timedelta(seconds=10))
    assert file.read_bytes < len(fragment.content) + 20 * 200


class CountingFile(io.BytesIO):
    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(size)
        self.read_bytes += len(part)
        return part


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_file_cut_short_shows_what_is_whole(keep: float) -> None:
    content = written(film(4))
    fragment = covering(io.BytesIO(content[: int(len(content) * keep)]), START)
    assert numbers([picture for _, picture in decoded(fragment.content)])[0] == 0


@pytest.mark.parametrize("content", [b"", b"nonsense", bytes(5000), b"\x00\x00\x00\x08prft\x00\x00\x00\x08moof"])
def test_a_file_that_is_none(content: bytes) -> None:
    with pytest.raises(UnreadableMp4Error):
        covering(io.BytesIO(content), START)
    with pytest.raises(UnreadableMp4Error):
        list(decoded(content))


def test_a_part_with_a_size_of_64_bits_is_passed_over() -> None:
    content = written(film(2))
    large = struct.pack(">I4sQ", 1, b"free", 16 + 5) + b"empty"
    assert covering(io.BytesIO(large + content), START) == covering(io.BytesIO(content), START)


def test_a_part_too_large_for_a_segment_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    content = written(film(1))
    fragment = covering(io.BytesIO(content), START).content
    largest = len(fragment) - (fragment.index(b"mdat") - 4)
    monkeypatch.setattr(mp4_reader, "MAX_PART_BYTES", largest)
    assert covering(io.BytesIO(content), START).content == fragment
    monkeypatch.setattr(mp4_reader, "MAX_PART_BYTES", largest - 1)
    file = CountingFile(content)
    with pytest.raises(UnreadableMp4Error, match=f"a part of {largest} bytes"):
        covering(file, START)
    assert file.read_bytes < len(content) - largest + 8 * 10


def test_a_damaged_tag_loses_no_picture() -> None:
    content = written(film(1)).replace(b"VideoHandler", b"Video\xffandler")
    assert numbers([picture for _, picture in decoded(content)]) == list(range(FPS))


WHOLE = written(film(2))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=30), st.integers(0, len(WHOLE))
)
def test_damage_gives_pictures_or_that_one_error(damage: list[tuple[int, int]], keep: int) -> None:
    content = bytearray(WHOLE)
    for place, value in damage:
        content[place] = value
    with suppress(UnreadableMp4Error):
        list(decoded(covering(io.BytesIO(bytes(content[:keep])), START).content))
