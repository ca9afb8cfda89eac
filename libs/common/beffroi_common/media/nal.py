"""NAL units and parameter sets of H.264 and H.265 in Annex B byte streams (ITU-T H.264 and H.265, 7.3.1 and Annex B).

Access units come from cameras and may hold anything. Reading takes time linear in their size, copies no picture, and
stops after `MAX_NAL_UNITS`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from beffroi_common.contracts import AccessUnit, Codec, InvalidMessageError

START_CODE = b"\x00\x00\x00\x01"
SHORT_START_CODE = b"\x00\x00\x01"
START_OF_SCAN = b"\xff\xda"
"""Of JPEG (ITU-T T.81, table B.1): a picture may be sent in several scans."""

MAX_NAL_UNITS = 4096
"""In one access unit. H.265 allows 600 slices in a picture, cameras send a few dozen; what lies behind so many units is
not looked at."""

MAX_PARTS = 4096
"""In one encoded picture, and `MAX_BATCH_PARTS` in a batch. What is made of start codes alone would keep a reader busy
for minutes: whoever hands pictures on, or takes them, refuses it."""
MAX_BATCH_PARTS = 16_384

SEARCHED_BYTES = 1024
"""Trailing zeros are looked for in steps of this size: a slice as large as the unit would be a copy of the picture."""


@dataclass(frozen=True)
class NalSyntax:
    """NAL unit types of one codec (ITU-T H.264 and H.265, table 7-1 each).

    Attributes:
        delimiter: of the access unit delimiter.
        video: of the video parameter set; None where the codec has none.
        sequence: of the sequence parameter set.
        picture: of the picture parameter set.
        parameters: of all parameter sets, extensions included.
        slices: of what holds parts of the picture itself.
        type_shift: bits of the first byte below the type.
        type_mask: of the type, once shifted.
    """

    delimiter: int
    video: int | None
    sequence: int
    picture: int
    parameters: frozenset[int]
    slices: frozenset[int]
    type_shift: int
    type_mask: int

    def kind(self, first_byte: int) -> int:
        """The NAL unit type that a unit's first byte says."""
        return first_byte >> self.type_shift & self.type_mask


SYNTAX = {
    Codec.H264: NalSyntax(
        delimiter=9,
        video=None,
        sequence=7,
        picture=8,
        parameters=frozenset({7, 8, 13}),
        slices=frozenset(range(1, 6)),
        type_shift=0,
        type_mask=0x1F,
    ),
    Codec.HEVC: NalSyntax(
        delimiter=35,
        video=32,
        sequence=33,
        picture=34,
        parameters=frozenset({32, 33, 34}),
        slices=frozenset(range(32)),
        type_shift=1,
        type_mask=0x3F,
    ),
}
"""JPEG has no NAL units."""


@dataclass(frozen=True, slots=True)
class NalUnit:
    """Where one NAL unit lies in an access unit.

    Attributes:
        kind: its type, see `NalSyntax`.
        start: offset of its start code.
        begin: offset of its first byte.
        end: offset behind its last byte; trailing zeros do not belong to it.
    """

    kind: int
    start: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """What a decoder needs before the first picture. Equal sets fit one sample description of a file.

    Attributes:
        codec_string: the codec as a browser names it (RFC 6381), e.g. `avc1.42c01e`.
        video: video parameter sets, one behind the other; empty in H.264.
        sequence: sequence parameter sets, likewise.
        picture: picture parameter sets, likewise.
    """

    codec_string: str
    video: bytes
    sequence: bytes
    picture: bytes


def is_annex_b(data: bytes) -> bool:
    """Whether an access unit begins with a start code."""
    return data.startswith((SHORT_START_CODE, START_CODE))


def parts(codec: Codec, data: bytes) -> int:
    """How many parts a picture is coded in: NAL units, or scans (JPEG). Each may be as large as the picture."""
    return data.count(SHORT_START_CODE if codec in SYNTAX else START_OF_SCAN)


def refuse_too_many_parts(codec: Codec, units: Sequence[AccessUnit]) -> None:
    """See that reading the pictures of a batch takes no longer than pictures do.

    Raises:
        InvalidMessageError: they have more parts than any camera sends.
    """
    counts = [parts(codec, unit.data) for unit in units]
    if max(counts) > MAX_PARTS or sum(counts) > MAX_BATCH_PARTS:
        raise InvalidMessageError(f"FrameBatch: a picture in more than {MAX_PARTS} parts, or all in {MAX_BATCH_PARTS}")


def nal_units(codec: Codec, data: bytes, before: Container[int] = ()) -> Iterator[NalUnit]:
    """Yield where the NAL units of an access unit lie, empty ones left out, as far as a unit of a type in `before`.

    Args:
        codec: H.264 or H.265.
        data: Annex B.
        before: types that end the search. Pictures are large: who wants what is in front of them need not search them.
    """
    syntax = SYNTAX[codec]
    start = data.find(SHORT_START_CODE)
    for _ in range(MAX_NAL_UNITS):
        begin = start + len(SHORT_START_CODE)
        if start < 0 or begin >= len(data):
            return
        kind = syntax.kind(data[begin])
        if kind in before:
            return
        following = data.find(SHORT_START_CODE, begin)
        end = _without_trailing_zeros(data, begin, len(data) if following < 0 else following)
        if end > begin:
            yield NalUnit(kind, start - 1 if data[start - 1 : start] == b"\x00" else start, begin, end)
        start = following


def parameter_sets(codec: Codec, key_unit: bytes) -> ParameterSets | None:
    """The parameter sets in front of a key picture of H.264 or H.265; None when one is missing or cut short."""
    syntax = SYNTAX[codec]
    sets = _sets_in_front(codec, key_unit)
    video = b"" if syntax.video is None else sets.get(syntax.video)
    sequence, picture = sets.get(syntax.sequence, b""), sets.get(syntax.picture)
    name = _codec_string(codec, sequence)
    if name is None or video is None or picture is None:
        return None
    return ParameterSets(name, video, sequence, picture)


def codec_string(codec: Codec, key_unit: bytes) -> str | None:
    """The codec as a browser names it (RFC 6381), out of the sequence parameter set in band; None: there is none."""
    return _codec_string(codec, _sets_in_front(codec, key_unit).get(SYNTAX[codec].sequence, b""))


def _sets_in_front(codec: Codec, key_unit: bytes) -> dict[int, bytes]:
    """Parameter sets by type, several of one type one behind the other."""
    syntax = SYNTAX[codec]
    sets: dict[int, list[bytes]] = {}
    for unit in nal_units(codec, key_unit, before=syntax.slices):
        if unit.kind in syntax.parameters:
            sets.setdefault(unit.kind, []).append(key_unit[unit.begin : unit.end])
    return {kind: b"".join(found) for kind, found in sets.items()}


def _without_trailing_zeros(data: bytes, begin: int, end: int) -> int:
    while end > begin:
        last = data[max(begin, end - SEARCHED_BYTES) : end]
        kept = len(last.rstrip(b"\x00"))
        if kept:
            return end - len(last) + kept
        end -= len(last)
    return end


def _codec_string(codec: Codec, sequence: bytes) -> str | None:
    """None: the sequence parameter set ends before its level."""
    if codec is Codec.HEVC:
        return _hevc_codec_string(sequence)
    return f"avc1.{sequence[1:4].hex()}" if len(sequence) >= 4 else None


def _hevc_codec_string(sequence: bytes) -> str | None:
    """See ISO/IEC 14496-15, E.3: profile, compatibility with its bits reversed, tier and level, constraints."""
    # 2 bytes of NAL header and 1 of layers, then profile (1), compatibility (4), constraints (6) and level (1).
    fields = sequence[3:].replace(b"\x00\x00\x03", b"\x00\x00")[:12]
    if len(fields) < 12:
        return None
    space = ("", "A", "B", "C")[fields[0] >> 6]
    compatibility = int(f"{int.from_bytes(fields[1:5], 'big'):032b}"[::-1], 2)
    tier = "H" if fields[0] & 0x20 else "L"
    constraints = "".join(f".{each:X}" for each in fields[5:11].rstrip(b"\x00"))
    return f"hvc1.{space}{fields[0] & 0x1F}.{compatibility:X}.{tier}{fields[11]}{constraints}"
