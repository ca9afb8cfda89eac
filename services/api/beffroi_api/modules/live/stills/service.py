"""Stills on demand: read from the bus of the last minute or so, out of a stored segment later. Never stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol, cast

import structlog

from beffroi_api.authz.scope import Scope
from beffroi_api.errors import Destroyed, NoPicture, StoreAway, store_words
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.recordings.service import Recordings
from beffroi_api.modules.recordings.video.object_file import ObjectFile
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.settings import StillSettings
from beffroi_common.contracts import FrameBatch
from beffroi_common.contracts.frames import NS_PER_S
from beffroi_common.store import ObjectMissing, StoreDenied, StoreUnavailable

from . import pictures
from .pictures import Still

log = structlog.get_logger(__name__)


class Frames(Protocol):
    """Where recent pictures are."""

    def run_to(self, scope: Scope, camera: str, at_ns: int | None) -> list[FrameBatch]:
        """Batches to decode for the masked picture at `at_ns` (None: the newest), from a key picture on; or none."""


@dataclass(frozen=True)
class Stills:
    """Makes one picture of a camera."""

    frames: Frames
    directory: CameraDirectory
    recordings: Recordings
    stores: Stores
    settings: StillSettings
    why_not: Callable[[str], str]
    """Says why a camera has no live picture."""

    def latest(self, scope: Scope, camera: str) -> Still:
        """The newest picture that may be shown. Never one out of a recording: it may be under an older mask.

        Raises:
            NoPicture: there is none, and why.
        """
        batches = self.frames.run_to(scope, camera, None)
        if not batches:
            raise NoPicture(f"There is no picture at present: {self.why_not(camera)}")
        return self._decoded(camera, batches, None)

    def at(self, scope: Scope, camera: str, at: datetime) -> Still:
        """The picture of a moment, of a camera in scope.

        Raises:
            NoPicture: there is none, and why.
            Destroyed: the moment is past its retention.
            StoreAway: the object store does not answer.
            UnknownStore: no setting names the store that holds it.
        """
        self.recordings.refuse_past_retention(at)
        return self._from_bus(scope, camera, at) or self._from_segment(scope, camera, at)

    def refuse_outdated(self, camera: str, still: Still) -> None:
        """See that a picture off the bus may be shown under the decision in force. Whoever waits asks again.

        Raises:
            NoPicture: it may not.
        """
        if still.recorded:
            return
        if still.mask_version is None or not self.directory.shows(camera, still.mask_version):
            raise NoPicture("The masks of this camera were just changed: try again in a moment.")

    def _from_bus(self, scope: Scope, camera: str, at: datetime) -> Still | None:
        batches = self.frames.run_to(scope, camera, _ns(at))
        if not batches:
            return None
        still = self._decoded(camera, batches, _ns(at))
        return still if at - still.captured_at <= self._tolerance else None

    def _decoded(self, camera: str, batches: Sequence[FrameBatch], at_ns: int | None) -> Still:
        """A picture off the bus, if the decision in force when it is ready lets it be shown."""
        still = pictures.from_batches(batches, at_ns)
        self.refuse_outdated(camera, still)
        return still

    def _from_segment(self, scope: Scope, camera: str, at: datetime) -> Still:
        segment = self.recordings.covering(scope, camera, at, self._tolerance)
        if segment is None:
            raise NoPicture(
                "That moment is neither on the bus nor in a recording. A recording comes about a minute after its "
                "pictures; if it is longer ago, the camera sent nothing then."
            )
        # A file that PyAV reads from; it is no BinaryIO by name, but it is one by its methods.
        file = cast("BinaryIO", ObjectFile(self.stores.holding(segment.store), segment.object_name, segment.size_bytes))
        try:
            return pictures.from_segment(file, at, segment.mask_versions)
        except ObjectMissing:
            raise Destroyed("The recording of that moment is no longer kept.") from None
        except (StoreUnavailable, StoreDenied) as error:
            log.warning("no picture from the store", reason=str(error))
            raise StoreAway(store_words(error)) from None

    @property
    def _tolerance(self) -> timedelta:
        return timedelta(seconds=self.settings.tolerance_s)


def _ns(at: datetime) -> int:
    """The last nanosecond of that microsecond: times in JSON are cut to microseconds, pictures are not."""
    return int(at.timestamp()) * NS_PER_S + at.microsecond * 1000 + 999
