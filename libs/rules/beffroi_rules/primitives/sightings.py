"""The objects of one picture, each with where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from beffroi_common.contracts import Box, Point, TrackedObject, Tracks

from .geometry import Place, foot_of, place_of


@dataclass(frozen=True, slots=True)
class Sighting:
    """One object on the picture at hand.

    Attributes:
        track: its identity.
        label: its class.
        box: normalised.
        foot: where it touches the ground, normalised.
        place: the same in picture heights.
        size: height of the box in picture heights.
    """

    track: str
    label: str
    box: Box
    foot: Point
    place: Place
    size: float


def sightings(message: Tracks, objects: Iterable[TrackedObject]) -> dict[str, Sighting]:
    """Objects of one picture by identity."""
    aspect = message.width / message.height
    return {each.track: _sighting(each, aspect) for each in objects}


def _sighting(seen: TrackedObject, aspect: float) -> Sighting:
    foot = foot_of(seen.box)
    return Sighting(seen.track, seen.label, seen.box, foot, place_of(foot, aspect), seen.box[3] - seen.box[1])
