"""`tracks.v1`: who is where on one analysed picture."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from .base import Box, CameraId, Contract, Epoch, Score, Sequence, Side, UtcTime
from .texts import visible

TrackId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


MAX_OBJECTS = 500
"""On one picture."""


class TrackedObject(Contract):
    """One object on one picture; its identity holds as long as the tracker follows it."""

    track: TrackId
    label: Annotated[str, StringConstraints(min_length=1, max_length=40), AfterValidator(visible)]
    """Class of the model, e.g. `person`."""
    box: Box
    confidence: Score


class Tracks(Contract):
    """What one analysed picture shows. An empty one is sent too: time goes on where nobody is."""

    camera: CameraId
    epoch: Epoch
    sequence: Sequence
    """Of the frame batch that holds the picture."""
    capture_time: UtcTime
    width: Side
    height: Side
    objects: tuple[TrackedObject, ...] = Field(default=(), max_length=MAX_OBJECTS)
