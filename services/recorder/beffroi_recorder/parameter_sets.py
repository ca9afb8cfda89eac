"""H.264 parameter sets inside an Annex B access unit (ITU-T H.264, 7.3.1 and Annex B)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

START_CODE = b"\x00\x00\x01"
NAL_TYPE_MASK = 0x1F
SPS = 7
PPS = 8
SLICE_TYPES = frozenset({1, 2, 3, 4, 5})


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """What a decoder needs before the first picture. Equal sets fit one sample description."""

    sps: bytes
    pps: bytes

    @property
    def codec(self) -> str:
        """The codec as a browser names it (RFC 6381), e.g. `avc1.42c01e`."""
        return f"avc1.{self.sps[1:4].hex()}"


def is_annex_b(data: bytes) -> bool:
    """Whether an access unit begins with a start code."""
    return data.startswith((START_CODE, b"\x00" + START_CODE))


def parameter_sets(key_unit: bytes) -> ParameterSets | None:
    """The sets in front of a key picture; None when one is missing."""
    found: dict[int, bytes] = {}
    for nal in _nals(key_unit):
        kind = nal[0] & NAL_TYPE_MASK
        if kind in SLICE_TYPES:
            break
        if kind in (SPS, PPS):
            found[kind] = found.get(kind, b"") + nal
    if len(found.get(SPS, b"")) < 4 or PPS not in found:
        return None
    return ParameterSets(found[SPS], found[PPS])


def _nals(data: bytes) -> Iterator[bytes]:
    """The NAL units in front of the first slice, and the slice's first byte."""
    start = data.find(START_CODE)
    while start >= 0:
        begin = start + len(START_CODE)
        if begin >= len(data):
            return
        if data[begin] & NAL_TYPE_MASK in SLICE_TYPES:
            yield data[begin : begin + 1]  # the pictures themselves are large: no search through them
            return
        start = data.find(START_CODE, begin)
        nal = data[begin : start if start >= 0 else len(data)].rstrip(b"\x00")
        if nal:
            yield nal
