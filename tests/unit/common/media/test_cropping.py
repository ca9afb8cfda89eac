"""Where the shown window begins, in sets of H.264 and H.265 as encoders write them, and to the column in a decoder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
import pytest
from av import VideoFrame
from av.bitstream import BitStreamFilterContext
from hypothesis import given, settings
from hypothesis import strategies as st

from beffroi_common.contracts import Codec
from beffroi_common.media.cropping import UnreadableSetError, corner
from beffroi_common.media.decoding import Decoder

WIDTH, HEIGHT = 256, 192
OF = {Codec.H264: ("libx264", "h264"), Codec.HEVC: ("libx265", "hevc")}


def encoded(codec: Codec, pixel_format: str = "yuv420p", params: str = "") -> bytes:
    """One key picture that is as bright as its column is far to the right."""
    encoder = av.VideoCodecContext.create(OF[codec][0], "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, pixel_format
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    if codec is Codec.H264:
        encoder.options = {"preset": "ultrafast", "crf": "4", "x264-params": params or "cabac=1"}
    else:
        encoder.options = {"preset": "ultrafast", "crf": "4", "x265-params": f"log-level=none:{params or 'bframes=0'}"}
    rgb = np.broadcast_to(np.arange(WIDTH, dtype=np.uint8)[None, :, None], (HEIGHT, WIDTH, 3)).copy()
    picture = VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pixel_format)
    picture.pts = 0
    return b"".join(bytes(each) for each in (*encoder.encode(picture), *encoder.encode(None)))


def rewritten(codec: Codec, data: bytes, **cropped: int) -> bytes:
    """The same with another window."""
    name = OF[codec][1]
    said = ":".join(f"crop_{side}={pixels}" for side, pixels in cropped.items())
    with av.open(io.BytesIO(data), "r", format=name) as container:
        stream = container.streams.video[0]
        rewriter = BitStreamFilterContext(f"{name}_metadata={said}", stream)
        packets = [new for old in container.demux(stream) if old.size for new in rewriter.filter(old)]
        return b"".join(bytes(each) for each in (*packets, *rewriter.filter(None)))


def first_column(codec: Codec, data: bytes) -> tuple[int, int, int]:
    """Size of the picture, and how bright its upper left corner is."""
    decoder = Decoder(codec)
    (picture,) = [*decoder.decode(data, 0, 0), *decoder.flush()]
    luma = picture.reformat(format="gray").to_ndarray()
    return picture.width, picture.height, int(luma[0, 0])


@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC])
@pytest.mark.parametrize("left", [0, 2, 16, 62, 100])
@pytest.mark.parametrize("top", [0, 4])
def test_the_corner_is_where_the_decoder_begins(codec: Codec, left: int, top: int) -> None:
    data = rewritten(codec, encoded(codec), left=left, right=128 - left, top=top, bottom=20 - top)
    assert corner(codec, data) == (left, top)
    width, height, brightness = first_column(codec, data)
    assert (width, height) == (WIDTH - 128, HEIGHT - 20)
    assert abs(brightness - left) <= 4


@pytest.mark.parametrize(
    ("codec", "pixel_format", "params"),
    [
        (Codec.H264, "yuv420p", "bframes=2"),
        (Codec.H264, "yuv420p", "interlaced=1"),
        (Codec.H264, "yuv420p", "cqm=jvt:8x8dct=1"),
        (Codec.H264, "yuv422p", ""),
        (Codec.H264, "yuv444p", "cqm=jvt:8x8dct=1"),
        (Codec.H264, "gray", ""),
        (Codec.H264, "yuv420p10le", ""),
        (Codec.HEVC, "yuv420p", "temporal-layers=3:bframes=3"),
        (Codec.HEVC, "yuv422p", "scaling-list=default"),
        (Codec.HEVC, "yuv444p", ""),
        (Codec.HEVC, "gray", ""),
        (Codec.HEVC, "yuv420p10le", "sar=5"),
    ],
)
def test_sets_of_every_kind_are_read(codec: Codec, pixel_format: str, params: str) -> None:
    data = encoded(codec, pixel_format, params)
    assert corner(codec, data) == (0, 0)
    assert corner(codec, rewritten(codec, data, left=32, right=0, top=16, bottom=0)) == (32, 16)


def test_without_a_set_nothing_is_said_of_it() -> None:
    assert corner(Codec.MJPEG, b"\xff\xd8") is None
    assert corner(Codec.H264, b"\x00\x00\x01\x41\x9a") is None


def test_sets_that_contradict_each_other_say_nothing() -> None:
    one, other = (rewritten(Codec.H264, encoded(Codec.H264), left=left) for left in (0, 16))
    assert corner(Codec.H264, _sets(one) + _sets(one)) == (0, 0)
    with pytest.raises(UnreadableSetError):
        corner(Codec.H264, _sets(one) + _sets(other))


@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC])
def test_a_set_cut_short_is_unreadable(codec: Codec) -> None:
    whole = _sets(rewritten(codec, encoded(codec), left=16))
    for length in range(8, len(whole)):
        with_less = whole[:length]
        try:
            assert corner(codec, with_less) in (None, (16, 0))
        except UnreadableSetError:
            continue


@settings(max_examples=300)
@given(st.sampled_from([Codec.H264, Codec.HEVC]), st.binary(max_size=200))
def test_bytes_of_any_kind_end_in_a_corner_or_in_a_refusal(codec: Codec, payload: bytes) -> None:
    header = b"\x00\x00\x01\x67" if codec is Codec.H264 else b"\x00\x00\x01\x42\x01"
    try:
        found = corner(codec, header + payload)
    except UnreadableSetError:
        return
    assert found is None or min(found) >= 0


def _sets(data: bytes) -> bytes:
    """The sequence parameter sets alone."""
    units: Sequence[bytes] = data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
    found = [each for each in units if each and (each[0] & 31 == 7 or each[0] >> 1 & 63 == 33)]
    return b"".join(b"\x00\x00\x01" + each for each in found)
