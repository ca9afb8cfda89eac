"""Decodes one picture and makes it a JPEG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import BinaryIO

import av
from av.error import FFmpegError
from beffroi.api.errors import NoPicture
from beffroi.common.contracts import AccessUnit, FrameBatch
from beffroi.common.contracts.frames import from_ns

JPEG_QUANTISER = 4
"""Of 2 (best) to 31: no visible loss at a tenth of a second's work."""


@dataclass(frozen=True, repr=False)
class Still:
    """One picture as JPEG. `mask_version` is None where it comes from a segment that holds several."""

    jpeg: bytes
    captured_at: datetime
    mask_version: int | None


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
            return Still(_jpeg(frame), from_ns(wanted.capture_time_ns), batch.mask_version)
    raise NoPicture("The picture of that moment cannot be decoded: try a moment later.")


def from_segment(file: BinaryIO, starts_at: datetime, at: datetime, mask_versions: Sequence[int]) -> Still:
    """Decode the newest picture at or before `at` of a recorded segment.

    Args:
        file: the object, readable and seekable.
        starts_at: capture time of its first picture.
        at: the moment.
        mask_versions: those of the segment.

    Raises:
        NoPicture: none can be decoded.
    """
    try:
        found = _seek(file, (at - starts_at).total_seconds())
    except FFmpegError as error:
        raise NoPicture(f"The recording of that moment cannot be decoded ({type(error).__name__}).") from None
    if found is None:
        raise NoPicture("The recording holds no picture of that moment.")
    frame, offset_s = found
    version = mask_versions[0] if len(mask_versions) == 1 else None
    return Still(_jpeg(frame), starts_at + timedelta(seconds=offset_s), version)


def _seek(file: BinaryIO, offset_s: float) -> tuple[av.VideoFrame, float] | None:
    with av.open(file, mode="r", format="mp4") as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        base = stream.time_base or Fraction(1, 90_000)
        first = stream.start_time or 0
        container.seek(first + int(max(offset_s, 0.0) / base), stream=stream, backward=True)
        found: tuple[av.VideoFrame, float] | None = None
        for frame in container.decode(stream):
            at_s = float(((frame.pts or 0) - first) * base)
            if found is not None and at_s > offset_s:
                break
            found = (frame, at_s)
        return found


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
