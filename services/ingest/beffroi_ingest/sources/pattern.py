"""A generated camera: each picture says its number, floor(UTC seconds × fps), which so goes on over restarts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from av import VideoFrame

from beffroi_common import pattern
from beffroi_common.contracts import Codec
from beffroi_common.contracts.frames import NS_PER_S
from beffroi_common.contracts.pattern_address import PatternAddress
from beffroi_common.media.encoding import Encoder, Quality, Rhythm
from beffroi_common.runtime.clock import Clock
from beffroi_ingest.batching import StreamInfo

from .errors import SourceError
from .interfaces import EncodedUnit, Pause

TIME_BASE = Fraction(1, 90_000)
"""That of RTP video."""

GOP_S = 2
"""As cameras are usually set."""

MAX_BEHIND_S = 10.0
"""After less, each picture due is made up for; after more (the machine slept, its clock was set) it starts over."""

QUALITY = Quality(preset="ultrafast", crf=23)
"""It must cost little: dozens of test patterns run on one machine."""


class PatternSource:
    """See `Source`."""

    def __init__(self, url: str, clock: Clock, pause: Pause) -> None:
        try:
            address = PatternAddress.read(url)
        except ValueError as error:
            raise SourceError("wrong_address", f"{error}."[:1].upper() + f"{error}."[1:]) from None
        self._fps = address.fps
        self._clock = clock
        self._pause = pause
        self.info = StreamInfo(Codec.H264, address.width, address.height, TIME_BASE, float(self._fps))
        rhythm = Rhythm(TIME_BASE, self._fps, key_every=GOP_S * self._fps)
        self._encoder = Encoder(address.width, address.height, "yuv420p", QUALITY, rhythm)

    def units(self) -> Iterator[EncodedUnit]:
        """See `Source.units`."""
        first = number = math.floor(self._now_s() * self._fps) + 1
        while not self._pause(max(0.0, self._ahead_s(number))):
            yield self._encode(number, number - first)
            number += 1

    def close(self) -> None:
        """See `Source.close`: the encoder goes with the object."""

    def _ahead_s(self, number: int) -> float:
        ahead_s = number / self._fps - self._now_s()
        if abs(ahead_s) > MAX_BEHIND_S:
            raise SourceError("disconnected", "The machine slept or its clock was set: the test pattern starts over.")
        return ahead_s

    def _now_s(self) -> float:
        return self._clock.now_ns() / NS_PER_S

    def _encode(self, number: int, index: int) -> EncodedUnit:
        frame = VideoFrame(self.info.width, self.info.height, "yuv420p")
        luma, *chroma = (
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size) for plane in frame.planes
        )
        luma[:, : frame.width] = pattern.draw(number, frame.width, frame.height)
        for plane in chroma:
            plane[:] = 128
        frame.pts = index * TIME_BASE.denominator // self._fps
        packet = self._encoder.encode(frame)
        return EncodedUnit(frame.pts, frame.pts, packet.is_keyframe, bytes(packet))
