"""One camera on its way through vision: decoded, sampled, analysed, tracked, drawn. No bus in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from beffroi_common.contracts import Camera, Codec, FrameBatch, InvalidMessageError, TrackedObject, Tracks
from beffroi_common.contracts.frames import from_ns
from beffroi_common.contracts.tracks import MAX_OBJECTS
from beffroi_common.media.decoding import DecodeError
from beffroi_common.media.encoding import EncodeError, Quality, encode
from beffroi_rules.fitting import Plan
from beffroi_rules.shapes import outline

from .decoding import Picture, PictureDecoder
from .detections import Detections
from .drawing import Outline, annotate
from .model import Wanted
from .sampling import Sampler
from .tracking import Tracked, Tracker


class Finder(Protocol):
    """Finds objects on pictures."""

    def detect(self, wanted: Sequence[Wanted]) -> list[Detections]:
        """Return the objects on each picture, of the classes that are looked for on it and of no other."""


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """What is to be done with one batch.

    Attributes:
        plan: the camera's rules.
        annotate: somebody watches the annotated picture.
        period_s: between analysed pictures.
    """

    plan: Plan
    annotate: bool
    period_s: float

    @property
    def concerns_rules(self) -> bool:
        """Whether the rules may remember something of this camera."""
        return self.plan.camera is not None and bool(self.plan.camera.legal_bases)

    def classes(self, at: datetime) -> frozenset[str]:
        """What may be looked for at the capture time `at`; nothing: no analysis."""
        return self.plan.classes(at)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one batch.

    Attributes:
        tracks: one for each analysed picture; a single empty one where nothing may be analysed.
        annotated: the batch with everything drawn, if asked for.
        analysed: whether an analysis was allowed.
        trouble: why there are no pictures, e.g. `awaiting_key`, or none with boxes: `annotation_failed`.
    """

    tracks: tuple[Tracks, ...]
    annotated: FrameBatch | None
    analysed: bool
    trouble: str | None = None


@dataclass
class CameraStream:
    """The pictures of one camera, in order.

    Attributes:
        decoder: of the stream at hand.
        finder: shared by all cameras.
        tracker: of this camera alone.
        quality: of annotated pictures.
    """

    decoder: PictureDecoder
    finder: Finder
    tracker: Tracker
    quality: Quality
    _sampler: Sampler = field(default_factory=Sampler)
    _last: tuple[int, int] | None = None
    _shown: tuple[Tracked, ...] = ()
    _analysed_once: bool = False

    def take(self, batch: FrameBatch, work: AnalysisRequest) -> BatchResult:
        """Look at the next batch, which is no repeat."""
        if self._last != (batch.epoch, batch.sequence - 1):
            self.decoder.reset()  # something is missing between the two
        self._last = (batch.epoch, batch.sequence)
        analysed = bool(work.classes(batch.capture_time))
        if not analysed and not work.annotate:
            self.decoder.reset()
            return BatchResult(self._empty_tracks(batch, work), None, analysed=False)
        if not (self.decoder.in_step or batch.starts_with_key):
            return BatchResult((), None, analysed, "awaiting_key")
        try:
            pictures = self.decoder.decode(batch)
        except DecodeError:
            return BatchResult((), None, analysed, "decoder_error")
        return self._look(batch, pictures, work)

    def _look(self, batch: FrameBatch, pictures: list[Picture], work: AnalysisRequest) -> BatchResult:
        chosen = {
            id(picture): Wanted(picture.frame, classes)
            for picture in pictures
            if (classes := work.classes(from_ns(picture.unit.capture_time_ns)))
            and self._sampler.take(picture.unit.capture_time_ns, work.period_s)
        }
        found = dict(zip(chosen, self.finder.detect(list(chosen.values())), strict=True))
        analysed = bool(work.classes(batch.capture_time))
        if not chosen and not analysed:
            self._shown = ()  # nothing may be shown of an analysis that has ended
        tracks = []
        drawn = []
        for picture in pictures:
            if id(picture) in found:
                detections = found[id(picture)].surest(MAX_OBJECTS)
                self._shown = tuple(self.tracker.follow(detections, picture.unit.capture_time_ns))
                tracks.append(_tracks(batch, picture, self._shown))
            if work.annotate:
                drawn.append(_drawn(picture, self._shown, work.plan.camera))
        self._analysed_once = self._analysed_once or bool(tracks)
        if not analysed and not tracks:
            tracks.extend(self._empty_tracks(batch, work))
        try:
            return BatchResult(tuple(tracks), self._annotated(batch, drawn), analysed)
        except (EncodeError, InvalidMessageError):
            return BatchResult(tuple(tracks), None, analysed, "annotation_failed")

    def _empty_tracks(self, batch: FrameBatch, work: AnalysisRequest) -> tuple[Tracks, ...]:
        """Time goes on where nothing may be analysed any more, so that the rules can close what was open."""
        return (_nobody(batch),) if self._analysed_once or work.concerns_rules else ()

    def _annotated(self, batch: FrameBatch, drawn: list[Picture]) -> FrameBatch | None:
        if not drawn:
            return None
        size = (drawn[0].frame.width, drawn[0].frame.height)
        same = [each for each in drawn if (each.frame.width, each.frame.height) == size]
        times_ns = [each.unit.capture_time_ns for each in same]
        units = encode([each.frame for each in same], times_ns, batch.time_base, self.quality, batch.pixel_aspect)
        return replace(batch, codec=Codec.H264, width=size[0], height=size[1], units=units)


def _zones(camera: Camera | None) -> list[Outline]:
    drawn = ((zone.name, outline(zone)) for zone in (() if camera is None else camera.zones))
    return [Outline(name, *shape) for name, shape in drawn if shape is not None]


def _drawn(picture: Picture, shown: Sequence[Tracked], camera: Camera | None) -> Picture:
    frame = annotate(picture.frame, shown, _zones(camera))
    frame.pts = picture.unit.pts
    return Picture(picture.unit, frame)


def _tracks(batch: FrameBatch, picture: Picture, tracked: Sequence[Tracked]) -> Tracks:
    width, height = picture.frame.width, picture.frame.height
    return Tracks(
        camera=batch.camera,
        epoch=batch.epoch,
        sequence=batch.sequence,
        capture_time=from_ns(picture.unit.capture_time_ns),
        width=width,
        height=height,
        objects=tuple(
            TrackedObject(
                track=each.track,
                label=each.label,
                box=_normalised(each.xyxy, width, height),
                confidence=round(each.confidence, 3),
            )
            for each in tracked
        ),
    )


def _nobody(batch: FrameBatch) -> Tracks:
    return Tracks(
        camera=batch.camera,
        epoch=batch.epoch,
        sequence=batch.sequence,
        capture_time=batch.capture_time,
        width=batch.width,
        height=batch.height,
    )


def _normalised(xyxy: tuple[float, ...], width: int, height: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = xyxy
    values = (left / width, top / height, right / width, bottom / height)
    x1, y1, x2, y2 = (round(min(max(value, 0.0), 1.0), 5) for value in values)
    return (x1, y1, x2, y2)
