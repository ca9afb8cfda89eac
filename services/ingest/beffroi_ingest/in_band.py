"""Every key access unit carries the parameter sets in force, so that a decoder can start there."""

from __future__ import annotations

from beffroi_common.contracts import Codec
from beffroi_common.media.nal import START_CODE, SYNTAX, NalUnit, is_annex_b, nal_units

MAX_SETS = 32
"""More than any camera has at a time: one that sends ever new ones must not fill the memory."""


class InBandSets:
    """The parameter sets in force in one stream.

    Args:
        codec: of the stream. MJPEG has none.
        extradata: what the demuxer learnt before the first access unit, e.g. from the SDP.
    """

    def __init__(self, codec: Codec, extradata: bytes | None) -> None:
        self._codec = codec
        self._sets: dict[bytes, None] = {}
        if extradata is not None and is_annex_b(extradata):
            self.complete(extradata, key=False)

    def complete(self, data: bytes, *, key: bool) -> bytes:
        """Learn from an access unit, and return it with parameter sets in front where a key unit lacks them.

        Where nothing is put in, this is the very object that came: pictures are large.
        """
        syntax = SYNTAX.get(self._codec)
        if syntax is None:
            return data
        units = list(nal_units(self._codec, data))
        has_sequence = any(unit.kind == syntax.sequence for unit in units)
        if has_sequence:
            self._sets.clear()
        for unit in units:
            if unit.kind in syntax.parameters and len(self._sets) < MAX_SETS:
                self._sets[data[unit.begin : unit.end]] = None
        if not key or has_sequence or not units or not self._sets:
            return data
        return self._with_sets(data, _place(units, syntax.delimiter))

    def _with_sets(self, data: bytes, place: int) -> bytes:
        whole = memoryview(data)
        sets = (part for each in self._sets for part in (START_CODE, each))
        return b"".join((whole[:place], *sets, whole[place:]))


def _place(units: list[NalUnit], delimiter: int) -> int:
    """Parameter sets come in front of everything but the delimiter."""
    behind_delimiter = units[0].kind == delimiter and len(units) > 1
    return units[1 if behind_delimiter else 0].start
