"""Access units as a file holds them: on a media clock of 90 kHz, each with its duration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from beffroi_common.contracts import FrameBatch, InvalidMessageError
from beffroi_common.contracts.frames import TICKS_PER_S, ticks

MEDIA_TIME_BASE = Fraction(1, TICKS_PER_S)


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
        InvalidMessageError: a picture is to be shown before it is decoded.
    """
    dts = [ticks(unit.dts, batch.time_base) for unit in batch.units]
    pts = [ticks(unit.pts, batch.time_base) for unit in batch.units]
    if not all(shown >= decoded for shown, decoded in zip(pts, dts, strict=True)):
        raise InvalidMessageError("FrameBatch: a picture is to be shown before it is decoded")
    return tuple(
        Sample(shown, decoded, duration, unit.key, unit.capture_time_ns, unit.data)
        for shown, decoded, duration, unit in zip(pts, dts, _durations(dts), batch.units, strict=True)
    )


def _durations(dts: Sequence[int]) -> list[int]:
    """Distance to the next picture; the last one lasts as long as the one before. The muxer corrects it by the next."""
    steps = [after - before for before, after in pairwise(dts)]
    return [*steps, steps[-1] if steps else 0]
