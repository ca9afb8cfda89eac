"""Decodes one picture and makes it a JPEG."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import BinaryIO

import av
from av.error import FFmpegError

from beffroi_api.errors import NoPicture
from beffroi_common.contracts import AccessUnit, FrameBatch
from beffroi_common.contracts.frames import from_ns

from . import fragments
from .fragments import Fragment

JPEG_QUANTISER = 4
"""Of 2 (best) to 31: no visible loss at a tenth of a second's work."""


@dataclass(frozen=True, repr=False)
class Still:
    """One picture as JPEG.

    Attributes:
        mask_version: None where it comes from a segment that holds several.
        recorded: out of a segment, and hence under the masks of its time, not out of memory.
    """

    jpeg: bytes
    captured_at: datetime
    mask_version: int | None
    recorded: bool


def from_batches(batches: Sequence[FrameBatch], at_ns: int | None) -> Still:
    """Decode the newest picture captured at or before `at_ns` (None: the newest of all).

    Args:
        batches: consecutive, the first beginning with a key picture.
        at_ns: UTC, nanoseconds since 1970.

    Raises:
        NoPicture: none can be decoded.
    """
    units = [(batch, unit) for batch in batches for unit in batch.units]
    shown = [each for each in units if at_ns is None or each[1].capture_time_ns <= at_ns]
    if not shown:
        raise NoPicture("No picture of that moment is in memory.")
    batch, wanted = max(shown, key=lambda each: each[1].capture_time_ns)
    for frame in _decoded(unit for _, unit in units):
        if frame.pts == wanted.pts:
            return Still(_jpeg(frame), from_ns(wanted.capture_time_ns), batch.mask_version, recorded=False)
    raise NoPicture("The picture of that moment cannot be decoded: try a moment later.")


def from_segment(file: BinaryIO, at: datetime, mask_versions: Sequence[int]) -> Still:
    """Decode the newest picture at or before `at` of a recorded segment; its first where all are later.

    Args:
        file: the object, readable and seekable.
        at: the moment.
        mask_versions: those of the segment.

    Raises:
        NoPicture: none can be decoded.
    """
    try:
        fragment = fragments.covering(file, at)
        frame, captured_at = _newest(fragment, at)
    except (FFmpegError, fragments.NotASegmentError, IndexError, struct.error) as error:
        raise NoPicture(f"The recording of that moment cannot be decoded ({type(error).__name__}).") from None
    version = mask_versions[0] if len(mask_versions) == 1 else None
    return Still(_jpeg(frame), captured_at, version, recorded=True)


def _newest(fragment: Fragment, at: datetime) -> tuple[av.VideoFrame, datetime]:
    """The newest picture of a fragment at or before `at`. Within a fragment the media clock counts from its start."""
    found: list[tuple[av.VideoFrame, datetime]] = []
    with av.open(io.BytesIO(fragment.content), mode="r", format="mp4") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        first: int | None = None
        for frame in container.decode(stream):
            pts = frame.pts or 0
            first = pts if first is None else first
            captured_at = fragment.starts_at + timedelta(seconds=float((pts - first) * (stream.time_base or 0)))
            if found and captured_at > at:
                break
            found = [(frame, captured_at)]
    return found[0]


def _decoded(units: Iterator[AccessUnit]) -> Iterator[av.VideoFrame]:
    decoder = av.VideoCodecContext.create("h264", "r")
    decoder.thread_count = 1
    try:
        for unit in units:
            packet = av.Packet(unit.data)
            packet.pts, packet.dts = unit.pts, unit.dts
            yield from decoder.decode(packet)
        yield from decoder.decode(None)
    except FFmpegError:
        return  # what was decodable before is what there is; the caller says so when it is not enough


def _jpeg(frame: av.VideoFrame) -> bytes:
    encoder = av.VideoCodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 25)
    encoder.qmin = encoder.qmax = JPEG_QUANTISER
    picture = frame.reformat(format="yuvj420p")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))
