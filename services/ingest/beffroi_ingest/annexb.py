"""Parameter sets in Annex B byte streams: every key access unit carries them, so that a decoder can start there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from beffroi_common.contracts import Codec

START_CODE = b"\x00\x00\x00\x01"
_SHORT_START_CODE = b"\x00\x00\x01"

MAX_SETS = 32
"""More than any camera has at a time: one that sends ever new ones must not fill the memory."""


@dataclass(frozen=True)
class _Kinds:
    """NAL unit types (ITU-T H.264 table 7-1, H.265 table 7-1)."""

    delimiter: int
    sequence: int
    parameters: frozenset[int]


_KINDS = {
    Codec.H264: _Kinds(delimiter=9, sequence=7, parameters=frozenset({7, 8, 13})),
    Codec.HEVC: _Kinds(delimiter=35, sequence=33, parameters=frozenset({32, 33, 34})),
}


def nal_units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each NAL unit's offset (of its start code) and its bytes without the start code."""
    start = data.find(_SHORT_START_CODE)
    while start >= 0:
        body = start + len(_SHORT_START_CODE)
        following = data.find(_SHORT_START_CODE, body)
        end = len(data) if following < 0 else following
        nal = data[body:end].rstrip(b"\x00")
        if nal:
            yield (start - 1 if data[start - 1 : start] == b"\x00" else start), nal
        start = following


class ParameterSets:
    """The parameter sets in force in one stream.

    Args:
        codec: of the stream. MJPEG has none.
        extradata: what the demuxer learnt before the first access unit, e.g. from the SDP.
    """

    def __init__(self, codec: Codec, extradata: bytes | None) -> None:
        self._codec = codec
        self._kinds = _KINDS.get(codec)
        self._sets: dict[bytes, None] = {}
        if extradata is not None and extradata.startswith((START_CODE, _SHORT_START_CODE)):
            self.complete(extradata, key=False)

    def complete(self, data: bytes, *, key: bool) -> bytes:
        """Learn from an access unit, and return it with parameter sets in front where a key unit lacks them."""
        if self._kinds is None:
            return data
        units = [(offset, self._kind(nal), nal) for offset, nal in nal_units(data)]
        has_sequence = any(kind == self._kinds.sequence for _, kind, _ in units)
        if has_sequence:
            self._sets.clear()
        for _, kind, nal in units:
            if kind in self._kinds.parameters and len(self._sets) < MAX_SETS:
                self._sets[nal] = None
        if not key or has_sequence or not units:
            return data
        place = units[1][0] if units[0][1] == self._kinds.delimiter and len(units) > 1 else units[0][0]
        return data[:place] + b"".join(START_CODE + nal for nal in self._sets) + data[place:]

    def _kind(self, nal: bytes) -> int:
        return nal[0] & 0x1F if self._codec is Codec.H264 else nal[0] >> 1 & 0x3F
