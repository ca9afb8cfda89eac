"""Clips prepared for the RTSP camera: transcoded once to H.264 as cameras send it, and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame

from .paths import REPOSITORY, cache_folder

KEY_FRAME_PERIOD_S = 2
"""What street cameras are commonly set to."""

CRF = "18"
"""Near the source: the detector is to be judged, not this transcoding."""

FORMAT_VERSION = 4
"""Part of the cache key: grows when the lines below make other bytes of the same clip."""

CLIP_VARIABLE = "BEFFROI_CLIP"

VTEST_PLACES = (
    REPOSITORY.parent / "shared" / "media" / "vtest.avi",
    Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi"),
)
"""The project's footage, then Debian's package opencv-doc."""


@dataclass(frozen=True)
class PreparedClip:
    """Access units back to back, and where each ends.

    Attributes:
        stream: Annex B file; each unit begins with a delimiter, key units carry their parameter sets. The index has its
            name alone, so that the folder may be moved.
        fps_numerator: pictures in `fps_denominator` seconds.
        fps_denominator: see above.
        width: pixels.
        height: pixels.
        sizes: bytes of each unit.
        keys: for each unit whether it is a key frame. None is a B-frame.
    """

    stream: str
    fps_numerator: int
    fps_denominator: int
    width: int
    height: int
    sizes: tuple[int, ...]
    keys: tuple[bool, ...]

    @property
    def frames(self) -> int:
        """Number of pictures in one loop."""
        return len(self.sizes)

    @property
    def fps(self) -> Fraction:
        """Pictures per second."""
        return Fraction(self.fps_numerator, self.fps_denominator)

    @property
    def duration_s(self) -> float:
        """Length of one loop."""
        return float(self.frames / self.fps)


class ClipError(RuntimeError):
    """A clip cannot be used."""


def find_clip() -> Path | None:
    """Return the clip that the demo's camera plays, or None when this machine has none.

    Raises:
        ClipError: the variable names a file that is not there.
    """
    if named := os.environ.get(CLIP_VARIABLE):
        if not Path(named).is_file():
            raise ClipError(f"{CLIP_VARIABLE} names {named}, which is no file: name a video, or unset it")
        return Path(named).resolve()
    return next((place for place in VTEST_PLACES if place.is_file()), None)


def prepare(source: Path) -> Path:
    """Return the index (JSON of `PreparedClip`) of `source` as the RTSP camera plays it, made on first use.

    Raises:
        ClipError: no video can be read from `source`.
    """
    return _cached(_digest(source), lambda: _encode_file(source))


def prepare_pattern() -> Path:
    """Return the index of a generated clip: a square that crosses the picture, for machines without footage."""
    return _cached(f"pattern-{FORMAT_VERSION}", lambda: _Source(_pattern_frames(), Fraction(10)))


def load(index: Path) -> PreparedClip:
    """Read what `prepare` wrote."""
    values = json.loads(index.read_text())
    values["stream"] = str(index.parent / values["stream"])
    return PreparedClip(**{**values, "sizes": tuple(values["sizes"]), "keys": tuple(values["keys"])})


@dataclass
class _Source:
    frames: Iterable[VideoFrame]
    fps: Fraction


def _digest(source: Path) -> str:
    with source.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{content[:16]}-{FORMAT_VERSION}"


def _encode_file(source: Path) -> _Source:
    try:
        container = av.open(str(source))
        stream = container.streams.video[0]
    except (av.FFmpegError, IndexError) as error:
        raise ClipError(
            f"no video can be read from {source} ({error}): name another file with {CLIP_VARIABLE}"
        ) from error
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise ClipError(f"{source} does not say how many pictures a second it has: name another with {CLIP_VARIABLE}")
    return _Source(container.decode(stream), Fraction(rate))


def _pattern_frames() -> Iterator[VideoFrame]:
    width, height, frames, side = 640, 360, 200, 60
    for number in range(frames):
        picture = np.full((height, width, 3), 90, np.uint8)
        left = number * (width - side) // frames
        picture[150 : 150 + side, left : left + side] = (220, 120, 40)
        yield VideoFrame.from_ndarray(picture, format="rgb24")


def _cached(name: str, source: Callable[[], _Source]) -> Path:
    folder = cache_folder() / "clips"
    index = folder / f"{name}.json"
    if not index.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(source(), folder, name)
    return index


def _write(source: _Source, folder: Path, name: str) -> None:
    stream = folder / f"{name}.h264"
    making = folder / f"{name}.{os.getpid()}.making"
    sizes: list[int] = []
    keys: list[bool] = []
    width = height = 0
    with making.open("wb") as file:
        for unit, key, (width, height) in _access_units(source):  # noqa: B007 - all are the same, the last is used below
            file.write(unit)
            sizes.append(len(unit))
            keys.append(key)
    making.replace(stream)
    clip = PreparedClip(
        stream=stream.name,
        fps_numerator=source.fps.numerator,
        fps_denominator=source.fps.denominator,
        width=width,
        height=height,
        sizes=tuple(sizes),
        keys=tuple(keys),
    )
    making.write_text(json.dumps(asdict(clip)))
    making.replace(folder / f"{name}.json")


def _access_units(source: _Source) -> Iterator[tuple[bytes, bool, tuple[int, int]]]:
    encoder = None
    for number, frame in enumerate(source.frames):
        # 4:2:0 has no odd sizes: the last column or row goes.
        width, height = frame.width & ~1, frame.height & ~1
        if encoder is None:
            encoder = _encoder(width, height, source.fps)
        picture = frame.reformat(width=width, height=height, format="yuv420p")
        picture.pts = number
        picture.time_base = 1 / source.fps
        for packet in encoder.encode(picture):
            yield bytes(packet), packet.is_keyframe, (width, height)
    if encoder is None:
        raise ClipError("the clip holds no picture")
    for packet in encoder.encode(None):
        yield bytes(packet), packet.is_keyframe, (encoder.width, encoder.height)


X264_PARAMETERS = "scenecut=0:bframes=0:sliced-threads=0:aud=1:repeat-headers=1"
"""No B-frames, key frames at even steps with their parameter sets, one slice a picture: as cameras send it."""


def _encoder(width: int, height: int, fps: Fraction) -> av.VideoCodecContext:
    period = max(1, round(fps * KEY_FRAME_PERIOD_S))
    encoder = av.VideoCodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = 1 / fps, fps
    encoder.options = {
        "preset": "veryfast",
        "crf": CRF,
        "x264-params": f"keyint={period}:min-keyint={period}:{X264_PARAMETERS}",
    }
    return encoder
