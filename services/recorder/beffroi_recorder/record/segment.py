"""A segment in the making, and one that is complete."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from beffroi_common.bus import Partition
from beffroi_common.contracts import FrameBatch, Recording, RecordingState, StoreName
from beffroi_common.contracts.frames import from_ns
from beffroi_common.media.mp4_writer import FragmentWriter
from beffroi_common.media.nal import ParameterSets
from beffroi_common.media.samples import Sample
from beffroi_common.recordings.heads import Head
from beffroi_common.recordings.naming import segment_name
from beffroi_common.recordings.segment_format import tags_of

from .cutting import Extent, Shape
from .work_dir import GrowingFile, WorkDir


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a segment begins on the bus, and which one was before it."""

    source: Partition
    offset: int
    previous_sha256: str | None


@dataclass(frozen=True)
class FinishedSegment:
    """A complete segment, on local disk until it is in the store.

    Attributes:
        recording: as it is published once stored; `changed_at` is when it was completed.
        taken: what had been taken of the camera at its end, epoch → last sequence number.
    """

    origin: Origin
    recording: Recording
    taken: Mapping[int, int]
    file: GrowingFile

    @property
    def head(self) -> Head:
        """The end of its camera's chain once it is stored."""
        return Head(recording=self.recording, taken=dict(self.taken))


class OpenSegment:
    """A segment that still grows. Its bytes depend on the batches and the segment before alone."""

    def __init__(
        self, first: FrameBatch, samples: tuple[Sample, ...], sets: ParameterSets, origin: Origin, work: WorkDir
    ) -> None:
        """Begin with the first batch, without adding it yet.

        Raises:
            InvalidMessageError: it cannot be read as H.264.
        """
        self.origin = origin
        self.sets = sets
        self.shape = Shape.of(first)
        self._camera = first.camera
        self._name = segment_name(first)
        self._writer = FragmentWriter(samples[0], tags_of(first, origin.previous_sha256))
        self._extent = Extent(samples[0].capture_time_ns, samples[0].capture_time_ns, samples[0].dts, samples[0].dts)
        self._sha256 = hashlib.sha256()
        self._frames = 0
        self._batches = 0
        self._missing = 0
        self._mask_versions: list[int] = []
        self._file = work.new_file(f"{first.camera}-{first.epoch}-{first.sequence}")

    @property
    def extent(self) -> Extent:
        """How far it goes."""
        return self._extent

    def add(self, batch: FrameBatch, samples: tuple[Sample, ...], missing: int) -> None:
        """Add a batch, before which `missing` never came."""
        for sample in samples:
            self._writer.add(sample)
        self._take_bytes()
        self._frames += len(samples)
        self._batches += 1
        self._missing += missing
        if batch.mask_version not in self._mask_versions:
            self._mask_versions.append(batch.mask_version)
        first, latest = self._extent, samples[-1]
        self._extent = Extent(
            first.first_capture_ns,
            max(first.last_capture_ns, latest.capture_time_ns),
            first.first_dts,
            latest.dts,
        )

    def finish(self, store: StoreName, at: datetime, taken: Mapping[int, int]) -> FinishedSegment:
        """Complete it, for the store that will hold it."""
        self._writer.close()
        self._take_bytes()
        recording = Recording(
            camera=self._camera,
            store=store,
            object_name=self._name,
            state=RecordingState.STORED,
            starts_at=from_ns(self._extent.first_capture_ns),
            ends_at=from_ns(self._extent.last_capture_ns),
            frames=self._frames,
            batches=self._batches,
            missing_batches=self._missing,
            width=self.shape.width,
            height=self.shape.height,
            codec=self.sets.codec_string,
            mask_versions=tuple(self._mask_versions),
            size_bytes=self._file.size_bytes,
            sha256=self._sha256.hexdigest(),
            previous_sha256=self.origin.previous_sha256,
            changed_at=at,
        )
        return FinishedSegment(self.origin, recording, taken, self._file)

    def discard(self) -> None:
        """Drop it: somebody else will make it."""
        self._file.discard()

    def _take_bytes(self) -> None:
        made = self._writer.take()
        self._sha256.update(made)
        self._file.add(made)
