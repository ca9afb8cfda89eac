"""The last seconds of every camera that is watched, bounded in bytes, and who watches it.

Filled by the thread of the bus, read by the event loop.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from itertools import dropwhile
from typing import cast

from beffroi_api.authz.scope import Scope
from beffroi_api.errors import no_camera
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.live.schemas import View
from beffroi_api.process.settings import LiveSettings
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_common.contracts import Camera, Codec, FrameBatch, Stream
from beffroi_common.media.nal import codec_string
from beffroi_common.runtime.clock import Clock
from beffroi_common.runtime.metrics import BATCHES_DROPPED, BATCHES_IN, QUEUE_BYTES
from beffroi_common.topics import FRAMES_RAW

from .viewer import Held, Viewer

UNIT_OVERHEAD_BYTES = 200
"""What Python keeps around one access unit."""

MOST_BEHIND_S = cast("timedelta", FRAMES_RAW.retention).total_seconds()
"""What is caught up is no older: then it is gone before it was masked. So long a picture of the lane counts."""


@dataclass(frozen=True, slots=True)
class _Ahead:
    """The newest picture that came by the lane, and when (monotonic clock)."""

    epoch: int
    sequence: int
    at_s: float


class Channel:
    """One view of one camera."""

    def __init__(self) -> None:
        self.held: deque[Held] = deque()
        self.size_bytes = 0
        self.codec = ""
        self.viewers: set[Viewer] = set()
        self._sequences = SequenceTracker()
        self._ahead: _Ahead | None = None
        self._needs_key = False

    def outdated(self, batch: FrameBatch, now_s: float, *, by_lane: bool) -> str | None:
        """Why it is left out; None: nothing newer was shown, by whichever way it came."""
        if not by_lane and self._is_passed(batch, now_s):
            return "behind_lane"
        stale = self._sequences.stale(batch.epoch, batch.sequence, round(now_s * 1000))
        if stale is not None:
            return stale
        if not by_lane and self._needs_key and not batch.starts_with_key:
            return "awaiting_key"  # it leans on pictures that the lane left out
        self._sequences.take(batch.epoch, batch.sequence)
        self._needs_key = by_lane
        if by_lane:
            self._ahead = _Ahead(batch.epoch, batch.sequence, now_s)
        return None

    def _is_passed(self, batch: FrameBatch, now_s: float) -> bool:
        """Whether a batch that came in its turn is of a connection before that of the lane's newest picture.

        Of the same connection the sequence tells. For other ones a tracker would, after a few silent seconds, take the
        one before for one that goes on.
        """
        ahead = self._ahead
        if ahead is None or now_s - ahead.at_s > MOST_BEHIND_S:
            return False
        if batch.epoch < ahead.epoch:
            return True
        if (batch.epoch, batch.sequence) >= (ahead.epoch, ahead.sequence):
            self._ahead = None  # all is caught up; from here on a lower number may be that of a clock set back
        return False

    def add(self, held: Held) -> None:
        """Append the newest."""
        self.held.append(held)
        self.size_bytes += held.size_bytes

    def drop_oldest(self) -> None:
        """Forget the oldest."""
        self.size_bytes -= self.held.popleft().size_bytes

    def keep(self, held: list[Held]) -> None:
        """Forget all but these."""
        self.held = deque(held)
        self.size_bytes = sum(each.size_bytes for each in held)

    def from_last_key(self) -> list[Held]:
        """The newest batches a decoder can start with."""
        newest: list[Held] = []
        for each in reversed(self.held):
            newest.append(each)
            if each.batch.starts_with_key:
                return newest[::-1]
        return []


class LiveBuffer:
    """Recent batches by camera and view."""

    def __init__(self, settings: LiveSettings, directory: CameraDirectory, clock: Clock) -> None:
        self._settings = settings
        self._directory = directory
        self._clock = clock
        self._channels: dict[tuple[str, View], Channel] = {}
        self._lock = threading.Lock()

    def offer(self, view: View, batch: FrameBatch, *, by_lane: bool = False) -> bool:
        """Take a batch in and hand it to who watches; False when it may not be shown, or is no newer than what was.

        `by_lane`: it came ahead of what is caught up.
        """
        with self._lock:
            # Asked under the lock: a new decision is known before `changed` forgets what is older, so a batch is
            # either refused here or forgotten there.
            reason = self._refusal(batch)
            channel = self._channels.setdefault((batch.camera, view), Channel()) if reason is None else None
            if channel is not None:
                reason = channel.outdated(batch, self._clock.monotonic_s(), by_lane=by_lane)
            if channel is None or reason is not None:
                BATCHES_DROPPED.labels(camera=_label(batch.camera, reason), reason=reason).inc()
                return False
            BATCHES_IN.labels(camera=batch.camera).inc()
            held = self._hold(channel, batch, by_lane=by_lane)
            channel.add(held)
            self._trim(channel)
            for viewer in channel.viewers:
                viewer.offer(held)
        return True

    def watch(self, scope: Scope, camera: str, view: View) -> Viewer:
        """Open a view that begins with the newest pictures a decoder can start with. On the event loop.

        Raises:
            NotFound: no such camera in scope.
        """
        if not self._covers(scope, camera):
            raise no_camera(camera)
        viewer = Viewer(self._settings.queue_bytes_per_viewer)
        with self._lock:
            channel = self._channels.setdefault((camera, view), Channel())
            viewer.begin(channel.from_last_key())
            channel.viewers.add(viewer)
        return viewer

    def leave(self, camera: str, view: View, viewer: Viewer) -> None:
        """Close a view."""
        with self._lock:
            self._channels[camera, view].viewers.discard(viewer)

    def watched(self) -> set[tuple[str, View]]:
        """What somebody watches at present."""
        with self._lock:
            return {watched for watched, channel in self._channels.items() if channel.viewers}

    def forget(self, camera: str, view: View) -> None:
        """No more comes of what nobody watches: a later view must not begin with what is old by then."""
        with self._lock:
            channel = self._channels.get((camera, view))
            if channel is not None and not channel.viewers:
                del self._channels[camera, view]

    def changed(self, camera: str, _version: int, _now: Camera | None) -> None:
        """The decision on a camera's masks may have changed: forget what may be shown no longer."""
        with self._lock:
            for view in View:
                channel = self._channels.get((camera, view))
                if channel is not None:
                    channel.keep([each for each in channel.held if self._may_show(each.batch)])

    def expire(self) -> None:
        """Forget what is too old, of idle cameras too: memory is no archive."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            oldest_s = now_s - self._settings.buffer_s
            for channel in self._channels.values():
                channel.keep(list(dropwhile(lambda each: each.received_s < oldest_s, channel.held)))
            QUEUE_BYTES.labels(queue="live_buffer").set(self._size_bytes())

    def end_views(self) -> None:
        """Close all views: the process stops."""
        with self._lock:
            for channel in self._channels.values():
                for viewer in channel.viewers:
                    viewer.end()

    def _covers(self, scope: Scope, camera: str) -> bool:
        return scope.covers(camera, self._directory.commune(camera))

    def _refusal(self, batch: FrameBatch) -> str | None:
        if batch.stream is not Stream.MAIN:
            return "sub_stream"
        if batch.codec is not Codec.H264:
            return "codec"
        return None if self._may_show(batch) else "not_allowed"

    def _may_show(self, batch: FrameBatch) -> bool:
        return self._directory.shows(batch.camera, batch.mask_version)

    def _hold(self, channel: Channel, batch: FrameBatch, *, by_lane: bool) -> Held:
        if batch.starts_with_key:
            channel.codec = codec_string(batch.codec, batch.units[0].data) or channel.codec
        size_bytes = batch.size_bytes + UNIT_OVERHEAD_BYTES * len(batch.units)
        return Held(batch, channel.codec, size_bytes, self._clock.monotonic_s(), by_lane)

    def _trim(self, channel: Channel) -> None:
        oldest_s = self._clock.monotonic_s() - self._settings.buffer_s
        limit = self._settings.buffer_bytes_per_camera
        while len(channel.held) > 1 and (channel.size_bytes > limit or channel.held[0].received_s < oldest_s):
            channel.drop_oldest()
        while self._size_bytes() > self._settings.buffer_bytes:
            fullest = max(self._channels.values(), key=lambda each: each.size_bytes)
            if len(fullest.held) <= 1:
                break
            fullest.drop_oldest()

    def _size_bytes(self) -> int:
        return sum(channel.size_bytes for channel in self._channels.values())


def _label(camera: str, reason: str | None) -> str:
    # A name nobody configured must not make metrics grow.
    return "unknown" if reason == "not_allowed" else camera
