"""Reads and writes the ends of the cameras' chains."""

from __future__ import annotations

import structlog

from beffroi_common.contracts import InvalidMessageError
from beffroi_common.recordings import heads
from beffroi_common.recordings.heads import Head
from beffroi_common.recordings.naming import head_name
from beffroi_common.store import ObjectMissing, ObjectStore

from .work_dir import WorkDir

log = structlog.get_logger(__name__)


class Heads:
    """Reads and writes heads. A camera that is idle for the whole retention loses its head with its last segment."""

    def __init__(self, store: ObjectStore, work: WorkDir) -> None:
        self._store = store
        self._work = work
        self._versions: dict[str, str] = {}
        """By camera: of the object that was loaded last."""

    def load(self, camera: str) -> Head | None:
        """The head of a camera; None when nothing of it is stored.

        Raises:
            StoreUnavailable: the store does not answer.
            StoreDenied: it refuses our key.
        """
        self._versions.pop(camera, None)
        # The version first: should somebody write in between, it is his that is not replaced.
        about = self._store.stat(head_name(camera))
        if about is None:
            return None
        self._versions[camera] = about.version
        try:
            return Head.decode(self._store.read(head_name(camera)))
        except ObjectMissing:
            return None
        except InvalidMessageError as reason:
            # Recording goes on; the chain of this camera starts over, and whoever verifies it will ask.
            log.error("the end of a camera's chain is unreadable: a new chain begins", camera=camera, why=str(reason))
            return None

    def save(self, head: Head) -> None:
        """Write a head down, in the place of the one that was loaded last.

        Raises:
            DiskFull: no room for the file that is sent.
            ObjectChanged: another recorder wrote one meanwhile. Load it.
            StoreUnavailable: the store is away.
            StoreDenied: it refuses our key.
        """
        file = self._work.new_file(f"head-{head.recording.camera}")
        try:
            file.add(head.encode())
            file.write()
            camera = head.recording.camera
            replaces = self._versions.pop(camera, None)
            self._store.put(head_name(camera), file.path, heads.CONTENT_TYPE, {}, replaces=replaces)
        finally:
            file.discard()
