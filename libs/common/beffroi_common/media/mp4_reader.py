"""Reads fragmented MP4: finds one fragment by capture time, reading little more than headers, and decodes pictures.

A recorded segment (ISO/IEC 14496-12) holds what a decoder needs to begin (`ftyp`, `moov`), then for each key picture
its capture time (`prft`, 8.16.5), an index (`moof`) and the pictures up to the next (`mdat`).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import BinaryIO

import av
from av import VideoFrame

NTP_EPOCH = datetime(1900, 1, 1, tzinfo=UTC)
NTP_ERA_BIT = 2**31
"""Seconds below it are those from February 2036 on, when 32 bits begin again (RFC 4330, 3): no picture is from 1900."""
PRFT_BYTES = 28
"""At least: a version 0 box with its header."""

MAX_PART_BYTES = 64 * 1024 * 1024
"""A fragment is a few seconds of pictures; what is larger is no segment of ours."""


class UnreadableMp4Error(ValueError):
    """The file does not have the parts of a segment, or its pictures cannot be decoded."""


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
        UnreadableMp4Error: the file is something else, or was cut before its first picture.
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
        raise UnreadableMp4Error("no picture with a capture time")
    return Fragment(b"".join(_read(file, box) for box in (*opening, *found[1])), found[0])


def decoded(content: bytes) -> Iterator[tuple[float, VideoFrame]]:
    """Yield the pictures of a file, or of a fragment of it, in the order in which they are shown.

    Yields:
        Seconds of media time since the first picture, and the picture.

    Raises:
        UnreadableMp4Error: the file is something else, or damaged.
    """
    try:
        # Tags are not looked at: that one of them is no UTF-8 must not lose the pictures.
        with av.open(io.BytesIO(content), mode="r", format="mp4", metadata_errors="ignore") as container:
            video = container.streams.video[0]
            if video.codec_context is None:
                raise UnreadableMp4Error("its pictures are in a codec that nobody knows")
            video.codec_context.thread_count = 1
            time_base = video.time_base or Fraction(0)
            first: int | None = None
            for picture in container.decode(video):
                pts = picture.pts or 0
                first = pts if first is None else first
                yield float((pts - first) * time_base), picture
    except (av.FFmpegError, IndexError) as error:
        raise UnreadableMp4Error(f"it cannot be decoded ({type(error).__name__})") from None


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
    if box.size_bytes < PRFT_BYTES:
        raise UnreadableMp4Error(f"a capture time of {box.size_bytes} bytes")
    seconds, fraction = struct.unpack_from(">II", _read(file, box), 16)
    if seconds < NTP_ERA_BIT:
        seconds += 2 * NTP_ERA_BIT
    return NTP_EPOCH + timedelta(seconds=seconds, microseconds=round(fraction * 1_000_000 / 2**32))


def _read(file: BinaryIO, box: Box) -> bytes:
    if box.size_bytes > MAX_PART_BYTES:
        raise UnreadableMp4Error(f"a part of {box.size_bytes} bytes")
    file.seek(box.start)
    return _exactly(file, box.size_bytes)


def _exactly(file: BinaryIO, size_bytes: int) -> bytes:
    parts: list[bytes] = []
    while size_bytes:
        part = file.read(size_bytes)
        if not part:
            raise UnreadableMp4Error("it ends too early")
        parts.append(part)
        size_bytes -= len(part)
    return b"".join(parts)
