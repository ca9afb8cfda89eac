"""Which partition a camera's messages go to: the one with the least load, kept for good."""

from __future__ import annotations

from collections.abc import Iterable

from beffroi_common.contracts import Camera

USUAL_FPS = 15.0
"""Counted for a camera whose frame rate nobody stated."""


def least_loaded(cameras: Iterable[Camera], slots: int) -> int:
    """Return the slot with the fewest pictures a second; the lowest of equals."""
    load = [0.0] * slots
    for camera in cameras:
        if camera.slot < slots:
            load[camera.slot] += camera.nominal_fps or USUAL_FPS
    return load.index(min(load))
