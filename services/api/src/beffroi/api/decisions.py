"""Which masks are in force, and hence which pictures may be shown. The one gate that every live picture passes."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from beffroi.common.contracts import Camera


class Decisions:
    """The cameras as they are at present, asked from every thread. A camera nobody told of shows nothing."""

    def __init__(self) -> None:
        self._cameras: dict[str, Camera] = {}
        self._lock = threading.Lock()

    def load(self, cameras: Iterable[Camera]) -> None:
        """Begin with these."""
        with self._lock:
            self._cameras = {camera.id: camera for camera in cameras}

    def changed(self, camera: str, now: Camera | None) -> None:
        """A camera became different, or was removed. A late word does not undo a newer one."""
        with self._lock:
            before = self._cameras.get(camera)
            if now is None:
                self._cameras.pop(camera, None)
            elif before is None or now.version >= before.version:
                self._cameras[camera] = now

    def camera(self, camera: str) -> Camera | None:
        """The camera as it is."""
        with self._lock:
            return self._cameras.get(camera)

    def shows(self, camera: str, mask_version: int) -> bool:
        """Whether a picture with this mask version may be seen: never one older than the decision in force."""
        known = self.camera(camera)
        return (
            known is not None and known.enabled and known.masking is not None and mask_version >= known.masking.version
        )
