"""Decodes one picture and makes it a JPEG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import BinaryIO

import av
from av import VideoFrame

from beffroi_api.errors import NoPicture
from beffroi_common.contracts import AccessUnit, Codec, DrawnPicture, FrameBatch
from beffroi_common.contracts.frames import from_ns
from beffroi_common.media import mp4_reader
from beffroi_common.media.decoding import DecodeError, Decoder
from beffroi_common.media.mp4_reader import Fragment, UnreadableMp4Error

JPEG_QUANTISER = 4
"""Of 2 (best) to 31: no visible loss at a tenth of a second's work."""


@dataclass(frozen=True, repr=False)
class Still:
    """One picture as JPEG.

    Attributes:
        mask_version: None where it comes from a segment that holds several.
        recorded: out of a segment, and hence under the masks of its time, not off the bus.
        drawn_on: what a decision says that is drawn on this picture; None out of a segment.
    """

    jpeg: bytes
    captured_at: datetime
    mask_version: int | None
    recorded: bool
    drawn_on: DrawnPicture | None = None


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
        raise NoPicture("No picture of that moment is on the bus.")
    batch, wanted = max(shown, key=lambda each: each[1].capture_time_ns)
    for frame in _decoded(unit for _, unit in units):
        if frame.pts == wanted.pts:
            return Still(
                _jpeg(frame),
                from_ns(wanted.capture_time_ns),
                batch.mask_version,
                recorded=False,
                drawn_on=_shape(batch, frame),
            )
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
        frame, captured_at = _newest(mp4_reader.covering(file, at), at)
    except UnreadableMp4Error as error:
        raise NoPicture(f"The recording of that moment cannot be shown: {error}.") from None
    version = mask_versions[0] if len(mask_versions) == 1 else None
    return Still(_jpeg(frame), captured_at, version, recorded=True)


def _newest(fragment: Fragment, at: datetime) -> tuple[VideoFrame, datetime]:
    """The newest picture of a fragment at or before `at`. Within a fragment the media clock counts from its start.

    Raises:
        UnreadableMp4Error: it holds none that can be decoded.
    """
    found: tuple[VideoFrame, datetime] | None = None
    for media_s, frame in mp4_reader.decoded(fragment.content):
        captured_at = fragment.starts_at + timedelta(seconds=media_s)
        if found is not None and captured_at > at:
            break
        found = (frame, captured_at)
    if found is None:
        raise UnreadableMp4Error("no picture in it")
    return found


def _decoded(units: Iterable[AccessUnit]) -> Iterator[VideoFrame]:
    """The pictures up to the first that cannot be decoded; the caller says so when they are not enough."""
    decoder = Decoder(Codec.H264)
    with suppress(DecodeError):
        for unit in units:
            yield from decoder.decode(unit.data, unit.pts, unit.dts)
        yield from decoder.flush()


def _shape(batch: FrameBatch, frame: VideoFrame) -> DrawnPicture:
    return DrawnPicture(
        width=frame.width,
        height=frame.height,
        pixel_aspect=float(batch.pixel_aspect or 1),
        cropped_left=batch.cropped_left,
        cropped_top=batch.cropped_top,
    )


def _jpeg(frame: VideoFrame) -> bytes:
    encoder = av.VideoCodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 25)
    encoder.qmin = encoder.qmax = JPEG_QUANTISER
    picture = frame.reformat(format="yuvj420p")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(picture), *encoder.encode(None)))
