"""One key picture of a raw batch, masked by itself: what the lane hands on while the rest is caught up.

It is the same decision and the same `MaskedStream` as on the road, given batches of one picture, so that whatever is
refused there is refused here. What masks that were drawn on no picture are about, the road alone says: the newest
picture may show another view than all those that wait. A decoder needs no other picture for a key picture, and it has
none.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace

from beffroi_common.bus import Partition, Record
from beffroi_common.bus.sequences import SequenceTracker
from beffroi_common.contracts import AccessUnit, FrameBatch, Stream

from .processor import Masking
from .stream import MaskedStream, Reason

EVERY_MS = 800
"""A camera is shown one picture in so long at most, however short its groups of pictures are: of one that sends nothing
but key pictures the lane would else have as much to do as the road."""

RASTERS_BYTES = 128 * 1024 * 1024
"""For cut masks, which are made anew where they do not fit in: it takes a fifth of a second for a picture of
1920×1080, and each of that size is 10 MB."""

RASTER_BYTES_PER_PIXEL = 5
"""Which samples are covered, and what is written there."""


@dataclass
class _Camera:
    """What was read of a camera since the lane is open for its partition."""

    sequences: SequenceTracker = field(default_factory=SequenceTracker)
    masked_ms: int | None = None


class KeyPictures:
    """Masks key pictures. For one thread."""

    def __init__(self, masking: Masking) -> None:
        self._masking = masking
        self._cameras: dict[Partition, dict[str, _Camera]] = {}
        self._streams: OrderedDict[str, tuple[MaskedStream, int]] = OrderedDict()

    def mask(self, batch: FrameBatch, record: Record) -> FrameBatch | Reason | None:
        """The last key picture of a batch that was read as `record`, masked, or the reason why it may not be shown.

        None: there is none that anybody would see next.

        Raises:
            TableStaleError: which masks are in force is not known at present.
        """
        if batch.stream is not Stream.MAIN:
            return None
        camera = self._cameras.setdefault(record.source, {}).setdefault(batch.camera, _Camera())
        if camera.sequences.stale(batch.epoch, batch.sequence, record.timestamp_ms) is not None:
            return None
        camera.sequences.take(batch.epoch, batch.sequence)
        unit = next((unit for unit in reversed(batch.units) if unit.key), None)
        if unit is None or (camera.masked_ms is not None and record.timestamp_ms - camera.masked_ms < EVERY_MS):
            return None
        camera.masked_ms = record.timestamp_ms
        return self._masked(batch, unit, record.offset)

    def forget(self, source: Partition) -> None:
        """The lane is closed for a partition, or begins anew at its end."""
        for name in self._cameras.pop(source, {}):
            self._streams.pop(name, None)

    def _masked(self, batch: FrameBatch, unit: AccessUnit, offset: int) -> FrameBatch | Reason:
        decision = self._masking.decisions.of(batch.camera, batch.source_version)
        if isinstance(decision, Reason):
            return decision
        stream = self._stream(batch.camera)
        alone = replace(batch, units=(unit,))
        (outcome,) = [*stream.mask(alone, offset, decision), *stream.finish(decision)]
        if isinstance(outcome.result, FrameBatch):
            self._keep(batch.camera, stream, outcome.result)
        return outcome.result

    def _stream(self, camera: str) -> MaskedStream:
        kept = self._streams.pop(camera, None)
        if kept is not None:
            return kept[0]
        return MaskedStream(self._masking.limits, self._masking.quality, self._masking.first_shapes.known)

    def _keep(self, camera: str, stream: MaskedStream, masked: FrameBatch) -> None:
        """For the mask that it has cut. Those used longest ago go first."""
        self._streams[camera] = stream, masked.width * masked.height * RASTER_BYTES_PER_PIXEL
        while sum(size_bytes for _, size_bytes in self._streams.values()) > RASTERS_BYTES:
            self._streams.popitem(last=False)
