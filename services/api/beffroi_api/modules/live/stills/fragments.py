"""Finds one fragment of a recorded segment by capture time, reading little more than its headers.

A segment is fragmented MP4 (ISO/IEC 14496-12): what a decoder needs to begin (`ftyp`, `moov`), then for each key
picture its capture time (`prft`, 8.16.5), an index (`moof`) and the pictures up to the next (`mdat`).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

NTP_EPOCH = datetime(1900, 1, 1, tzinfo=UTC)
MAX_PART_BYTES = 64 * 1024 * 1024
"""A fragment is a few seconds of pictures; what is larger is no segment of ours."""


class NotASegmentError(ValueError):
    """The file does not have the parts of a segment."""


@dataclass(frozen=True)
class Box:
    """A part of the file, with its header."""

    kind: bytes
    start: int
    size_bytes: int


@dataclass(frozen=True)
class Fragment:
    """A small file that a decoder can open, and the capture time of its first picture."""

    content: bytes
    starts_at: datetime


def covering(file: BinaryIO, at: datetime) -> Fragment:
    """Return the last fragment that begins at or before `at`; the first where all begin later.

    Raises:
        NotASegmentError: the file is something else, or was cut before its first picture.
    """
    opening: list[Box] = []
    found: tuple[datetime, list[Box]] | None = None
    for box in _boxes(file):
        if box.kind in (b"ftyp", b"moov"):
            opening.append(box)
        elif box.kind == b"prft":
            starts_at = _capture_time(file, box)
            if found is not None and starts_at > at:
                break
            found = (starts_at, [])
        elif box.kind in (b"moof", b"mdat") and found is not None:
            found[1].append(box)
    if found is None or not found[1] or not opening:
        raise NotASegmentError("no picture with a capture time")
    return Fragment(b"".join(_read(file, box) for box in (*opening, *found[1])), found[0])


def _boxes(file: BinaryIO) -> Iterator[Box]:
    start, end = 0, file.seek(0, io.SEEK_END)
    while start + 8 <= end:
        file.seek(start)
        size_bytes, kind = struct.unpack(">I4s", _exactly(file, 8))
        if size_bytes == 1:
            (size_bytes,) = struct.unpack(">Q", _exactly(file, 8))
        if size_bytes < 8 or start + size_bytes > end:
            return  # cut short: what came before is whole
        yield Box(kind, start, size_bytes)
        start += size_bytes


def _capture_time(file: BinaryIO, box: Box) -> datetime:
    # Header 8, version and flags 4, track 4, then NTP time: seconds since 1900 and their fraction.
    seconds, fraction = struct.unpack_from(">II", _read(file, box), 16)
    return NTP_EPOCH + timedelta(seconds=seconds, microseconds=round(fraction * 1_000_000 / 2**32))


def _read(file: BinaryIO, box: Box) -> bytes:
    if box.size_bytes > MAX_PART_BYTES:
        raise NotASegmentError(f"a part of {box.size_bytes} bytes")
    file.seek(box.start)
    return _exactly(file, box.size_bytes)


def _exactly(file: BinaryIO, size_bytes: int) -> bytes:
    parts: list[bytes] = []
    while size_bytes:
        part = file.read(size_bytes)
        if not part:
            raise NotASegmentError("it ends too early")
        parts.append(part)
        size_bytes -= len(part)
    return b"".join(parts)
