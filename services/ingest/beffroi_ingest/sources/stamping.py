"""Time stamps where a demuxer leaves them out.

FFmpeg gives the first access unit of many RTSP streams none, and no decoding times where it does not know the
reordering yet. The first unit is a key frame: without it everything up to the next one would be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av.packet import Packet

from .errors import SourceError
from .interfaces import EncodedUnit

ASSUMED_FPS = 25
"""Places the first units a little before the next, where the stream does not say its rate."""

MAX_UNSTAMPED = 50
"""So many units without a time stamp, and the stream has no clock."""


class Stamper:
    """Completes the time stamps of one stream; decoding times only ever grow, unless the stream's clock jumps."""

    def __init__(self, time_base: Fraction | None, fps: float | None) -> None:
        self._step = max(1, round(1 / (Fraction(fps or ASSUMED_FPS) * (time_base or 1))))
        self._held: list[Packet[Any]] = []
        self._last_dts: int | None = None

    def stamp(self, packet: Packet[Any]) -> Iterator[EncodedUnit]:
        """Yield what can be stamped by now: nothing, the packet, or those before it too.

        This is where a picture is copied out of FFmpeg's memory, once.

        Raises:
            SourceError: the stream has no time stamps.
        """
        pts = packet.dts if packet.pts is None else packet.pts
        if pts is None:
            self._held.append(packet)
            if len(self._held) > MAX_UNSTAMPED:
                raise SourceError("unreadable", "Pictures come without time stamps.")
            return
        for back, held in zip(range(len(self._held), 0, -1), self._held, strict=True):
            yield self._stamped(held, pts - back * self._step, None)
        self._held.clear()
        yield self._stamped(packet, pts, packet.dts)

    def _stamped(self, packet: Packet[Any], pts: int, dts: int | None) -> EncodedUnit:
        if dts is None:
            dts = pts if self._last_dts is None else max(pts, self._last_dts + 1)
        self._last_dts = dts
        return EncodedUnit(pts, dts, packet.is_keyframe, bytes(packet))
