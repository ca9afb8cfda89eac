"""The end of a camera's chain, written down beside its segments, so that a restart goes on from it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from beffroi_common.bus.sequences import MAX_EPOCHS
from beffroi_common.contracts import Contract, Recording
from beffroi_common.contracts.base import Epoch, Sequence

CONTENT_TYPE = "application/json"


class Head(Contract):
    """The segment of a camera stored last, and what had been taken of the camera at its end."""

    recording: Recording
    taken: Annotated[dict[Epoch, Sequence], Field(max_length=MAX_EPOCHS)]
    """Epoch → last sequence number, the epoch seen last at the end."""
