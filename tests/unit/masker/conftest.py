"""Raw streams made on the spot, as a camera would send them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction

import av
import numpy as np
import pytest
from av import VideoFrame
from tests.unit.masker.bench import BEHIND_S, MAX_AGE_S, Bench

from beffroi_common.bus.keyed import InlineExecutor
from beffroi_common.contracts import (
    AccessUnit,
    Camera,
    CameraSource,
    Codec,
    DrawnPicture,
    FrameBatch,
    MaskDecision,
    MaskMode,
    Stream,
)
from beffroi_common.media.encoding import Quality
from beffroi_masker.stream import Limits

TIME_BASE = Fraction(1, 90_000)
START_NS = 1_800_000_000_000_000_000
FRAME_NS = 100_000_000
FPS = 10
POLYGONS = (((0.1, 0.1), (0.62, 0.13), (0.55, 0.52), (0.2, 0.4)),)

MakeRaw = Callable[..., list[FrameBatch]]


def noise(count: int, width: int, height: int, seed: int = 0, pixel_format: str = "yuv420p") -> list[VideoFrame]:
    """Blocks of random grey that change from picture to picture: hard to predict, and never like the fill."""
    random = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        coarse = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        rgb = np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))[:height, :width]
        pictures.append(VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pixel_format))
    return pictures


@pytest.fixture
def make_raw() -> MakeRaw:
    """`make_raw(pictures, gop=…, per_batch=…, codec=…, pixel_aspect=…, **x264 options)` → raw batches of `gate`."""

    def make(
        pictures: Sequence[VideoFrame],
        *,
        gop: int = 10,
        per_batch: int = 5,
        codec: Codec = Codec.H264,
        epoch: int = 1,
        camera: str = "gate",
        **options: str,
    ) -> list[FrameBatch]:
        units = _encoded(pictures, codec, {"g": str(gop), "keyint_min": str(gop), "sc_threshold": "0"} | options)
        batches: list[FrameBatch] = []
        for group in _grouped(units, per_batch):
            batches.append(
                FrameBatch(
                    camera=camera,
                    stream=Stream.MAIN,
                    epoch=epoch,
                    sequence=len(batches),
                    time_base=TIME_BASE,
                    codec=codec,
                    width=pictures[0].width,
                    height=pictures[0].height,
                    mask_version=0,
                    units=tuple(group),
                )
            )
        return batches

    return make


def _encoded(pictures: Sequence[VideoFrame], codec: Codec, options: dict[str, str]) -> list[AccessUnit]:
    name = {Codec.H264: "libx264", Codec.HEVC: "libx265", Codec.MJPEG: "mjpeg"}[codec]
    encoder = av.VideoCodecContext.create(name, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height = pictures[0].width, pictures[0].height
    encoder.pix_fmt, encoder.time_base, encoder.framerate = pictures[0].format.name, TIME_BASE, Fraction(FPS)
    pixel_aspect = options.pop("pixel_aspect", None)
    if pixel_aspect is not None:
        encoder.sample_aspect_ratio = Fraction(pixel_aspect)
    if codec is Codec.MJPEG:
        encoder.color_range = 2
        options = {"strict": "unofficial"}
    elif codec is Codec.HEVC:
        options = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0:repeat-headers=1:keyint=10"}
    else:
        options = {"preset": "ultrafast", "bf": "0", "crf": "18"} | options
    encoder.options = options
    packets = []
    for index, picture in enumerate(pictures):
        picture.pts, picture.time_base = index * TIME_BASE.denominator // FPS, TIME_BASE
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    return [
        AccessUnit(packet.pts or 0, packet.dts or 0, START_NS + index * FRAME_NS, packet.is_keyframe, bytes(packet))
        for index, packet in enumerate(packets)
    ]


def _grouped(units: Sequence[AccessUnit], per_batch: int) -> Iterator[list[AccessUnit]]:
    group: list[AccessUnit] = []
    for unit in units:
        if group and (len(group) == per_batch or (unit.key and not all(each.key for each in group))):
            yield group
            group = []
        group.append(unit)
    yield group


@pytest.fixture
def quality() -> Quality:
    """As in production, but faster."""
    return Quality(preset="ultrafast", crf=23, max_bitrate_bps=12_000_000, threads=1)


@pytest.fixture
def limits() -> Limits:
    """As in production."""
    return Limits(decoder_threads=1, max_pixels=36_000_000, max_rewind_batches=120)


@pytest.fixture
def burn() -> MaskDecision:
    """One polygon near the top left."""
    return MaskDecision(
        mode=MaskMode.BURN, polygons=POLYGONS, version=3, decided_by="dpo", decided_at=datetime(2026, 1, 1, tzinfo=UTC)
    )


@pytest.fixture
def gate(burn: MaskDecision) -> Camera:
    """The camera of `make_raw`, with the decision `burn`, which was drawn on pictures such as those of `raw`."""
    return Camera(
        id="gate",
        name="Gate",
        commune="Lille",
        slot=1,
        source=CameraSource(url="pattern:320x240@10"),
        masking=burn.model_copy(update={"drawn_on": DrawnPicture(width=160, height=96)}),
    )


@pytest.fixture
def bench(limits: Limits, quality: Quality) -> Iterator[Bench]:
    """A masker that works in the caller's thread."""
    with Bench.running(limits, quality, InlineExecutor()) as made:
        yield made


@pytest.fixture
def forgetful_bench(limits: Limits, quality: Quality) -> Iterator[Bench]:
    """The same, with decisions that count for `MAX_AGE_S` after they were last known to be in force."""
    with Bench.running(limits, quality, InlineExecutor(), MAX_AGE_S) as made:
        yield made


@pytest.fixture
def late_bench(limits: Limits, quality: Quality) -> Iterator[Bench]:
    """The same, with a lane for cameras that are behind; its decisions count for `MAX_AGE_S`."""
    with Bench.running(limits, quality, InlineExecutor(), MAX_AGE_S, BEHIND_S) as made:
        yield made


@pytest.fixture
def raw(make_raw: MakeRaw) -> list[FrameBatch]:
    """Two seconds of `gate`."""
    return make_raw(noise(20, 160, 96))


def decode(batches: Sequence[FrameBatch]) -> list[VideoFrame]:
    """Every picture of masked batches, each batch by a decoder of its own."""
    pictures: list[VideoFrame] = []
    for batch in batches:
        decoder = av.VideoCodecContext.create(batch.codec.value, "r")
        assert isinstance(decoder, av.VideoCodecContext)
        for unit in batch.units:
            packet = av.Packet(unit.data)
            packet.pts, packet.dts = unit.pts, unit.dts
            pictures += decoder.decode(packet)
        pictures += decoder.decode(None)
    return pictures


@pytest.fixture(name="decode")
def decode_fixture() -> Callable[[Sequence[FrameBatch]], list[VideoFrame]]:
    """See `decode`."""
    return decode


@pytest.fixture(name="noise")
def noise_fixture() -> Callable[..., list[VideoFrame]]:
    """See `noise`."""
    return noise
