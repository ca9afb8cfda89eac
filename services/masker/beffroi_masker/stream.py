"""One stream of one camera on its way through the masker: every raw batch has exactly one outcome."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, InvalidMessageError, MaskDecision
from beffroi_common.contracts.base import MAX_SIDE
from beffroi_common.contracts.frames import bounded_pixel_aspect
from beffroi_common.media.encoding import EncodeError, Quality, encode

from .decoding import BatchDecoder, Decoded
from .first_shapes import FirstShapes, Shapes
from .pictures import MaskRaster, UnsupportedPixelFormatError, masked
from .shape import SQUARE, PictureShape, widening


class Reason(StrEnum):
    """Why a raw batch has no masked one. These are codes: people see the words of `messages`."""

    UNKNOWN_CAMERA = "unknown_camera"
    SWITCHED_OFF = "switched_off"
    NO_MASK_DECISION = "no_mask_decision"
    OTHER_SOURCE = "other_source"
    OTHER_SHAPE = "other_shape"
    UNREADABLE_CONFIGURATION = "unreadable_configuration"
    AWAITING_KEY = "awaiting_key"
    DECODER_ERROR = "decoder_error"
    TOO_MANY_PIXELS = "too_many_pixels"
    UNSUPPORTED_PIXEL_FORMAT = "unsupported_pixel_format"
    MIXED_SIZES = "mixed_sizes"
    ENCODER_ERROR = "encoder_error"
    TOO_LARGE = "too_large"


@dataclass(frozen=True)
class Outcome:
    """What became of a raw batch: the masked one, or the reason why there is none."""

    raw: FrameBatch
    result: FrameBatch | Reason


@dataclass(frozen=True)
class Limits:
    """What a stream may take.

    Attributes:
        decoder_threads: of each decoder.
        max_pixels: of a picture.
        max_rewind_batches: a restart begins again at most so many batches back, though the group of pictures be longer.
    """

    decoder_threads: int
    max_pixels: int
    max_rewind_batches: int


class MaskedStream:
    """Decodes, covers and encodes the batches of one stream in order."""

    def __init__(self, limits: Limits, quality: Quality, first_shapes: Shapes | None = None) -> None:
        """Begin with nothing decoded.

        Args:
            limits: what it may take.
            quality: of what it encodes.
            first_shapes: shared with whoever else masks pictures of this camera; None: nobody does.
        """
        self._limits = limits
        self._quality = quality
        self._first_shapes = FirstShapes() if first_shapes is None else first_shapes
        self._decoder = self._new_decoder()
        self._epoch: int | None = None
        self._last_sequence = -1
        self.source_version = 0
        self._raster: MaskRaster | None = None
        self._starts: deque[tuple[int, int]] = deque()
        self.missing_batches = 0

    @property
    def widened(self) -> float:
        """By which part of width and height the masks of the picture made last are wider than drawn."""
        return 0.0 if self._raster is None else self._raster.widened

    @property
    def drawn_blind(self) -> bool:
        """Whether the masks of the picture made last were drawn on no picture."""
        return self._raster is not None and self._raster.decision.drawn_aspect is None

    @property
    def holds_back(self) -> bool:
        """Whether pictures are still in the decoder, which gives them in another order than they came."""
        return self._decoder.oldest_waiting is not None

    @property
    def needed_offset(self) -> int | None:
        """Where to begin again after a restart: the start of the group of pictures being decoded; None: anywhere."""
        return self._starts[0][1] if self._starts else None

    def mask(self, batch: FrameBatch, offset: int, decision: MaskDecision) -> list[Outcome]:
        """Put a raw batch in that is no repeat, read at `offset`, and return the outcomes that are due by now."""
        outcomes: list[Outcome] = []
        if batch.source_version != self.source_version:
            outcomes = self._refuse_held(Reason.OTHER_SOURCE)
        elif not self._follows(batch):
            outcomes = self.finish(decision)
        self._note(batch, offset)
        outcomes += [self._outcome(decoded, decision) for decoded in self._decoder.decode(batch)]
        self._forget_starts()
        return outcomes

    def refuse(self, batch: FrameBatch, reason: Reason) -> list[Outcome]:
        """Let nothing pass: neither this batch nor what is still held back."""
        held = self._refuse_held(reason)
        self._epoch, self._last_sequence, self.source_version = batch.epoch, batch.sequence, batch.source_version
        return [*held, Outcome(batch, reason)]

    def finish(self, decision: MaskDecision) -> list[Outcome]:
        """Return what is still held back; from then on the stream waits for a key frame."""
        outcomes = [self._outcome(decoded, decision) for decoded in self._decoder.flush()]
        self._restart()
        return outcomes

    def _refuse_held(self, reason: Reason) -> list[Outcome]:
        held = [Outcome(each.batch, reason) for each in self._decoder.flush()]
        self._restart()
        return held

    def _follows(self, batch: FrameBatch) -> bool:
        if batch.epoch != self._epoch:
            return False
        missing = batch.sequence - self._last_sequence - 1
        self.missing_batches += missing
        return missing == 0

    def _note(self, batch: FrameBatch, offset: int) -> None:
        self._epoch, self._last_sequence, self.source_version = batch.epoch, batch.sequence, batch.source_version
        if batch.starts_with_key:
            self._starts.append((batch.sequence, offset))

    def _forget_starts(self) -> None:
        """Keep the start of the oldest group of pictures that is still at work."""
        if not self._decoder.in_step:
            self._starts.clear()
            return
        oldest = self._decoder.oldest_waiting
        at_work = self._last_sequence if oldest is None else oldest
        while len(self._starts) > 1 and self._starts[1][0] <= at_work:
            self._starts.popleft()
        if self._starts and at_work - self._starts[0][0] > self._limits.max_rewind_batches:
            self._starts.popleft()

    def _restart(self) -> None:
        self._decoder = self._new_decoder()
        self._starts.clear()

    def _new_decoder(self) -> BatchDecoder:
        return BatchDecoder(threads=self._limits.decoder_threads, max_pixels=self._limits.max_pixels)

    def _outcome(self, decoded: Decoded, decision: MaskDecision) -> Outcome:
        if decoded.trouble is not None:
            return Outcome(decoded.batch, Reason(decoded.trouble.value))
        return Outcome(decoded.batch, self._masked(decoded, decision))

    def _masked(self, decoded: Decoded, decision: MaskDecision) -> FrameBatch | Reason:
        if len(decoded.shapes) > 1:
            return Reason.MIXED_SIZES
        (shape,) = decoded.shapes
        drawn = self._first_shapes.drawn(decoded.batch.camera, decoded.batch.stream, decision, shape)
        widened = None if drawn is None else widening(drawn, shape)
        if widened is None:
            return Reason.OTHER_SHAPE
        interlaced = any(picture.interlaced_frame for picture in decoded.pictures)
        raster = self._mask_raster(decision, shape, widened, interlaced=interlaced)
        pixel_aspect = None if shape.pixel_aspect == SQUARE else bounded_pixel_aspect(shape.pixel_aspect)
        times_ns = [unit.capture_time_ns for unit in decoded.units]
        try:
            # All before the first is encoded: one at a time would take less memory, and 4 % more of the processor.
            covered = [masked(picture, raster) for picture in decoded.pictures]
            units = encode(covered, times_ns, decoded.batch.time_base, self._quality, pixel_aspect)
            return _batch(decoded.batch, units, raster, shape, pixel_aspect)
        except UnsupportedPixelFormatError:
            return Reason.UNSUPPORTED_PIXEL_FORMAT
        except (EncodeError, InvalidMessageError):  # the camera's times, in the order in which pictures are shown
            return Reason.ENCODER_ERROR

    def _mask_raster(
        self, decision: MaskDecision, shape: PictureShape, widened: float, *, interlaced: bool
    ) -> MaskRaster:
        """The raster for a decision and a kind of picture, made again when either changes."""
        kind = (decision, shape.width, shape.height, widened, interlaced)
        if self._raster is None or self._raster.kind != kind:
            self._raster = MaskRaster(decision, shape.width, shape.height, widened, interlaced=interlaced)
        return self._raster


def _batch(
    raw: FrameBatch,
    units: tuple[AccessUnit, ...],
    raster: MaskRaster,
    shape: PictureShape,
    pixel_aspect: Fraction | None,
) -> FrameBatch:
    left, top = shape.corner or (0, 0)
    return FrameBatch(
        camera=raw.camera,
        stream=raw.stream,
        epoch=raw.epoch,
        sequence=raw.sequence,
        time_base=raw.time_base,
        codec=Codec.H264,
        width=raster.even_width,
        height=raster.even_height,
        mask_version=raster.decision.version,
        source_version=raw.source_version,
        units=units,
        pixel_aspect=pixel_aspect,
        cropped_left=min(left, MAX_SIDE),
        cropped_top=min(top, MAX_SIDE),
    )
