"""What a person decided about each camera, as `cameras.v1` says now; anything less is a refusal.

Where it is not known what the topic says now, nothing passes either, but what waits is kept: see `Table`.
"""

from __future__ import annotations

from operator import attrgetter

from beffroi_common.bus import Absent, Bus, Table
from beffroi_common.contracts import Camera, MaskDecision
from beffroi_common.runtime.clock import Clock
from beffroi_common.topics import CAMERAS

from .stream import Reason


class Decisions:
    """Follows `cameras.v1`."""

    def __init__(self, bus: Bus, clock: Clock, max_age_s: float) -> None:
        self._cameras = Table(
            bus, CAMERAS, Camera.decode, clock, key_of=attrgetter("id"), max_age_s=max_age_s, name="decisions"
        )

    def start(self) -> None:
        """Begin to follow."""
        self._cameras.start()

    def close(self) -> None:
        """Stop following."""
        self._cameras.close()

    def wait_caught_up(self, timeout_s: float) -> bool:
        """Wait until every decision made so far is known: before that nothing may pass."""
        return self._cameras.wait_caught_up(timeout_s)

    @property
    def are_stale(self) -> bool:
        """Whether they may be out of date, and none counts."""
        return self._cameras.is_stale

    def of(self, camera: str, source_version: int) -> MaskDecision | Reason:
        """The decision in force on pictures of this source of a camera, or why there is none.

        Raises:
            TableStaleError: it may be out of date at present.
        """
        known = self._cameras.get(camera)
        if known is Absent.MISSING:
            return Reason.UNKNOWN_CAMERA
        if known is Absent.UNREADABLE:
            return Reason.UNREADABLE_CONFIGURATION
        if not known.enabled:
            return Reason.SWITCHED_OFF
        if known.source_version != source_version:
            return Reason.OTHER_SOURCE
        return known.masking or Reason.NO_MASK_DECISION
