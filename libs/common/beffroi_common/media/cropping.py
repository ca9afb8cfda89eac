"""What an encoder tells not to show: the corner at which the shown window begins (ITU-T H.264 and H.265, 7.3.2).

The size of the window is what a decoder gives. Where it lies none says, and a window of the same size elsewhere is
another view.
"""

from __future__ import annotations

from dataclasses import dataclass

from beffroi_common.contracts import Codec

from .nal import MAX_NAL_UNITS, SHORT_START_CODE, SYNTAX, NalSyntax, nal_units
from .sequence_sets import (
    MAX_SET_BYTES,
    MOST_SETS,
    Bits,
    Corner,
    UnreadableSetError,
    checked,
    layer,
    read_sequence_set,
    refuse_set_of_layer,
)

_H264_SLICES = frozenset({1, 2, 5})
_H265_SLICES = frozenset({*range(10), *range(16, 22)})
"""NAL unit types of what begins with a slice header (H.264 and H.265, table 7-1)."""

_H265_RANDOM_ACCESS = range(16, 24)

SLICE_HEADER_BYTES = 32
"""As far as the picture parameter set that a slice names: three numbers."""


@dataclass(frozen=True, slots=True)
class _PictureSet:
    """A picture parameter set: which sequence parameter set it names, and what that said when it came.

    A set that is sent anew counts for pictures whose own set is not sent again by the standard, and not in FFmpeg.
    """

    sequence: int
    corner: Corner | None


class Cropping:
    """Follows the parameter sets of one stream, each by its id: a picture names the set that it is cropped by.

    A camera may have sent several beforehand, and change from one to another without a word in front of the picture.
    """

    def __init__(self, codec: Codec) -> None:
        """Begin where a decoder does, knowing no set."""
        self._codec = codec
        self._sequence_sets: dict[int, Corner] = {}
        self._picture_sets: dict[int, _PictureSet] = {}

    def corner(self, data: bytes) -> Corner | None:
        """The corner of the picture in an access unit, of which each has to be given; None: that cannot be told."""
        syntax = SYNTAX.get(self._codec)
        if syntax is None:
            return (0, 0)  # JPEG crops nothing
        if data.count(SHORT_START_CODE) > MAX_NAL_UNITS:  # what lies behind so many is not looked at
            self._forget()
            return None
        found: set[Corner | None] = set()
        for unit in nal_units(self._codec, data):
            try:
                if self._codec is Codec.HEVC and layer(data, unit):
                    refuse_set_of_layer(unit)
                    continue
                self._read(syntax, unit.kind, data[unit.begin : min(unit.end, unit.begin + MAX_SET_BYTES)], found)
            except UnreadableSetError:
                self._forget()  # which one it was meant to replace nobody knows
                found.add(None)
        return found.pop() if len(found) == 1 else None

    def _read(self, syntax: NalSyntax, kind: int, payload: bytes, found: set[Corner | None]) -> None:
        is_h265 = self._codec is Codec.HEVC
        if kind == syntax.sequence:
            read = read_sequence_set(self._codec, payload)
            self._sequence_sets[read.number] = read.corner
        elif kind == syntax.picture:
            number, sequence = _picture_set(payload[2 if is_h265 else 1 :], MOST_SETS[self._codec])
            self._picture_sets[number] = _PictureSet(sequence, self._sequence_sets.get(sequence))
        elif kind in (_H265_SLICES if is_h265 else _H264_SLICES):
            header = payload[:SLICE_HEADER_BYTES]
            found.add(self._of(_h265_slice(header, kind) if is_h265 else _h264_slice(header)))

    def _of(self, picture_set: int) -> Corner | None:
        named = self._picture_sets.get(picture_set)
        if named is None or named.corner != self._sequence_sets.get(named.sequence):
            return None
        return named.corner

    def _forget(self) -> None:
        self._sequence_sets.clear()
        self._picture_sets.clear()


def _picture_set(payload: bytes, most: tuple[int, int]) -> tuple[int, int]:
    """Its own id and that of the sequence parameter set that it names (7.3.2.2 and 7.3.2.3)."""
    bits = Bits.of(payload)
    own, sequence = bits.number(), bits.number()
    return checked(own, most[1]), checked(sequence, most[0])


def _h264_slice(header: bytes) -> int:
    """The picture parameter set that it names (7.3.3)."""
    bits = Bits.of(header[1:])
    bits.skip_numbers(2)
    return bits.number()


def _h265_slice(header: bytes, kind: int) -> int:
    """The picture parameter set that it names (7.3.6.1)."""
    bits = Bits.of(header[2:])
    bits.flag()
    if kind in _H265_RANDOM_ACCESS:
        bits.flag()
    return bits.number()
