"""The end of each camera's chain, written down in the bucket beside the segments, so that a restart goes on from it."""

from __future__ import annotations

import structlog

from beffroi_common.bus import RetryLater
from beffroi_common.contracts import Contract, InvalidMessageError, Recording
from beffroi_common.store import ObjectMissing, ObjectStore, StoreUnavailable

from .naming import head_name
from .work_dir import WorkDir

log = structlog.get_logger(__name__)


class StoreAway(RetryLater):
    """The object store does not answer. What is on the bus and on the local disk stays there meanwhile."""


class Head(Contract):
    """The segment of a camera stored last, and what had been taken of the camera at its end."""

    recording: Recording
    taken: dict[int, int]
    """Epoch → last sequence number, the epoch seen last at the end."""


class Heads:
    """Reads and writes heads. A camera silent for the whole retention loses its head with its last segment."""

    def __init__(self, store: ObjectStore, work: WorkDir) -> None:
        self._store = store
        self._work = work

    def load(self, camera: str) -> Head | None:
        """The head of a camera; None when nothing of it is stored.

        Raises:
            StoreAway: the store does not answer.
            StoreDenied: it refuses our key.
        """
        try:
            return Head.decode(self._store.read(head_name(camera)))
        except ObjectMissing:
            return None
        except StoreUnavailable as reason:
            raise StoreAway(str(reason)) from None
        except InvalidMessageError as reason:
            # Recording goes on; the chain of this camera begins anew, and whoever verifies it will ask.
            log.error("the end of a camera's chain is unreadable: a new chain begins", camera=camera, why=str(reason))
            return None

    def save(self, head: Head) -> None:
        """Write a head down.

        Raises:
            DiskFull: no room for the file that is sent.
            StoreUnavailable: the store is away.
            StoreDenied: it refuses our key.
        """
        file = self._work.new_file(f"head-{head.recording.camera}")
        try:
            file.add(head.encode())
            file.write()
            self._store.put(head_name(head.recording.camera), file.path, "application/json", {})
        finally:
            file.discard()
