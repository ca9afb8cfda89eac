"""Draws zones, boxes and names straight into the planes of a picture: no conversion to RGB and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from beffroi_common.contracts import Point

from .tracking import Tracked

Plane = NDArray[np.uint8]
Yuv = tuple[int, int, int]
Draw = Callable[[Plane, int, tuple[int]], object]
"""Draws on one plane, given how many pixels of the picture one of its own is, and the value to write."""

BOX: Yuv = (235, 128, 128)
"""White: red is for what needs a hand now, and that is for the rules to say."""
ZONE: Yuv = (170, 166, 16)
"""Sky blue, seen on grass and asphalt alike."""
SHADE: Yuv = (16, 128, 128)
FONT = cv2.FONT_HERSHEY_SIMPLEX
TEXT_HEIGHT = 0.025
"""Of the picture's height."""
FONT_PIXELS = 22
"""Height of this font's capitals at scale 1."""
NAME_LENGTH = 4
"""Of a track's name as much is shown as tells people apart."""


@dataclass(frozen=True, slots=True)
class Outline:
    """How a zone is drawn.

    Attributes:
        name: written beside it.
        points: normalised.
        closed: the last point is joined to the first.
    """

    name: str
    points: Sequence[Point]
    closed: bool


def annotate(picture: VideoFrame, tracked: Sequence[Tracked], zones: Sequence[Outline]) -> VideoFrame:
    """Return a copy of the picture, of even size, with zones and boxes (in pixels) drawn."""
    width, height = picture.width // 2 * 2, picture.height // 2 * 2
    planes: Plane = (
        picture.reformat(width=width, height=height, format="yuv420p").to_ndarray().astype(np.uint8, copy=False)
    )
    canvas = _Canvas(planes, width, height)
    for zone in zones:
        canvas.zone(zone)
    for each in tracked:
        canvas.box(each)
    return VideoFrame.from_ndarray(planes, format="yuv420p")


class _Canvas:
    def __init__(self, planes: Plane, width: int, height: int) -> None:
        self._size = np.array([width, height])
        self._luma = planes[:height]
        flat = planes[height:].reshape(-1)
        half = flat.size // 2
        self._chroma = [part.reshape(height // 2, width // 2) for part in (flat[:half], flat[half:])]
        self._line = max(1, height // 300)
        self._scale = max(0.35, height * TEXT_HEIGHT / FONT_PIXELS)

    def zone(self, zone: Outline) -> None:
        corners = (np.array(zone.points) * self._size).round().astype(np.int32)
        self._each(
            ZONE,
            lambda plane, step, value: cv2.polylines(plane, [corners // step], zone.closed, value, self._line),
        )
        top = corners[corners[:, 1].argmin()]
        self._text(zone.name, int(top[0]), int(top[1]) + self._line * 2, ZONE)

    def box(self, tracked: Tracked) -> None:
        left, top, right, bottom = (round(value) for value in tracked.xyxy)
        self._each(
            BOX,
            lambda plane, step, value: cv2.rectangle(
                plane, (left // step, top // step), (right // step, bottom // step), value, self._line
            ),
        )
        name = f"{tracked.track.replace('-', '')[-NAME_LENGTH:]} {tracked.confidence:.2f}"
        self._text(name, left, max(0, top - round(FONT_PIXELS * self._scale * 1.6)), BOX)

    def _text(self, text: str, left: int, top: int, colour: Yuv) -> None:
        plain = text.encode("ascii", "replace").decode()  # the font has no others
        (width, height), below = cv2.getTextSize(plain, FONT, self._scale, 1)
        right, bottom = left + width, top + height + below
        self._each(
            SHADE,
            lambda plane, step, value: cv2.rectangle(
                plane, (left // step, top // step), (right // step, bottom // step), value, cv2.FILLED
            ),
        )
        cv2.putText(self._luma, plain, (left, top + height), FONT, self._scale, (colour[0],), 1, cv2.LINE_AA)

    def _each(self, colour: Yuv, draw: Draw) -> None:
        draw(self._luma, 1, (colour[0],))
        for plane, value in zip(self._chroma, colour[1:], strict=True):
            draw(plane, 2, (value,))
