"""What masking costs: the masker's whole work per picture against a plain transcode with the same settings.

Both decode with one thread and encode with x264 in the same preset; the transcode does nothing else (one encoder for
all, a key frame as often). CPU time is the process's own, alternating and the median of rounds, so that a busy machine
shifts both alike. Then what batches that stand on their own cost in bits: the same pictures with a key frame every
0.5 s and every 2 s.

`python -m bench.masker [CLIP…]`; without a clip, a generated one.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import VideoFrame

from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, MaskDecision, MaskMode, Stream
from beffroi_common.media.decoding import Decoder
from beffroi_common.media.encoding import Encoder, Quality, Rhythm
from beffroi_masker.first_shapes import FirstShapes
from beffroi_masker.stream import Limits, MaskedStream

ROUNDS = 5
PICTURES = 250
BATCH_S, LONG_S = 0.5, 2.0
TIME_BASE = Fraction(1, 90_000)
QUALITY = Quality(preset="veryfast", crf=23, max_bitrate_bps=12_000_000, threads=1)
DECISION = MaskDecision(
    mode=MaskMode.BURN,
    polygons=(((0.0, 0.0), (1.0, 0.0), (1.0, 0.12), (0.0, 0.18)), ((0.7, 0.3), (0.9, 0.32), (0.88, 0.6), (0.72, 0.55))),
    version=1,
    decided_by="bench",
    decided_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def generated() -> tuple[list[VideoFrame], float]:
    """Ten seconds of 1080p: noise that drifts, with something moving before it."""
    random = np.random.default_rng(0)
    ground = np.kron(random.integers(40, 200, (136, 240), dtype=np.uint8), np.ones((8, 8), dtype=np.uint8))
    pictures = []
    for index in range(PICTURES):
        luma = np.roll(ground, index // 5, axis=1)[:1080, :1920].copy()
        luma[300:500, 7 * index % 1700 : 7 * index % 1700 + 120] = 230
        pictures.append(VideoFrame.from_ndarray(luma, "gray").reformat(format="yuv420p"))
    return pictures, 25.0


def pictures_of(clip: Path) -> tuple[list[VideoFrame], float]:
    """The first pictures of a clip, and how many it has a second."""
    with av.open(str(clip)) as container:
        fps = float(container.streams.video[0].average_rate or 25)
        found = []
        for picture in container.decode(video=0):
            found.append(picture.reformat(format="yuv420p"))
            if len(found) == PICTURES:
                break
    return found, fps


def encoder(picture: VideoFrame, quality: Quality = QUALITY) -> Encoder:
    """x264 as the masker sets it up."""
    return Encoder(picture.width, picture.height, "yuv420p", quality, Rhythm(TIME_BASE))


def camera_stream(pictures: list[VideoFrame], fps: float) -> list[FrameBatch]:
    """As a camera sends it: a key frame every two seconds, in batches of half a second."""
    codec = encoder(pictures[0], replace(QUALITY, crf=20))
    per_gop, per_batch = round(LONG_S * fps), round(BATCH_S * fps)
    units = []
    for index, picture in enumerate(pictures):
        picture.pts, picture.time_base = round(index * TIME_BASE.denominator / fps), TIME_BASE
        packet = codec.encode(picture, key=index % per_gop == 0)
        assert packet.pts is not None
        units.append(AccessUnit(packet.pts, packet.pts, index + 1, packet.is_keyframe, bytes(packet)))
    width, height = pictures[0].width, pictures[0].height
    return [
        FrameBatch(
            "bench", Stream.MAIN, 1, number, TIME_BASE, Codec.H264, width, height, 0, tuple(units[at : at + per_batch])
        )
        for number, at in enumerate(range(0, len(units), per_batch))
    ]


def mask(batches: list[FrameBatch]) -> int:
    """The masker's whole work, from raw bytes to masked bytes; returns the size."""
    stream = MaskedStream(Limits(1, 36_000_000, 120), QUALITY, FirstShapes())
    size_bytes = 0
    for batch in batches:
        payload = batch.encode()
        for outcome in stream.mask(FrameBatch.decode(payload), batch.sequence, DECISION):
            assert isinstance(outcome.result, FrameBatch)
            size_bytes += len(outcome.result.encode())
    return size_bytes


def transcode(batches: list[FrameBatch], key_every: int) -> int:
    """Decode and encode, nothing else; returns the size."""
    decoder = Decoder(Codec.H264)
    codec, size_bytes, count = None, 0, 0
    for unit in (unit for batch in batches for unit in batch.units):
        for picture in decoder.decode(unit.data, unit.pts, unit.dts):
            codec = codec or encoder(picture)
            size_bytes += codec.encode(picture, key=count % key_every == 0).size
            count += 1
    return size_bytes


def cpu_s(work: Callable[[], int]) -> tuple[float, int]:
    """CPU seconds of this process, and what `work` returned."""
    start_s = time.process_time()
    found = work()
    return time.process_time() - start_s, found


def measure(name: str, pictures: list[VideoFrame], fps: float) -> None:
    """Print the figures of one clip."""
    batches = camera_stream(pictures, fps)
    short, long = round(BATCH_S * fps), round(LONG_S * fps)
    rounds = [(cpu_s(lambda: mask(batches)), cpu_s(lambda: transcode(batches, short))) for _ in range(ROUNDS)]
    masked_s = statistics.median(each[0][0] for each in rounds)
    plain_s = statistics.median(each[1][0] for each in rounds)
    ratio = statistics.median(each[0][0] / each[1][0] for each in rounds)
    long_bytes = transcode(batches, long)
    seconds = len(pictures) / fps

    def kbit(size_bytes: int) -> str:
        return f"{8 * size_bytes / seconds / 1000:.0f} kbit/s"

    masked_bytes, short_bytes = rounds[0][0][1], rounds[0][1][1]
    print(
        f"masker {name} {pictures[0].width}×{pictures[0].height} at {fps:g} fps, {QUALITY.preset}: "
        f"{1000 * masked_s / len(pictures):.1f} ms CPU a picture, transcode {1000 * plain_s / len(pictures):.1f} ms, "
        f"ratio {ratio:.3f}; self-contained batches of {BATCH_S:g} s {kbit(masked_bytes)}, without mask, one encoder "
        f"{kbit(short_bytes)}, key frame every {LONG_S:g} s {kbit(long_bytes)}"
    )


def main() -> None:
    """Measure the clips named, or a generated one."""
    for clip in [Path(name) for name in sys.argv[1:]]:
        measure(clip.stem, *pictures_of(clip))
    if not sys.argv[1:]:
        measure("generated", *generated())


if __name__ == "__main__":
    main()
