"""The newest pictures first: a lane beside the road, open for cameras whose pictures come late.

It reads from the end of their partitions, in no group, masks one key picture now and then, and publishes it on a topic
that live views alone read. Whatever happens to it, the road goes on: it has a thread, a reader and a producer of its
own, takes no part in the heartbeat, and begins anew after any error.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import structlog

from beffroi_common.bus import Bus, InvalidRecord, Partition, PartitionReader, Producer, Record, RetryLater
from beffroi_common.bus.batches import raw_batch
from beffroi_common.bus.journal import Ending, Journal
from beffroi_common.bus.payloads import refuse_too_large
from beffroi_common.contracts import FrameBatch
from beffroi_common.errors import is_unforeseen
from beffroi_common.runtime import metrics
from beffroi_common.topics import FRAMES_LIVE, FRAMES_RAW

from .key_pictures import KeyPictures
from .processor import Masking
from .stream import Reason

log = structlog.get_logger(__name__)

POLL_S = 0.1
"""It is seen within this time that a partition has caught up."""

IDLE_S = 5.0
"""While nothing is late, it is looked this often, should nobody wake the lane."""

LOOK_BACK_MS = 2000
"""It begins so long before the end: cameras send a key picture every second or two."""

RETRY_S = 1.0
"""Between attempts to begin, while the broker does not answer or after an error."""

LEFT_OUT_S = 60.0
"""A camera whose picture met a bug is not tried again for so long."""

CLOSE_S = 5.0
"""Longest wait for the picture at hand at the end."""


class Lane:
    """Runs in a thread of its own from `start` to `close`."""

    def __init__(self, bus: Bus, masking: Masking, journal: Journal) -> None:
        """Wire it.

        Args:
            bus: the broker.
            masking: what the road masks by.
            journal: is told on what the lane works, as it is of the road's workers.
        """
        self._bus = bus
        self._clock = masking.clock
        self._lateness = masking.lateness
        self._journal = journal
        self._pictures = KeyPictures(masking)
        self._reader: PartitionReader | None = None
        self._producer: Producer | None = None
        self._retry_at_s = 0.0
        # It takes another record at each start, of which none ends the process twice. And nothing is lost without it.
        self._left_out = {each.key: math.inf for each in journal.deaths() if each.ending is not Ending.KILLED}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lane", daemon=True)

    def __enter__(self) -> Self:
        """Begin to look for cameras that are behind."""
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """End, once the picture at hand is done; one that hangs is not waited for."""
        self._stop.set()
        self._lateness.wake()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            log.error("the lane is left behind, as it does not end")

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._turn_until_stopped()
            except Exception:
                log.exception("the lane begins anew after an error; pictures go on in their order")
                self._stop.wait(RETRY_S)

    def _turn_until_stopped(self) -> None:
        try:
            while not self._stop.is_set():
                self.turn()
        finally:
            self._close()

    def turn(self) -> None:
        """Follow what is behind, and hand on one picture; or wait until something is."""
        behind = self._lateness.partitions()
        if not behind:
            self._close()
            self._lateness.wait(IDLE_S)
            return
        record = self._follow(behind).poll(POLL_S)
        if record is not None:
            self._take(record)

    def _follow(self, behind: Collection[Partition]) -> PartitionReader:
        if self._reader is None:
            self._reader = self._bus.partition_reader()
        followed = set(self._reader.followed())
        for source in followed - set(behind):
            self._leave(self._reader, source)
            log.info("lane closed", partition=source[1])
        for source in sorted(set(behind) - followed):
            self._begin(self._reader, source)
        return self._reader

    def _begin(self, reader: PartitionReader, source: Partition) -> None:
        if self._clock.monotonic_s() < self._retry_at_s:
            return
        try:
            reader.follow(source, self._lateness.broker_now_ms - LOOK_BACK_MS)
        except RetryLater as reason:
            log.warning("no lane", partition=source[1], reason=str(reason))
            self._retry_at_s = self._clock.monotonic_s() + RETRY_S
            return
        metrics.LANE_OPEN.labels(partition=source[1]).set(1)
        log.info("lane open: live gets the newest key pictures while the rest is caught up", partition=source[1])

    def _leave(self, reader: PartitionReader, source: Partition) -> None:
        self._pictures.forget(source)
        metrics.LANE_OPEN.remove(source[1])
        reader.leave(source)

    def _take(self, record: Record) -> None:
        if self._lateness.of(record) > self._lateness.behind_s:
            assert self._reader is not None  # noqa: S101 - it gave this record
            self._leave(self._reader, record.source)  # it fell behind itself: it begins anew at the end
            # Not at once: where the broker's clock was set, the end is as late, until its new time is heard.
            self._retry_at_s = self._clock.monotonic_s() + RETRY_S
        elif self._lateness.is_behind(record.source, record.key) and not self._is_left_out(record.key):
            outcome = self._outcome(record)
            if outcome is not None:
                metrics.LANE_PICTURES.labels(camera=record.key, outcome=outcome).inc()

    def _outcome(self, record: Record) -> str | None:
        """Mask the picture of a record and send it; returns what became of it. None: there is none to be shown."""
        try:
            result = self._masked(record)
            if isinstance(result, FrameBatch):
                self._send(record, result)
                return "sent"
        except InvalidRecord:
            return "invalid"  # the road reads it too, and says so
        except RetryLater:
            return "retry_later"  # by the next picture
        return None if result is None else result.value

    def _masked(self, record: Record) -> FrameBatch | Reason | None:
        try:
            refuse_too_large(FRAMES_RAW, record)
            with self._journal.at_work(record.source, record.offset, record.key):
                return self._pictures.mask(raw_batch(record), record)
        except Exception as error:
            if not is_unforeseen(error):
                raise
            log.exception("a picture is left out of the lane, and its camera for a while", camera=record.key)
            metrics.CAMERA_CRASHES.labels(camera=record.key).inc()
            self._pictures.forget(record.source)
            self._left_out[record.key] = self._clock.monotonic_s() + LEFT_OUT_S
            return None

    def _send(self, record: Record, picture: FrameBatch) -> None:
        if self._producer is None:
            self._producer = self._bus.producer()
        self._producer.send(
            FRAMES_LIVE, record.key, picture, partition=record.partition, on_delivery=_note_refusal
        )  # with someone to be told, a refusal breaks nothing

    def _is_left_out(self, camera: str) -> bool:
        now_s = self._clock.monotonic_s()
        self._left_out = {name: until_s for name, until_s in self._left_out.items() if now_s < until_s}
        return camera in self._left_out

    def _close(self) -> None:
        """Nothing is behind, or the lane ends: give back all that it holds, also what is broken."""
        reader, self._reader = self._reader, None
        producer, self._producer = self._producer, None
        with ExitStack() as rest:
            if producer is not None:
                rest.callback(producer.close)
            if reader is not None:
                rest.callback(reader.close)
                for source in reader.followed():
                    rest.callback(self._leave, reader, source)


def _note_refusal(refusal: InvalidRecord | RetryLater | None) -> None:
    """The next picture is on its way."""
    if refusal is not None:
        log.warning("a picture of the lane was refused", reason=str(refusal))
