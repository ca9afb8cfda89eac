"""Access units as a file holds them: on a media clock of 90 kHz, each with its duration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from beffroi_common.contracts import FrameBatch, InvalidMessageError

TICKS_PER_S = 90_000
"""RTP's clock for video: every camera's times fit without rounding."""

MEDIA_TIME_BASE = Fraction(1, TICKS_PER_S)

MAX_STEP_S = 60
"""Pictures of one batch further apart than this are nonsense: a batch is a second at most."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One encoded picture in a file (ISO/IEC 14496-12 calls it a sample).

    Attributes:
        pts: presentation time in ticks.
        dts: decoding time in ticks.
        duration: until the next picture, in ticks.
        key: a decoder can start here.
        capture_time_ns: UTC, nanoseconds since 1970.
        data: Annex B. Never printed.
    """

    pts: int
    dts: int
    duration: int
    key: bool
    capture_time_ns: int
    data: bytes

    def __repr__(self) -> str:
        """Everything but the picture."""
        return f"Sample(dts={self.dts}, key={self.key}, {len(self.data)} bytes)"


def samples(batch: FrameBatch) -> tuple[Sample, ...]:
    """The pictures of a batch on the camera's own media clock, in ticks.

    Raises:
        InvalidMessageError: the media clock stands still, goes backwards or jumps inside the batch.
    """
    dts = [_ticks(unit.dts, batch.time_base) for unit in batch.units]
    pts = [_ticks(unit.pts, batch.time_base) for unit in batch.units]
    most = MAX_STEP_S * TICKS_PER_S
    if not all(0 < after - before <= most for before, after in pairwise(dts)):
        raise InvalidMessageError("FrameBatch: decoding times must grow from picture to picture: check the camera")
    if not all(0 <= shown - decoded <= most for shown, decoded in zip(pts, dts, strict=True)):
        raise InvalidMessageError("FrameBatch: a picture is to be shown before it is decoded, or much later")
    return tuple(
        Sample(shown, decoded, duration, unit.key, unit.capture_time_ns, unit.data)
        for shown, decoded, duration, unit in zip(pts, dts, _durations(dts), batch.units, strict=True)
    )


def _ticks(value: int, time_base: Fraction) -> int:
    return value * time_base.numerator * TICKS_PER_S // time_base.denominator


def _durations(dts: Sequence[int]) -> list[int]:
    """Distance to the next picture; the last one lasts as long as the one before. The muxer corrects it by the next."""
    steps = [after - before for before, after in pairwise(dts)]
    return [*steps, steps[-1] if steps else 0]
