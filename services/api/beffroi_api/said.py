"""What the services say of a camera, as far as it is shown with the camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from beffroi_common.contracts import CameraStatus, Level


class Said(NamedTuple):
    """A status without its time and its counters, which are other ones every few seconds."""

    level: Level
    code: str
    message: str
    service: str
    resting_rules: Mapping[str, str]

    @classmethod
    def of(cls, status: CameraStatus) -> Said:
        """What is shown of a status."""
        return cls(status.level, status.code, status.message, status.service, status.resting_rules)
