"""How soon a new mask is in force: decided through the api as the console does, looked for in the live pictures."""

from __future__ import annotations

import time
from dataclasses import dataclass

from . import scene
from .client import ApiClient
from .demo import Demo
from .leaks import MaskedArea, leaking_pixels
from .live import LiveViewer

MORE: scene.Polygon = ((0.55, 0.6), (0.95, 0.6), (0.95, 0.95), (0.55, 0.95))
"""A piece of the street, where people walk."""

PICTURES = 50
"""How many pictures are looked at; of vtest.avi five seconds."""

TIMEOUT_S = 30.0
LOOK_PERIOD_S = 0.05


@dataclass(frozen=True)
class MaskChange:
    """What was seen after a new decision.

    Attributes:
        in_force_s: from the decision to the first live picture; the api shows none of before. None: none came.
        leaking_pixels: in the pictures since, where the new mask is.
    """

    in_force_s: float | None
    leaking_pixels: int


def change_mask(demo: Demo, watcher: ApiClient) -> MaskChange:
    """Mask one more piece of the street camera's picture, and watch."""
    area = MaskedArea.of(MORE, demo.clip.width, demo.clip.height)
    viewer = LiveViewer(watcher, scene.STREET, "masked", lambda picture: leaking_pixels(picture, area))
    with demo.sign_in("administrator") as administrator:
        decided_s = time.monotonic()
        administrator.put(f"/cameras/{scene.STREET}/masking", scene.masking(demo.scene, MORE))
    viewer.start()
    while viewer.figures.pictures < PICTURES and time.monotonic() < decided_s + TIMEOUT_S:
        time.sleep(LOOK_PERIOD_S)
    seen = viewer.stop()
    return MaskChange(None if seen.first_s is None else seen.first_s - decided_s, seen.leaking_pixels)
