"""Small video files and scripted sources."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av import VideoFrame

from beffroi_common.contracts import Camera, CameraSource, Codec, FrameBatch
from beffroi_common.topics import FRAMES_RAW
from beffroi_ingest.batching import StreamInfo
from beffroi_ingest.sources import EncodedUnit, SourceError
from beffroi_testing import ManualClock, MemoryBroker

TIME_BASE = Fraction(1, 90_000)
INFO = StreamInfo(Codec.H264, 64, 48, TIME_BASE, 10.0)


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """`make_clip("name.mp4", …, sound=False, pixel_aspect=None, **options)` → a file of 64×48 at 10 fps."""

    def make(
        name: str,
        codec: str = "libx264",
        pictures: int = 12,
        *,
        sound: bool = False,
        pixel_aspect: Fraction | None = None,
        **options: str,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            video = container.add_stream(codec, rate=10, options=options)
            assert isinstance(video, av.VideoStream)
            video.width, video.height = 64, 48
            if pixel_aspect is not None:
                video.codec_context.sample_aspect_ratio = pixel_aspect
            video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            track = container.add_stream("aac", rate=8000, layout="mono") if sound else None
            assert track is None or isinstance(track, av.AudioStream)
            for index in range(pictures):
                grey = np.full((72, 64), 16 * (index % 12), dtype=np.uint8)
                container.mux(video.encode(VideoFrame.from_ndarray(grey, "yuv420p").reformat(format=video.pix_fmt)))
                if track is not None:
                    samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.float32), "fltp", "mono")
                    samples.sample_rate = 8000
                    container.mux(track.encode(samples))
            container.mux(video.encode(None))
            if track is not None:
                container.mux(track.encode(None))
        return path

    return make


class Pauses:
    """A pause that lets a manual clock go on instead of waiting, and asks to stop after so many."""

    def __init__(self, clock: ManualClock, stop_after: int) -> None:
        self._clock = clock
        self._left = stop_after

    def __call__(self, seconds: float) -> bool:
        self._clock.advance(seconds)
        self._left -= 1
        return self._left < 0


@dataclass
class ScriptedSource:
    """Gives the units of its script; then its last word: an error to raise, or None to end."""

    script: list[EncodedUnit]
    last_word: SourceError | None = None
    info: StreamInfo = INFO
    before_each: Callable[[], None] = lambda: None
    closed: threading.Event = field(default_factory=threading.Event)

    def units(self) -> Iterator[EncodedUnit]:
        for unit in self.script:
            self.before_each()
            yield unit
        if self.last_word is not None:
            raise self.last_word

    def close(self) -> None:
        self.closed.set()


def unit(index: int, *, key: bool = False, size: int = 10) -> EncodedUnit:
    """Unit number `index` of a stream of 10 fps."""
    return EncodedUnit(index * 9_000, index * 9_000, key, bytes(size))


def units(count: int, start: int = 0) -> list[EncodedUnit]:
    """Units of a stream with a key frame each second."""
    return [unit(start + n, key=n % 10 == 0) for n in range(count)]


def raw_batches(broker: MemoryBroker) -> list[FrameBatch]:
    """What lies on frames.raw.v1."""
    return [FrameBatch.decode(record.value or b"") for record in broker.records(FRAMES_RAW)]


def camera(name: str = "gate", slot: int = 0, url: str = "pattern:160x120@10", **changes: object) -> Camera:
    """A camera."""
    source = CameraSource(url=url)
    return Camera(id=name, name=name, commune="Lille", slot=slot, source=source).model_copy(update=changes)
