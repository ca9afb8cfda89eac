"""Where a segment ends: decided by the pictures alone, so that a replay cuts at the same places."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from beffroi_common.contracts import FrameBatch
from beffroi_common.contracts.frames import NS_PER_S, TICKS_PER_S
from beffroi_common.media.nal import ParameterSets
from beffroi_common.media.samples import Sample


class Cut(StrEnum):
    """Why a segment ends before a batch."""

    EPOCH = "epoch"
    PICTURE = "picture"
    MEDIA_CLOCK = "media_clock"
    GAP = "gap"
    FULL_MINUTE = "full_minute"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class CutRules:
    """The settings that decide. See `RecorderSettings`."""

    segment_s: int
    max_gap_s: float
    max_drift_s: float


@dataclass(frozen=True, slots=True)
class Shape:
    """What all batches of one segment share."""

    epoch: int
    width: int
    height: int
    time_base: Fraction

    @classmethod
    def of(cls, batch: FrameBatch) -> Shape:
        """The shape of a segment that begins with `batch`."""
        return cls(batch.epoch, batch.width, batch.height, batch.time_base)


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a segment goes.

    Attributes:
        first_capture_ns: capture time of its first picture.
        last_capture_ns: capture time of its last picture.
        first_dts: media clock of its first picture, in ticks.
        last_dts: media clock of its last picture, in ticks.
    """

    first_capture_ns: int
    last_capture_ns: int
    first_dts: int
    last_dts: int


def why_cut(
    shape: Shape, sets: ParameterSets, extent: Extent, following: Shape, following_sets: ParameterSets | None,
    first: Sample, rules: CutRules,
) -> Cut | None:  # fmt: skip
    """Say why the segment must end before the batch that begins with `first`; None: it goes on.

    `following_sets` is None when the batch does not begin with a key picture. A change of what is in the file ends a
    segment at any batch, everything else at a key picture only, because a new segment begins with one. A new mask
    version does not end it: the masker starts a new GOP there, and `Recording` names all versions.
    """
    forced = _hard_cut(shape, sets, extent, following, following_sets, first, rules)
    if forced is not None or following_sets is None:
        return forced
    return _soft_cut(extent, first, rules)


def _hard_cut(
    shape: Shape, sets: ParameterSets, extent: Extent, following: Shape, following_sets: ParameterSets | None,
    first: Sample, rules: CutRules,
) -> Cut | None:  # fmt: skip
    if following.epoch != shape.epoch:
        return Cut.EPOCH
    if following != shape or following_sets not in (None, sets):
        return Cut.PICTURE
    if not 0 < first.dts - extent.last_dts <= rules.max_gap_s * TICKS_PER_S:
        return Cut.MEDIA_CLOCK
    return None


def _soft_cut(extent: Extent, first: Sample, rules: CutRules) -> Cut | None:
    if abs(first.capture_time_ns - extent.last_capture_ns) > rules.max_gap_s * NS_PER_S:
        return Cut.GAP
    segment_ns = rules.segment_s * NS_PER_S
    if first.capture_time_ns // segment_ns != extent.first_capture_ns // segment_ns:
        return Cut.FULL_MINUTE
    wall_s = (first.capture_time_ns - extent.first_capture_ns) / NS_PER_S
    media_s = (first.dts - extent.first_dts) / TICKS_PER_S
    return Cut.DRIFT if abs(wall_s - media_s) > rules.max_drift_s else None
