"""How often ingest copies a picture on its way from FFmpeg to the queue of the Kafka client.

One large access unit goes through ingest's own steps. Counted are the pages of fresh memory that each step writes to,
against those of one plain copy of the same bytes in the same run: this sees copies made in C as well as in Python.
Large blocks are taken from the kernel one by one (`M_MMAP_THRESHOLD`), so that none is written to twice unseen.

`python -m bench.payload_copies`
"""

from __future__ import annotations

import ctypes
import resource
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av import Packet
from av.bitstream import BitStreamFilterContext
from confluent_kafka import Producer

from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, Stream
from beffroi_common.media.nal import SYNTAX, nal_units
from beffroi_ingest.batching import Batcher, BatchLimits, Stamp, StreamInfo
from beffroi_ingest.in_band import InBandSets
from beffroi_ingest.sources.demuxing import FILTERS
from beffroi_ingest.sources.stamping import Stamper

M_MMAP_THRESHOLD = -3
THRESHOLD_BYTES = 1 << 20
"""Larger blocks are mapped by themselves; the picture is several times as large."""

SIZE = (1920, 1080)
INFO = StreamInfo(Codec.H264, *SIZE, Fraction(1, 90_000), 25.0)


class Count:
    """Copies by step."""

    def __init__(self, picture: bytes) -> None:
        self._one_copy = self._pages(lambda: bytes(memoryview(picture)))[0]
        self.steps: dict[str, float] = {}

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Do one step, and count what it writes to."""
        pages, result = self._pages(work)
        self.steps[name] = pages / self._one_copy
        return result

    @staticmethod
    def _pages(work: Callable[[], Any]) -> tuple[int, Any]:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        result = work()
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, result


def clip(folder: Path) -> Path:
    """One picture of noise without loss, some megabytes, in a container that leaves it as a camera would send it."""
    path = folder / "noise.ts"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "qp": "0", "threads": "1"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        noise = np.random.default_rng(0).integers(0, 256, (SIZE[1] * 3 // 2, SIZE[0]), np.uint8)
        container.mux([*video.encode(av.VideoFrame.from_ndarray(noise, format="yuv420p")), *video.encode(None)])
    return path


def follow(path: Path, *, strip: bool) -> tuple[int, dict[str, float]]:
    """Take one picture through ingest; `strip`: its parameter sets come beside the stream, as with many cameras."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        packet: Packet[Any] = next(iter(container.demux(video)))
        whole = bytes(packet)
        sets, bare = parted(whole)
        if strip:
            times = packet.pts, packet.dts
            packet = Packet(bare)
            (packet.pts, packet.dts), packet.is_keyframe = times, True
        count = Count(bare)
        to_annex_b = BitStreamFilterContext(FILTERS[Codec.H264], video)
        in_band = InBandSets(Codec.H264, sets)
        (packet,) = count.step("filter to Annex B", lambda: to_annex_b.filter(packet))
        (unit,) = count.step("out of FFmpeg", lambda: list(Stamper(INFO.time_base, INFO.fps).stamp(packet)))
        data = count.step("parameter sets", lambda: in_band.complete(unit.data, key=unit.key))
    batch = count.step("batch", lambda: cut(AccessUnit(unit.pts, unit.dts, 1, unit.key, data)))
    payload = count.step("Protobuf", batch.encode)
    client = Producer({"bootstrap.servers": "127.0.0.1:1", "message.max.bytes": 100_000_000, "log_level": 0})
    count.step("client's queue", lambda: client.produce("frames", payload))
    client.purge()
    return len(bare), count.steps


def parted(unit: bytes) -> tuple[bytes, bytes]:
    """Parameter sets, and everything else."""
    parameters = SYNTAX[Codec.H264].parameters
    found = [(each.kind in parameters, unit[each.start : each.end]) for each in nal_units(Codec.H264, unit)]
    return b"".join(nal for is_set, nal in found if is_set), b"".join(nal for is_set, nal in found if not is_set)


def cut(unit: AccessUnit) -> FrameBatch:
    """A batch of this one picture."""
    batcher = Batcher(Stamp("bench", Stream.MAIN, 1, 1), INFO, BatchLimits(0.5, 100_000_000))
    (batch,) = [*batcher.add(unit), *batcher.flush()]
    return batch


def main() -> None:
    """Measure and print."""
    ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, THRESHOLD_BYTES)
    with tempfile.TemporaryDirectory() as folder:
        path = clip(Path(folder))
        for name, strip in (("parameter sets in band", False), ("parameter sets put in by ingest", True)):
            size_bytes, steps = follow(path, strip=strip)
            detail = ", ".join(f"{step} {copies:.1f}" for step, copies in steps.items())
            print(f"{name}, {size_bytes} bytes: {sum(steps.values()):.1f} copies ({detail})")


if __name__ == "__main__":
    main()
