"""Sequence parameter sets of H.264 and H.265: what of them matters here (ITU-T H.264 and H.265, 7.3.2).

They come from cameras and may hold anything: each is read once, and no more of a picture than may differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from beffroi_common.contracts import Codec
from beffroi_common.errors import InvalidRecord

from .nal import SYNTAX, NalUnit, nal_units

Corner = tuple[int, int]
"""(columns, rows) that are encoded to the left of the shown window and above it."""

MAX_SET_BYTES = 2048
"""Of a sequence parameter set as far as it is read: the largest scaling matrices take half of it."""

MAX_SETS = 32
"""Different ones in one access unit: H.264 tells so many apart."""

MOST_SETS = {Codec.H264: (32, 256), Codec.HEVC: (16, 64)}
"""How many sequence and picture parameter sets a stream may have (7.4.2.1 and 7.4.2.2; 7.4.3.2 and 7.4.3.3)."""

MAX_ZEROS = 32
"""Of an Exp-Golomb code (9.1): longer ones are no number that a parameter set may hold."""

_H264_WITH_CHROMA = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
"""Profiles whose sets say how chroma is sampled (7.3.2.1.1)."""

_UNITS = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}
"""Luma samples across and down for each `chroma_format_idc` (H.264 table 6-1, H.265 table 6-1)."""

_READ_SETS = 256
"""Remembered with what they say: a camera sends the same with every key picture."""


class UnreadableSetError(InvalidRecord):
    """A parameter set, or what names one, ends too early or holds what none may hold."""


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """What one set says.

    Attributes:
        number: its own: a stream may have several.
        corner: at which the shown window begins.
        pixels: of one picture.
        held_pixels: of the picture at work and all that it may lean on, together.
    """

    number: int
    corner: Corner
    pixels: int
    held_pixels: int


def sequence_sets(codec: Codec, data: bytes) -> frozenset[SequenceSet]:
    """What the sets in front of an access unit say; nothing where it has none, or for JPEG.

    Raises:
        UnreadableSetError: see there.
    """
    syntax = SYNTAX.get(codec)
    if syntax is None:
        return frozenset()
    found: set[bytes] = set()
    for unit in nal_units(codec, data, before=syntax.slices):
        if codec is Codec.HEVC and layer(data, unit):
            refuse_set_of_layer(unit)
        elif unit.kind == syntax.sequence:
            found.add(data[unit.begin : min(unit.end, unit.begin + MAX_SET_BYTES)])
    if len(found) > MAX_SETS:
        raise UnreadableSetError(f"more than {MAX_SETS} sequence parameter sets")
    return frozenset(read_sequence_set(codec, each) for each in found)


@lru_cache(_READ_SETS)
def read_sequence_set(codec: Codec, sequence_set: bytes) -> SequenceSet:
    """What one set says, given from its header on, `MAX_SET_BYTES` of it.

    Raises:
        UnreadableSetError: see there.
    """
    return (_h265 if codec is Codec.HEVC else _h264)(sequence_set)


def layer(data: bytes, unit: NalUnit) -> int:
    """`nuh_layer_id`: no decoder here shows what is in the layers above the first."""
    return (data[unit.begin] & 1) << 5 | data[unit.begin + 1 : unit.begin + 2].ljust(1, b"\0")[0] >> 3


def refuse_set_of_layer(unit: NalUnit) -> None:
    """See that a unit of H.265 in a layer above the first is no parameter set that decides about pictures.

    They are written differently, and yet FFmpeg takes one in the place of that of the first layer with its number.

    Raises:
        UnreadableSetError: it is.
    """
    syntax = SYNTAX[Codec.HEVC]
    if unit.kind in (syntax.sequence, syntax.picture):
        raise UnreadableSetError("a parameter set of a layer above the first")


@dataclass
class Bits:
    """Reads a payload bit by bit."""

    value: int
    left: int

    @classmethod
    def of(cls, payload: bytes) -> Bits:
        """A payload behind its header, of which a bounded part is given: it is one number."""
        plain = payload.replace(b"\x00\x00\x03", b"\x00\x00")  # emulation prevention, 7.4.1
        return cls(int.from_bytes(plain, "big"), len(plain) * 8)

    def take(self, count: int) -> int:
        """So many bits, as a number."""
        if count > self.left:
            raise UnreadableSetError("it ends too early")
        self.left -= count
        return self.value >> self.left & ((1 << count) - 1)

    def flag(self) -> bool:
        """One bit."""
        return self.take(1) == 1

    def number(self) -> int:
        """Exp-Golomb, unsigned."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > MAX_ZEROS:
                raise UnreadableSetError("no number that a parameter set may hold")
        return (1 << zeros) - 1 + self.take(zeros)

    def skip_numbers(self, count: int) -> None:
        """Leave out so many of them."""
        for _ in range(count):
            self.number()

    def signed(self) -> int:
        """Exp-Golomb, signed."""
        number = self.number()
        return (number + 1) // 2 if number % 2 else -(number // 2)


def checked(number: int, most: int) -> int:
    """The number of a parameter set, of which there are so many.

    Raises:
        UnreadableSetError: none may have it.
    """
    if number >= most:
        raise UnreadableSetError("no number of a parameter set")
    return number


def _h264(sequence_set: bytes) -> SequenceSet:
    bits = Bits.of(sequence_set[1:])
    profile = bits.take(8)
    bits.take(16)  # constraints and level
    number = checked(bits.number(), MOST_SETS[Codec.H264][0])
    unit_x, unit_y = _h264_chroma(bits) if profile in _H264_WITH_CHROMA else _UNITS[1]
    bits.number()
    _skip_picture_order(bits)
    references = bits.number()
    bits.flag()
    macroblocks = (bits.number() + 1) * (bits.number() + 1)
    frames_only = bits.flag()
    if not frames_only:
        macroblocks *= 2  # those of one field were counted
        bits.flag()
    bits.flag()
    corner = _window(bits, unit_x, unit_y if frames_only else unit_y * 2)
    pixels = macroblocks * 16 * 16
    return SequenceSet(number, corner, pixels, (references + 1) * pixels)


def _h264_chroma(bits: Bits) -> tuple[int, int]:
    chroma, units = _chroma(bits)
    bits.skip_numbers(2)  # depths
    bits.flag()
    if bits.flag():
        for index in range(12 if chroma == 3 else 8):
            if bits.flag():
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return units


def _skip_scaling_list(bits: Bits, size: int) -> None:
    """See 7.3.2.1.1.1."""
    last = following = 8
    for _ in range(size):
        if following != 0:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_picture_order(bits: Bits) -> None:
    kind = bits.number()
    if kind == 0:
        bits.number()
    elif kind == 1:
        bits.flag()
        bits.skip_numbers(2)
        bits.skip_numbers(min(bits.number(), 255))


def _h265(sequence_set: bytes) -> SequenceSet:
    bits = Bits.of(sequence_set[2:])
    bits.take(4)
    sub_layers = bits.take(3)
    bits.flag()
    _skip_profiles(bits, sub_layers)
    number = checked(bits.number(), MOST_SETS[Codec.HEVC][0])
    _, (unit_x, unit_y) = _chroma(bits)
    pixels = bits.number() * bits.number()
    corner = _window(bits, unit_x, unit_y)
    bits.skip_numbers(3)  # depths, and how far pictures are counted
    return SequenceSet(number, corner, pixels, _h265_held(bits, sub_layers) * pixels)


def _h265_held(bits: Bits, sub_layers: int) -> int:
    """Pictures that are held at once, the one at work among them."""
    held = []
    for _ in range(sub_layers + 1 if bits.flag() else 1):
        held.append(bits.number() + 1)
        bits.skip_numbers(2)  # how many are reordered, and for how long
    return max(held)


def _skip_profiles(bits: Bits, sub_layers: int) -> None:
    """See 7.3.3."""
    profile_bits, level_bits = 88, 8
    bits.take(profile_bits + level_bits)
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers)]
    if sub_layers:
        bits.take(2 * (8 - sub_layers))
    for profile, level in present:
        bits.take(profile_bits * profile + level_bits * level)


def _chroma(bits: Bits) -> tuple[int, tuple[int, int]]:
    chroma = bits.number()
    if chroma not in _UNITS:
        raise UnreadableSetError("no chroma format")
    if chroma == 3:
        bits.flag()
    return chroma, _UNITS[chroma]


def _window(bits: Bits, unit_x: int, unit_y: int) -> Corner:
    if not bits.flag():
        return (0, 0)
    left, _right, top = bits.number(), bits.number(), bits.number()
    return (left * unit_x, top * unit_y)
