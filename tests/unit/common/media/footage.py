"""Encoded pictures for tests of the media seam, each with its number burned in."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from av import VideoFrame

from beffroi_common import pattern
from beffroi_common.contracts import Codec, FrameBatch, Stream
from beffroi_common.media.encoding import Quality, encode

FPS = 4
NS = 1_000_000_000
START_NS = 1_793_534_400 * NS + 250_000_000
"""2026-11-01 12:00:00.25 UTC."""
TIME_BASE = Fraction(1, 90_000)
SIZE = (160, 96)
CHEAP = Quality("ultrafast", 23)


def picture(number: int, pts: int | None = None) -> VideoFrame:
    """A grey picture with its number."""
    luma = pattern.draw(number, *SIZE)
    planes = np.vstack([luma, np.full((SIZE[1] // 2, SIZE[0]), 128, np.uint8)])
    frame = VideoFrame.from_ndarray(planes, format="yuv420p")
    frame.pts = number * TIME_BASE.denominator // FPS if pts is None else pts
    return frame


def film(batches: int, *, first: int = 0, quality: Quality = CHEAP) -> list[FrameBatch]:
    """Batches of a second each, each beginning with a key picture."""
    return [_batch(index, range(first + index * FPS, first + (index + 1) * FPS), quality) for index in range(batches)]


def numbers(pictures: Sequence[VideoFrame]) -> list[int | None]:
    """The numbers burned into pictures."""
    return [pattern.read(each.to_ndarray()[: each.height].astype(np.uint8)) for each in pictures]


def _batch(sequence: int, shown: range, quality: Quality) -> FrameBatch:
    times_ns = [START_NS + number * NS // FPS for number in shown]
    units = encode([picture(number) for number in shown], times_ns, TIME_BASE, quality)
    return FrameBatch("gate", Stream.MAIN, 7, sequence, TIME_BASE, Codec.H264, *SIZE, mask_version=1, units=units)
