"""Where a loop of the clip begins among stored pictures: found by what they show, since arrival times jitter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from beffroi_common.contracts import Codec
from beffroi_common.media.decoding import Decoder

from . import clips

THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT = 128, 96
"""Small enough that the noise of two encodings is averaged out, large enough to see a person take a step."""

SEARCH_S = 1.5
"""A picture is captured so near the moment the camera sent it, also on a busy machine."""

Thumbnail = NDArray[np.float32]


@dataclass(frozen=True)
class StoredPicture:
    """One picture read back.

    Attributes:
        captured_s: UTC, in seconds since 1970.
        thumbnail: its luma, small.
    """

    captured_s: float
    thumbnail: Thumbnail


class LoopNotFoundError(RuntimeError):
    """The store holds no picture from about the time that a loop began."""


def thumbnail(picture: VideoFrame) -> Thumbnail:
    """Return the luma of a picture, averaged down to `THUMBNAIL_HEIGHT` × `THUMBNAIL_WIDTH`."""
    small = picture.reformat(
        width=THUMBNAIL_WIDTH, height=THUMBNAIL_HEIGHT, format="gray", interpolation="AREA", dst_color_range="MPEG"
    )
    return small.to_ndarray().astype(np.float32)


def first_picture(clip: clips.PreparedClip) -> Thumbnail:
    """Return the thumbnail of the picture with which each loop of a clip begins."""
    with Path(clip.stream).open("rb") as file:
        unit = file.read(clip.sizes[0])
    decoder = Decoder(Codec.H264)
    return thumbnail([*decoder.decode(unit), *decoder.flush()][0])


def loop_start(pictures: Sequence[StoredPicture], first: Thumbnail, sent_s: float) -> int:
    """Return the index of the stored picture with which a loop begins.

    Args:
        pictures: in order.
        first: what the loop's first picture looks like.
        sent_s: when the camera sent it, UTC in seconds since 1970.

    Raises:
        LoopNotFoundError: there is no picture from that time.
    """
    near = [number for number, each in enumerate(pictures) if abs(each.captured_s - sent_s) <= SEARCH_S]
    if not near:
        raise LoopNotFoundError("the store holds no picture from the time that a loop of the clip began")
    return min(near, key=lambda number: float(np.abs(pictures[number].thumbnail - first).mean()))
