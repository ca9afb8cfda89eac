"""The end of a camera's chain, written down beside its segments, so that a restart goes on from it."""

from __future__ import annotations

from beffroi_common.contracts import Contract, Recording

CONTENT_TYPE = "application/json"


class Head(Contract):
    """The segment of a camera stored last, and what had been taken of the camera at its end."""

    recording: Recording
    taken: dict[int, int]
    """Epoch → last sequence number, the epoch seen last at the end."""
