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
from beffroi_common.media.cropping import Cropping
from beffroi_common.media.decoding import DecodeError, Decoder
from beffroi_common.media.nal import MAX_NAL_UNITS, SYNTAX
from beffroi_common.media.sequence_sets import Corner

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


def corner(codec: Codec, *units: bytes) -> Corner | None:
    """That of the last of a stream's access units."""
    cropping = Cropping(codec)
    return [cropping.corner(each) for each in units][-1]


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


def test_a_picture_whose_sets_nobody_has_seen_has_no_corner() -> None:
    assert corner(Codec.MJPEG, b"\xff\xd8") == (0, 0)
    assert corner(Codec.H264, b"\x00\x00\x01\x41\x9a") is None
    assert corner(Codec.H264, _without(Codec.H264, encoded(Codec.H264), "sequence")) is None


@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC])
def test_a_picture_is_cropped_by_the_set_that_it_names(codec: Codec) -> None:
    """Both lie in front of the first picture; the last one names the other, and says nothing more of it."""
    plain = encoded(codec)
    moved = renumbered(codec, left=16, right=0, top=8, bottom=0)
    both = _sets(codec, moved) + plain
    bare = [_without(codec, each, "sequence", "picture", "video") for each in (plain, moved)]
    assert corner(codec, both) == (0, 0)
    assert corner(codec, both, bare[0]) == (0, 0)
    assert corner(codec, both, bare[1]) == (16, 8)
    assert corner(codec, both, bare[1], bare[0]) == (0, 0)
    assert corner(codec, plain, _sets(codec, moved)) is None, "no picture"
    assert corner(codec, plain, bare[0] + _sets(codec, moved), bare[1]) == (16, 8), "sets behind a picture"
    assert corner(codec, both, bare[0] + bare[1]) is None, "one picture, cropped in two ways"


@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC])
def test_a_sequence_set_that_comes_anew_without_its_picture_set_leaves_open_which_one_counts(codec: Codec) -> None:
    first, second = encoded(codec), rewritten(codec, encoded(codec), left=16, right=0, top=0, bottom=0)
    bare = _without(codec, first, "sequence", "picture", "video")
    assert corner(codec, first, _sets(codec, first, "sequence") + bare) == (0, 0)
    assert corner(codec, first, _sets(codec, second, "sequence") + bare) is None
    assert corner(codec, first, second) == (16, 0)


@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC])
def test_an_unreadable_set_leaves_nothing_known(codec: Codec) -> None:
    whole = encoded(codec)
    sequence = _sets(codec, whole, "sequence")
    bare = _without(codec, whole, "sequence", "picture", "video")
    assert corner(codec, whole, sequence[:9] + bare) is None
    assert corner(codec, whole, sequence[:9] + bare, bare) is None
    assert corner(codec, whole, sequence[:9] + bare, whole) == (0, 0)


def test_a_set_of_another_layer_leaves_nothing_known_since_a_decoder_takes_it_for_its_own() -> None:
    plain = encoded(Codec.HEVC)
    moved = rewritten(Codec.HEVC, plain, left=16, right=0, top=0, bottom=0)
    bare = _without(Codec.HEVC, plain, "sequence", "picture", "video")
    elsewhere = b"".join(
        b"\x00\x00\x01" + each[:1] + bytes([each[1] | 1 << 3]) + each[2:]
        for each in _units(_sets(Codec.HEVC, moved, "sequence", "picture"))
    )
    crossed = _sets(Codec.HEVC, plain) + elsewhere + bare
    assert corner(Codec.HEVC, plain, crossed) is None
    assert corner(Codec.HEVC, crossed, bare) is None
    with pytest.raises(DecodeError, match="layer"):
        first_column(Codec.HEVC, crossed)
    others = b"".join(b"\x00\x00\x01" + bytes([kind << 1, 1 << 3 | 1]) + b"\xaf" for kind in (1, 32, 39))
    assert corner(Codec.HEVC, plain, _sets(Codec.HEVC, plain) + others + bare) == (0, 0)


def test_what_lies_behind_more_units_than_are_looked_at_leaves_nothing_known() -> None:
    whole = encoded(Codec.H264)
    assert corner(Codec.H264, b"\x00\x00\x01\x06" * MAX_NAL_UNITS + whole) is None


@settings(max_examples=300)
@given(
    st.sampled_from([Codec.H264, Codec.HEVC]),
    st.lists(st.tuples(st.sampled_from(["sequence", "picture", "slice"]), st.binary(max_size=200)), max_size=4),
)
def test_bytes_of_any_kind_end_in_a_corner_or_in_none(codec: Codec, units: list[tuple[str, bytes]]) -> None:
    headers = {
        Codec.H264: {"sequence": b"\x67", "picture": b"\x68", "slice": b"\x65"},
        Codec.HEVC: {"sequence": b"\x42\x01", "picture": b"\x44\x01", "slice": b"\x26\x01"},
    }[codec]
    found = corner(codec, b"".join(b"\x00\x00\x01" + headers[kind] + payload for kind, payload in units))
    assert found is None or min(found) >= 0


def renumbered(codec: Codec, **cropped: int) -> bytes:
    """A key picture with another window, whose parameter sets bear the number 1 in place of 0."""
    if codec is Codec.H264:
        return rewritten(codec, encoded(codec, params="sps-id=1"), **cropped)
    data = rewritten(codec, encoded(codec), **cropped)
    return b"".join(b"\x00\x00\x01" + _renumbered_h265(each) for each in _units(data))


def _renumbered_h265(unit: bytes) -> bytes:
    """In sets and in what names them, the Exp-Golomb code of 0 becomes that of 1. No decoder could read the rest."""
    kind, plain = unit[0] >> 1 & 63, unit[2:].replace(b"\x00\x00\x03", b"\x00\x00")
    bits = "".join(f"{byte:08b}" for byte in plain)
    for at in sorted({33: [104], 34: [0, 1]}.get(kind, [2] if kind in (19, 20) else []), reverse=True):
        assert bits[at] == "1"
        bits = bits[:at] + "010" + bits[at + 1 :]
    bits += "0" * (-len(bits) % 8)
    payload = bytearray()
    for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
        if payload[-2:] == b"\x00\x00" and byte <= 3:
            payload.append(3)
        payload.append(byte)
    return unit[:2] + bytes(payload)


def _units(data: bytes) -> Sequence[bytes]:
    return [each for each in data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01") if each]


def _kind(codec: Codec, unit: bytes) -> str:
    syntax = SYNTAX[codec]
    kinds = {syntax.sequence: "sequence", syntax.picture: "picture", syntax.video: "video"}
    return kinds.get(syntax.kind(unit[0]), "other")


def _sets(codec: Codec, data: bytes, *kinds: str) -> bytes:
    """The parameter sets alone, all or of some kinds."""
    wanted = kinds or ("video", "sequence", "picture")
    return b"".join(b"\x00\x00\x01" + each for each in _units(data) if _kind(codec, each) in wanted)


def _without(codec: Codec, data: bytes, *kinds: str) -> bytes:
    """All but some kinds of parameter sets."""
    return b"".join(b"\x00\x00\x01" + each for each in _units(data) if _kind(codec, each) not in kinds)
