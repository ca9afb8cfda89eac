"""The cameras as they are at present, and hence which pictures may be shown: every live picture passes here."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from beffroi_common.contracts import Camera

UNKNOWN: tuple[int, Camera | None] = (0, None)
"""Version and configuration of a camera that is not known."""


class CameraDirectory:
    """Each camera and its commune, asked from every thread. A camera that is not known shows nothing."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Camera | None]] = {}
        """Version and camera by id. A removed one stays, as None: its version refuses what is older."""
        self._communes: dict[str, str] = {}
        self._lock = threading.Lock()

    def load(self, cameras: Iterable[Camera], communes: Mapping[str, str]) -> None:
        """Begin with these; `communes` says whose each camera is, removed ones included."""
        with self._lock:
            self._known = {camera.id: (camera.version, camera) for camera in cameras}
            self._communes = dict(communes)

    def changed(self, camera: str, version: int, now: Camera | None) -> None:
        """A camera became different, or was removed. Out-of-order updates are ignored."""
        with self._lock:
            newest, _ = self._known.get(camera, UNKNOWN)
            if version >= newest:
                self._known[camera] = (version, now)
                if now is not None:
                    self._communes[camera] = now.commune

    def names(self) -> set[str]:
        """All cameras that are, by id."""
        with self._lock:
            return {name for name, (_, camera) in self._known.items() if camera is not None}

    def camera(self, camera: str) -> Camera | None:
        """The camera as it is."""
        with self._lock:
            return self._known.get(camera, UNKNOWN)[1]

    def commune(self, camera: str) -> str | None:
        """Whose a camera is, or was when it was removed; None: nobody knows."""
        with self._lock:
            return self._communes.get(camera)

    def shows(self, camera: str, mask_version: int) -> bool:
        """Whether a picture with this mask version may be seen: never one older than the decision in force."""
        known = self.camera(camera)
        return (
            known is not None and known.enabled and known.masking is not None and mask_version >= known.masking.version
        )
