"""What a frame batch costs on the bus: Protobuf against a JSON header in front, and against a CMAF fragment.

Writes and reads the same half second of H.264 (12 access units, 250 kB) in each form, and prints time per batch and
size, as ratios to the JSON header in the same run.
"""

from __future__ import annotations

import io
import json
import statistics
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial

import av
import numpy as np

from beffroi_common.contracts import AccessUnit, Codec, FrameBatch, Stream
from beffroi_common.media.mp4_writer import FragmentWriter
from beffroi_common.media.samples import samples

UNITS = 12
ROUNDS = 300


def batch() -> FrameBatch:
    """Half a second of noise in H.264, which no encoder makes small: about 250 kB."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 640, 360, "yuv420p", Fraction(1, 25)
    codec.options = {"tune": "zerolatency", "preset": "ultrafast", "crf": "49"}
    noise = np.random.default_rng(0)
    units = []
    for number in range(UNITS):
        picture = av.VideoFrame.from_ndarray(noise.integers(0, 255, (540, 640), np.uint8), format="yuv420p")
        picture.pts = number
        (packet,) = codec.encode(picture)
        units.append(AccessUnit(number, number, 1_700_000_000_000_000_000 + number, packet.is_keyframe, bytes(packet)))
    return FrameBatch("place", Stream.MAIN, 1, 0, Fraction(1, 25), Codec.H264, 640, 360, 1, tuple(units))


def write_json_header(sent: FrameBatch) -> bytes:
    """CloudEvents' structured idea: a JSON header with sizes, then the bytes."""
    header = {
        "camera": sent.camera, "stream": sent.stream, "epoch": sent.epoch, "sequence": sent.sequence,
        "time_base": [1, 25], "codec": sent.codec, "width": sent.width, "height": sent.height,
        "mask_version": sent.mask_version,
        "units": [[u.pts, u.dts, u.capture_time_ns, u.key, len(u.data)] for u in sent.units],
    }  # fmt: skip
    text = json.dumps(header).encode()
    return b"".join([len(text).to_bytes(4, "big"), text, *(unit.data for unit in sent.units)])


def read_json_header(payload: bytes) -> list[bytes]:
    """Read what `write_json_header` wrote."""
    length = int.from_bytes(payload[:4], "big")
    header = json.loads(payload[4 : 4 + length])
    parts, at = [], 4 + length
    for *_, size in header["units"]:
        parts.append(payload[at : at + size])
        at += size
    return parts


def write_cmaf(sent: FrameBatch) -> bytes:
    """A fragmented MP4 of the batch; capture times and mask version would need a box of their own."""
    pictures = samples(sent)
    writer = FragmentWriter(pictures[0], {})
    for sample in pictures:
        writer.add(sample)
    writer.close()
    return writer.take()


def read_cmaf(payload: bytes) -> list[bytes]:
    """Read what `write_cmaf` wrote."""
    with av.open(io.BytesIO(payload), "r") as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def microseconds(work: Callable[[], object]) -> float:
    """Median time of one call."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def main() -> None:
    """Measure and print."""
    sent = batch()
    print(f"{len(sent.units)} access units, {sent.size_bytes} bytes")
    forms: dict[str, tuple[Callable[[], bytes], Callable[[bytes], object]]] = {
        "JSON header": (lambda: write_json_header(sent), read_json_header),
        "Protobuf": (sent.encode, FrameBatch.decode),
        "CMAF": (lambda: write_cmaf(sent), read_cmaf),
    }
    reference: float | None = None
    for name, (write, read) in forms.items():
        payload = write()
        spent = (microseconds(write), microseconds(partial(read, payload)))
        reference = reference or sum(spent)
        print(
            f"{name:12} write {spent[0]:7.0f} µs  read {spent[1]:7.0f} µs  {sum(spent) / reference:5.1f} × JSON header"
            f"  {len(payload) - sent.size_bytes:5d} bytes of metadata"
        )


if __name__ == "__main__":
    main()
