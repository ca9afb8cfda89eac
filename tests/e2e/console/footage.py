"""Encoded pictures that a stage can play for as long as a test lasts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from beffroi_common import pattern
from beffroi_common.media.mp4_writer import FragmentWriter
from beffroi_common.media.samples import Sample

FPS = 10
GOP = 5
"""A batch: half a second, each begins with a key picture, as the masker makes them."""
TIME_BASE = Fraction(1, 90_000)
TICKS = TIME_BASE.denominator // FPS
NS = 1_000_000_000
SIZE = (640, 360)


@dataclass(frozen=True)
class Footage:
    """Access units in order, Annex B with parameter sets in band; played in a loop."""

    width: int
    height: int
    units: tuple[bytes, ...]

    def mp4(self) -> bytes:
        """The same as one fragmented MP4, as the recorder stores it."""
        samples = [
            Sample(index * TICKS, index * TICKS, TICKS, index % GOP == 0, index * NS // FPS, data)
            for index, data in enumerate(self.units)
        ]
        writer = FragmentWriter(samples[0], {})
        for sample in samples:
            writer.add(sample)
        writer.close()
        return writer.take()


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
