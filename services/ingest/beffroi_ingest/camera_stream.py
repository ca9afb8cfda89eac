"""One camera: connects, reads, cuts, counts, tells how it goes, and connects again. One thread each."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain

import structlog

from beffroi_common.bus.reporter import REPEAT_S, StatusReporter
from beffroi_common.contracts import AccessUnit, Camera, CameraSource, FrameBatch, Level, Stream
from beffroi_common.errors import InvalidRecord, is_unforeseen
from beffroi_common.runtime import metrics
from beffroi_common.runtime.backoff import Backoff
from beffroi_common.runtime.clock import Clock

from .batching import Batcher, BatchLimits, Stamp
from .outbox import Outbox
from .sources import EncodedUnit, Pause, Source, SourceError
from .tally import Rate, Tally
from .timing import CaptureClock, MediaClock

log = structlog.get_logger(__name__)

OpenSource = Callable[[CameraSource, Pause], Source]

LASTING_S = 10.0
"""A connection that held so long was a good one: after it the first wait is short again."""

SHORT_EPOCH_S = 2.0
MOST_SHORT_EPOCHS = 5
"""In a row, of a media clock that broke again so soon. Each epoch is a recording of its own: a camera whose clock
stands still would make one of each picture."""

LOW_FPS_SHARE = 0.8
"""Fewer pictures than this share of the nominal rate is worth telling."""

NEEDS_CONNECTION = ("source", "source_version", "slot")
"""Fields of a camera whose change needs another stream."""

INTERNAL = "An error in ingest itself, which its log has: report it. The camera is tried again."

UNUSABLE = "The camera's picture size or its clock cannot be used: look at its encoder settings."

UNSTEADY = (
    "The camera's clock stands still or leaps, again and again: look at its encoder settings, or at its firmware."
)

SHORTEST_WAIT_S = {"wrong_password": 30.0}
"""Cameras lock accounts after a few wrong passwords within minutes."""


class CameraStream:
    """Runs one camera until it is stopped. A change of configuration that leaves the source alone disturbs nothing."""

    def __init__(
        self,
        camera: Camera,
        open_source: OpenSource,
        outbox: Outbox,
        status: StatusReporter,
        clock: Clock,
        limits: BatchLimits,
        backoff: Backoff,
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self.camera = camera
        self._open_source = open_source
        self._outbox = outbox
        self._status = status
        self._clock = clock
        self._limits = limits
        self._backoff = backoff
        self._on_bug = on_bug
        self._tally = Tally(camera.id)
        self._rate = Rate()
        self._last_epoch = 0
        self._short_epochs = 0
        self._abandoned = False
        self._sending = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera-{camera.id}", daemon=True)
        self._log = log.bind(camera=camera.id)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def update(self, camera: Camera) -> bool:
        """Take over a changed configuration; False when it needs a new connection, hence another stream."""
        if any(getattr(camera, name) != getattr(self.camera, name) for name in NEEDS_CONNECTION):
            return False
        self.camera = camera
        return True

    def ask_to_stop(self) -> None:
        """Let it stop at the next picture."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; False when it still waits for a camera that says nothing."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Go on without waiting any longer for its end: what it still reads is not sent behind who comes after it."""
        with self._sending:
            self._abandoned = True

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                started_s = self._clock.monotonic_s()
                try:
                    self._connect()
                except SourceError as error:
                    self._retry_later(error, started_s)
                except InvalidRecord as reason:  # what it sends is nothing that others could take
                    self._log.warning("unusable stream", reason=str(reason))
                    self._retry_later(SourceError("unreadable", UNUSABLE), started_s)
                except Exception as bug:
                    if not is_unforeseen(bug):
                        raise
                    # It came of what one camera sent: the others go on.
                    self._log.error("unexpected error about a camera", exc_info=bug)
                    metrics.CAMERA_CRASHES.labels(camera=self.camera.id).inc()
                    self._retry_later(SourceError("internal_error", INTERNAL), started_s)
        except BaseException as error:  # noqa: BLE001 - it must end the process, and not one thread alone
            self._on_bug(error)
        finally:
            metrics.CAMERA_UP.remove_by_labels({"camera": self.camera.id})  # neither up nor down here any more

    def _retry_later(self, error: SourceError, started_s: float) -> None:
        if self._clock.monotonic_s() - started_s > LASTING_S:
            self._backoff.reset()
        self._wait(error, self._backoff.failed())

    def _connect(self) -> None:
        self._log.info("connecting")
        with closing(self._open_source(self.camera.source, self._stop.wait)) as source:
            self._log.info("connected", **_described(source))
            self._tally.connections += 1
            self._rate = Rate()
            self._short_epochs = 0
            units = source.units()
            first = next(units, None)
            while first is not None and not self._stop.is_set():
                first = self._epoch(source, first, units)
        if not self._stop.is_set():
            raise SourceError("disconnected", "The camera ended the stream.")

    def _epoch(self, source: Source, first: EncodedUnit, units: Iterator[EncodedUnit]) -> EncodedUnit | None:
        """Read units as long as their clocks go on; return the one with which a new epoch begins."""
        capture, media, begun_s = (
            CaptureClock(self._clock),
            MediaClock(source.info.time_base),
            self._clock.monotonic_s(),
        )
        stamp = Stamp(self.camera.id, Stream.MAIN, self.camera.source_version, self._new_epoch())
        batcher = Batcher(stamp, source.info, self._limits)
        try:
            for unit in chain([first], units):
                capture_time_ns = capture.stamp_ns()
                # A clock that was set can wait for a key picture: before it nobody could decode the new epoch.
                broken = media.breaks(unit.dts, capture_time_ns)
                if broken or (unit.key and capture.stepped()):
                    if broken:
                        self._note_break(begun_s)
                    self._log.warning("the stream's clock or the machine's was set: a new epoch begins")
                    return unit
                self._take(unit, capture_time_ns, batcher)
        finally:
            self._queue(batcher.flush())
        return None

    def _note_break(self, begun_s: float) -> None:
        was_short = self._clock.monotonic_s() - begun_s < SHORT_EPOCH_S
        self._short_epochs = self._short_epochs + 1 if was_short else 0
        if self._short_epochs > MOST_SHORT_EPOCHS:
            raise SourceError("unreadable", UNSTEADY)

    def _new_epoch(self) -> int:
        self._last_epoch = max(self._clock.now_ns(), self._last_epoch + 1)
        return self._last_epoch

    def _take(self, unit: EncodedUnit, capture_time_ns: int, batcher: Batcher) -> None:
        self._rate.add(self._clock.monotonic_s(), len(unit.data))
        self._queue(batcher.add(AccessUnit(unit.pts, unit.dts, capture_time_ns, unit.key, unit.data)))
        self._tell_connected()

    def _queue(self, batches: list[FrameBatch]) -> None:
        with self._sending:
            for batch in batches:
                self._tally.taken(batch)
                if self._abandoned:
                    self._tally.lost(batch, "abandoned")
                else:
                    self._outbox.put(batch, self.camera.slot, self._tally)

    def _tell_connected(self) -> None:
        metrics.CAMERA_UP.labels(camera=self.camera.id).set(1)
        nominal = self.camera.nominal_fps
        if nominal is not None and self._rate.settled and self._rate.fps < LOW_FPS_SHARE * nominal:
            message = f"{self._rate.fps:.1f} pictures a second come instead of {nominal:g}: look at the network."
            self._say(Level.WARNING, "low_frame_rate", message)
        else:
            self._say(Level.OK, "connected", "Pictures arrive.")

    def _wait(self, error: SourceError, wait_s: float) -> None:
        metrics.CAMERA_UP.labels(camera=self.camera.id).set(0)
        wait_s = max(wait_s, SHORTEST_WAIT_S.get(error.code, 0.0))
        wait_s *= random.uniform(0.75, 1.25)  # noqa: S311 - so that cameras do not all come back at once
        self._log.warning("no picture", code=error.code, reason=error.message, next_try_s=round(wait_s, 1))
        until_s = self._clock.monotonic_s() + wait_s
        self._rate = Rate()
        if not self._stop.is_set():  # a camera that is being removed reports no status any more
            self._say(Level.ERROR, error.code, error.message)
        while (left_s := until_s - self._clock.monotonic_s()) > 0 and not self._stop.wait(min(left_s, REPEAT_S)):
            self._say(Level.ERROR, error.code, error.message)

    def _say(self, level: Level, code: str, message: str) -> None:
        rates = {"fps": round(self._rate.fps, 2), "bitrate_bps": round(self._rate.bitrate_bps)}
        self._status.camera(self.camera.id, level, code, message, self._tally.counters() | rates)


def _described(source: Source) -> dict[str, object]:
    info = source.info
    return {"codec": info.codec.value, "width": info.width, "height": info.height, "fps": info.fps}
