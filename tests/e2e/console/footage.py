"""Encoded pictures that a stage can play for as long as a test lasts."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from beffroi_common import pattern

FPS = 10
GOP = 5
"""A batch: half a second, each begins with a key picture, as the masker makes them."""
TIME_BASE = Fraction(1, 90_000)
TICKS = TIME_BASE.denominator // FPS
SIZE = (640, 360)


@dataclass(frozen=True)
class Footage:
    """Access units in order, Annex B with parameter sets in band; played in a loop."""

    width: int
    height: int
    units: tuple[bytes, ...]

    def mp4(self) -> bytes:
        """The same as one fragmented MP4, as the recorder stores it."""
        sink = io.BytesIO()
        options = {"movflags": "empty_moov+default_base_moof+frag_keyframe"}
        with (
            av.open(sink, "w", format="mp4", options=options) as container,
            av.open(io.BytesIO(self.units[0]), format="h264") as source,
        ):
            stream = container.add_stream_from_template(source.streams.video[0], opaque=True)
            stream.time_base = TIME_BASE
            for index, data in enumerate(self.units):
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, TIME_BASE
                packet.pts = packet.dts = index * TICKS
                packet.duration, packet.is_keyframe = TICKS, index % GOP == 0
                container.mux(packet)
        return sink.getvalue()


def pattern_footage(seconds: int, first: int = 0) -> Footage:
    """The test pattern with its numbers."""
    numbers = range(first, first + seconds * FPS)
    return encode(*SIZE, (_grey(pattern.draw(number, *SIZE)) for number in numbers))


def film_footage(path: str, pictures: int) -> Footage:
    """The beginning of a film."""
    with av.open(path) as film:
        video = film.streams.video[0]
        frames = (frame.reformat(format="yuv420p") for frame in film.decode(video))
        return encode(video.width, video.height, (frame for frame, _ in zip(frames, range(pictures), strict=False)))


def encode(width: int, height: int, frames: Iterable[av.VideoFrame]) -> Footage:
    """Encode without reordering, each half second by itself."""
    encoder = av.VideoCodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    parameters = f"keyint={GOP}:min-keyint={GOP}:scenecut=0:repeat-headers=1"
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": parameters}
    return Footage(width, height, tuple(_packets(encoder, frames)))


def _packets(encoder: av.VideoCodecContext, frames: Iterable[av.VideoFrame]) -> Iterator[bytes]:
    for index, frame in enumerate(frames):
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        frame.pict_type = 0  # of the film it came from; here the encoder decides
        yield from (bytes(packet) for packet in encoder.encode(frame))
    yield from (bytes(packet) for packet in encoder.encode(None))


def _grey(luma: pattern.Luma) -> av.VideoFrame:
    height, width = luma.shape
    return av.VideoFrame.from_ndarray(np.vstack([luma, np.full((height // 2, width), 128, np.uint8)]), format="yuv420p")
