"""Decodes a stream batch by batch: one batch in, the same batch out with its pictures, or the reason why not.

A decoder without reordering gives each picture as its access unit goes in. With B-frames it holds some back, and a
batch is complete only once later ones went in. Pictures are dealt to batches in the order in which they are shown: the
first batch gets as many as it brought, and so on; so sequence numbers, counts and order hold, and capture times, dealt
likewise in the order of arrival, still only ever grow.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from av import VideoFrame

from beffroi_common.contracts import AccessUnit, Codec, FrameBatch
from beffroi_common.contracts.frames import MAX_BATCH_PIXELS, pixels
from beffroi_common.media.cropping import Cropping
from beffroi_common.media.decoding import DecodeError, Decoder
from beffroi_common.media.sequence_sets import Corner
from beffroi_common.topics import MAX_FRAME_RECORD_BYTES

from .shape import SQUARE, PictureShape

MAX_WAITING = 64
"""Batches held back: half a minute. No reordering needs so many; a decoder that gives nothing back must not fill the
memory."""


MAX_WAITING_BYTES = 2 * MAX_FRAME_RECORD_BYTES
"""Of those batches together: they are counted nowhere else, and a camera may make each as large as the bus takes."""


class Trouble(StrEnum):
    """Why a batch has no pictures."""

    AWAITING_KEY = "awaiting_key"
    """It lies before the first key frame after a start, a gap or damage."""
    DECODER_ERROR = "decoder_error"
    """Its bytes could not be decoded, or only with pieces missing."""
    TOO_MANY_PIXELS = "too_many_pixels"
    """Its pictures are larger than it says, and together more than a batch may hold."""


@dataclass(frozen=True, slots=True)
class Framing:
    """What the stream says of a picture beside its samples.

    Attributes:
        pixel_aspect: width over height of one pixel; None: nothing.
        corner: at which the shown window begins in what was encoded; None: that could not be read.
    """

    pixel_aspect: Fraction | None
    corner: Corner | None


@dataclass(frozen=True)
class Decoded:
    """What became of one raw batch.

    Attributes:
        batch: as it came.
        units: those that are shown. Pictures that lean on what was before the start of decoding are not.
        pictures: one for each of `units`, in the order in which they are shown; empty with `trouble`.
        shapes: of the pictures: one, if nothing changed in between.
        trouble: why there are none.
    """

    batch: FrameBatch
    units: tuple[AccessUnit, ...] = ()
    pictures: tuple[VideoFrame, ...] = ()
    shapes: frozenset[PictureShape] = frozenset()
    trouble: Trouble | None = None


@dataclass
class _Waiting:
    batch: FrameBatch
    units: tuple[AccessUnit, ...]
    pictures: list[VideoFrame] = field(default_factory=list)
    shapes: set[PictureShape] = field(default_factory=set)
    pixels: int = 0

    def add(self, picture: VideoFrame, framing: Framing) -> None:
        # A container's word counts before the pictures' own, as in every player.
        pixel_aspect = self.batch.pixel_aspect or framing.pixel_aspect or SQUARE
        self.pixels += pixels(picture.width, picture.height)
        if self.pixels > MAX_BATCH_PIXELS:
            raise _TooManyPixelsError
        self.pictures.append(picture)
        self.shapes.add(PictureShape(picture.width, picture.height, pixel_aspect, framing.corner))

    @property
    def complete(self) -> bool:
        return len(self.pictures) == len(self.units)

    def decoded(self) -> Decoded:
        trouble = None if self.units else Trouble.AWAITING_KEY
        return Decoded(self.batch, self.units, tuple(self.pictures), frozenset(self.shapes), trouble)


class _DamagedError(Exception):
    """A picture has pieces missing, or is missing altogether."""


class _TooManyPixelsError(Exception):
    """The pictures of a batch take too much memory together."""


class BatchDecoder:
    """Decodes one epoch of one stream, batches in order and without a gap.

    Args:
        threads: see `Decoder`.
        max_pixels: see `Decoder`.
    """

    def __init__(self, *, threads: int, max_pixels: int) -> None:
        self._threads = threads
        self._max_pixels = max_pixels
        self._decoder: Decoder | None = None
        self._start_pts = 0
        self._started = False
        self._reorders = False
        self._expected: list[int] = []
        self._cropping = Cropping(Codec.MJPEG)
        self._framings: dict[int, Framing] = {}
        self._waiting: deque[_Waiting] = deque()

    @property
    def in_step(self) -> bool:
        """Whether the next batch can be decoded though it starts with no key frame."""
        return self._decoder is not None

    @property
    def oldest_waiting(self) -> int | None:
        """Sequence number of the first batch that is not complete yet."""
        return self._waiting[0].batch.sequence if self._waiting else None

    def decode(self, batch: FrameBatch) -> list[Decoded]:
        """Put one batch in and return those that are complete by now, in order."""
        self._reorders = self._reorders or _is_reordered(batch)
        if self._decoder is None:
            if not batch.starts_with_key:
                return [Decoded(batch, trouble=Trouble.AWAITING_KEY)]
            self._decoder, self._cropping = self._open(batch), Cropping(batch.codec)
            self._start_pts, self._started = batch.units[0].pts, False
        shown = tuple(unit for unit in batch.units if unit.pts >= self._start_pts)
        self._waiting.append(_Waiting(batch, shown))
        try:
            for unit in batch.units:
                self._take(self._put_in(unit, self._decoder))
        except (DecodeError, _DamagedError):
            return self._complete() + self._give_up()
        except _TooManyPixelsError:
            return self._complete() + self._give_up(Trouble.TOO_MANY_PIXELS)
        done = self._complete()
        return done + self._give_up() if self._waits_for_too_much else done

    def flush(self) -> list[Decoded]:
        """Return what the decoder still holds back; from then on it waits for a key frame."""
        if self._decoder is None:
            return []
        with suppress(DecodeError, _DamagedError, _TooManyPixelsError):  # what is missing is counted below
            self._take(self._decoder.flush())
        return self._complete() + self._give_up()

    def _put_in(self, unit: AccessUnit, decoder: Decoder) -> list[VideoFrame]:
        if unit.pts in self._framings:
            raise _DamagedError  # two pictures of one instant: nobody could tell which is which
        expected = unit.pts >= self._start_pts
        if expected:
            insort(self._expected, unit.pts)
        pictures = decoder.decode(unit.data, unit.pts, unit.dts)
        # Its parameter sets are in force by now; its picture may come out later.
        framing = Framing(decoder.pixel_aspect, self._cropping.corner(unit.data))
        if expected:
            self._framings[unit.pts] = framing
        return pictures

    def _open(self, batch: FrameBatch) -> Decoder:
        return Decoder(batch.codec, threads=self._threads, max_pixels=self._max_pixels, reordered=self._reorders)

    def _take(self, pictures: Iterable[VideoFrame]) -> None:
        for picture in pictures:
            if picture.pts is None or picture.is_corrupt:
                raise _DamagedError
            if picture.pts < self._start_pts:
                continue
            if not self._started:
                self._begin_at(picture.pts)
            if self._expected[:1] != [picture.pts]:
                raise _DamagedError  # one that is shown before it never came out
            del self._expected[0]
            next(each for each in self._waiting if not each.complete).add(picture, self._framings.pop(picture.pts))

    def _begin_at(self, pts: int) -> None:
        """Expect nothing before the first picture: a camera that refreshes bit by bit has none for a while."""
        self._started = True
        self._start_pts = pts
        self._expected = [each for each in self._expected if each >= pts]
        self._framings = {at: framing for at, framing in self._framings.items() if at >= pts}
        for waiting in self._waiting:
            waiting.units = tuple(unit for unit in waiting.units if unit.pts >= pts)

    def _complete(self) -> list[Decoded]:
        done = []
        while self._waiting and self._waiting[0].complete:
            done.append(self._waiting.popleft().decoded())
        return done

    @property
    def _waits_for_too_much(self) -> bool:
        size_bytes = sum(waiting.batch.size_bytes for waiting in self._waiting)
        return len(self._waiting) > MAX_WAITING or size_bytes > MAX_WAITING_BYTES

    def _give_up(self, trouble: Trouble = Trouble.DECODER_ERROR) -> list[Decoded]:
        lost = [Decoded(waiting.batch, trouble=trouble) for waiting in self._waiting]
        self._decoder = None
        self._waiting.clear()
        self._expected.clear()
        self._framings.clear()
        return lost


def _is_reordered(batch: FrameBatch) -> bool:
    """Whether pictures are not shown in the order in which they are decoded: then the stream has B-frames."""
    shown = [unit.pts for unit in batch.units]
    return shown != sorted(shown) or any(unit.pts != unit.dts for unit in batch.units)
