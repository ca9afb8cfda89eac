"""Cuts a stream of access units into frame batches. Nothing here knows of cameras, clocks or the bus."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, Stream
from beffroi_common.contracts.frames import most_pictures
from beffroi_common.media.nal import refuse_too_many_parts


@dataclass(frozen=True)
class StreamInfo:
    """What a source says of its stream before the first picture.

    Attributes:
        codec: of the access units.
        width: of the pictures in pixels.
        height: of the pictures in pixels.
        time_base: of pts and dts, in seconds.
        fps: pictures a second, if it says so.
        pixel_aspect: width over height of one pixel, where the container says so beside the pictures.
    """

    codec: Codec
    width: int
    height: int
    time_base: Fraction
    fps: float | None
    pixel_aspect: Fraction | None = None


@dataclass(frozen=True)
class BatchLimits:
    """Where a batch ends at the latest.

    Attributes:
        duration_s: it is cut where its length comes nearest to this.
        size_bytes: of its pictures together; a single larger picture is a batch by itself.
    """

    duration_s: float
    size_bytes: int


@dataclass(frozen=True)
class Stamp:
    """Whose pictures they are: what every batch of an epoch carries."""

    camera: str
    stream: Stream
    source_version: int
    epoch: int


class Batcher:
    """Cuts one epoch of one stream.

    A key unit begins a batch, unless all before it in the batch are keys too (JPEG): so a batch either begins with a
    key unit or holds none.
    """

    def __init__(self, stamp: Stamp, info: StreamInfo, limits: BatchLimits) -> None:
        self._stamp = stamp
        self._info = info
        self._limits = limits
        self._sequence = 0
        self._units: list[AccessUnit] = []
        self._size_bytes = 0
        self._most_pictures = most_pictures(max(1, info.width), max(1, info.height))
        self._last_dts: int | None = None
        self._limit = Fraction(limits.duration_s) / info.time_base
        self._interval = 1 / (Fraction(info.fps) * info.time_base) if info.fps else Fraction(0)

    def add(self, unit: AccessUnit) -> list[FrameBatch]:
        """Take a unit, and return the batches that it completes: none, the one before it, its own, or both."""
        self._learn_interval(unit)
        done = self.flush() if self._must_cut_before(unit) else []
        self._units.append(unit)
        self._size_bytes += len(unit.data)
        if self._is_full():
            done += self.flush()
        return done

    def flush(self) -> list[FrameBatch]:
        """Return what is held as a batch, if anything is.

        Raises:
            InvalidMessageError: its readers would refuse it.
        """
        if not self._units:
            return []
        batch = FrameBatch(
            camera=self._stamp.camera,
            stream=self._stamp.stream,
            source_version=self._stamp.source_version,
            epoch=self._stamp.epoch,
            sequence=self._sequence,
            time_base=self._info.time_base,
            codec=self._info.codec,
            width=self._info.width,
            height=self._info.height,
            mask_version=0,
            pixel_aspect=self._info.pixel_aspect,
            units=tuple(self._units),
        )
        refuse_too_many_parts(batch.codec, batch.units)
        self._sequence += 1
        self._units = []
        self._size_bytes = 0
        return [batch]

    def _learn_interval(self, unit: AccessUnit) -> None:
        if self._last_dts is not None:
            self._interval = Fraction(unit.dts - self._last_dts)
        self._last_dts = unit.dts

    def _must_cut_before(self, unit: AccessUnit) -> bool:
        if not self._units:
            return False
        begins_group = unit.key and not all(each.key for each in self._units)
        after_pause = unit.dts - self._units[-1].dts > self._limit
        return begins_group or after_pause or self._size_bytes + len(unit.data) > self._limits.size_bytes

    def _is_full(self) -> bool:
        # Counting half of the next picture cuts nearest to the limit, without waiting for that picture to come.
        span = self._units[-1].dts - self._units[0].dts
        long_enough = span + Fraction(3, 2) * self._interval > self._limit
        return long_enough or len(self._units) >= self._most_pictures or self._size_bytes >= self._limits.size_bytes
