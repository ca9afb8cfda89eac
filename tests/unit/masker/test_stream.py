"""A stream through the masker: each raw batch has one outcome, and what is under the mask never matters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from av import VideoFrame

from beffroi_common.contracts import Codec, FrameBatch, MaskDecision, MaskMode
from beffroi_common.media.encoding import Quality
from beffroi_masker.decoding import MAX_WAITING
from beffroi_masker.first_shapes import FirstShapes
from beffroi_masker.pictures import LAYOUTS, MaskRaster, planes
from beffroi_masker.stream import Limits, MaskedStream, Outcome, Reason

MakeRaw = Callable[..., list[FrameBatch]]
Noise = Callable[..., list[VideoFrame]]
Decode = Callable[[list[FrameBatch]], list[VideoFrame]]
WIDTH, HEIGHT = 160, 96


@pytest.fixture
def stream(limits: Limits, quality: Quality) -> MaskedStream:
    return MaskedStream(limits, quality, FirstShapes())


def outcomes(stream: MaskedStream, batches: list[FrameBatch], decision: MaskDecision) -> list[Outcome]:
    return [each for offset, batch in enumerate(batches) for each in stream.mask(batch, offset, decision)]


def results(stream: MaskedStream, batches: list[FrameBatch], decision: MaskDecision) -> list[FrameBatch | Reason]:
    return [outcome.result for outcome in outcomes(stream, batches, decision)]


def masked_ones(found: list[FrameBatch | Reason]) -> list[FrameBatch]:
    assert all(isinstance(each, FrameBatch) for each in found), found
    return [each for each in found if isinstance(each, FrameBatch)]


def test_one_batch_in_is_one_batch_out_that_stands_on_its_own(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    raw = make_raw(noise(23, WIDTH, HEIGHT))
    for batch, found in zip(raw, (stream.mask(each, n, burn) for n, each in enumerate(raw)), strict=True):
        (out,) = masked_ones([outcome.result for outcome in found])
        assert out.identity == batch.identity
        assert [unit.pts for unit in out.units] == [unit.pts for unit in batch.units]
        assert [unit.capture_time_ns for unit in out.units] == [unit.capture_time_ns for unit in batch.units]
        assert [unit.key for unit in out.units] == [True] + [False] * (len(batch.units) - 1)
        assert (out.mask_version, out.codec, out.time_base) == (burn.version, Codec.H264, batch.time_base)


def test_parameter_sets_are_in_band_and_never_change(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    out = masked_ones(results(stream, make_raw(noise(20, WIDTH, HEIGHT)), burn))
    heads = {batch.units[0].data[: batch.units[0].data.index(b"\x00\x00\x01\x06")] for batch in out}
    assert len(heads) == 1
    (head,) = heads
    assert [nal[0] & 31 for nal in head.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]] == [7, 8]


@pytest.mark.parametrize(
    ("width", "height", "codec", "pixel_format"),
    [
        (WIDTH, HEIGHT, Codec.H264, "yuv420p"),
        (WIDTH, HEIGHT, Codec.HEVC, "yuv420p"),
        (WIDTH, HEIGHT, Codec.MJPEG, "yuvj422p"),
        (161, 97, Codec.MJPEG, "yuvj420p"),
        (161, 97, Codec.MJPEG, "yuvj444p"),
    ],
)
def test_masked_area_is_flat_after_decoding_again(
    stream: MaskedStream,
    make_raw: MakeRaw,
    noise: Noise,
    decode: Decode,
    burn: MaskDecision,
    width: int,
    height: int,
    codec: Codec,
    pixel_format: str,
) -> None:
    raw = make_raw(noise(10, width, height, pixel_format=pixel_format), codec=codec)
    pictures = decode(masked_ones(results(stream, raw, burn)))
    assert len(pictures) == 10
    raster = MaskRaster(burn, width, height)
    inner = raster.luma & np.roll(raster.luma, 16, 0) & np.roll(raster.luma, -16, 0)
    inner &= np.roll(raster.luma, 16, 1) & np.roll(raster.luma, -16, 1)  # coding blurs the outer block, from outside
    assert inner.any()
    for picture in pictures:
        luma = planes(picture)[0]
        assert (picture.width, picture.height) == (raster.even_width, raster.even_height)
        assert np.abs(luma[inner].astype(int) - 96).max() <= 3


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p", "yuv444p"])
def test_masked_bytes_are_the_same_whatever_is_under_the_mask(
    make_raw: MakeRaw, noise: Noise, limits: Limits, quality: Quality, burn: MaskDecision, pixel_format: str
) -> None:
    """The encoder of the camera is lossless here, so that beside the mask both streams decode to the same."""
    raster = MaskRaster(burn, WIDTH, HEIGHT)
    seen = []
    for seed in (1, 2):
        pictures = noise(10, WIDTH, HEIGHT, seed=0, pixel_format=pixel_format)
        hidden = noise(10, WIDTH, HEIGHT, seed=seed, pixel_format=pixel_format)
        for picture, secret in zip(pictures, hidden, strict=True):
            covers = raster.covers(LAYOUTS[pixel_format])
            for plane, below, cover in zip(planes(picture), planes(secret), covers, strict=True):
                np.copyto(plane, below, where=cover)
        raw = make_raw(pictures, qp="0", crf="0")
        seen.append((raw, masked_ones(results(MaskedStream(limits, quality, FirstShapes()), raw, burn))))
    (raw_one, one), (raw_two, two) = seen
    assert raw_one != raw_two
    assert one == two


def test_a_repeat_after_a_restart_is_the_same_to_the_last_bit(
    make_raw: MakeRaw, noise: Noise, limits: Limits, quality: Quality, burn: MaskDecision
) -> None:
    raw = make_raw(noise(30, WIDTH, HEIGHT))
    before = results(MaskedStream(limits, quality, FirstShapes()), raw, burn)
    restarted = MaskedStream(limits, quality, FirstShapes())
    assert results(restarted, raw[2:], burn) == before[2:]


def test_restart_offset_is_the_start_of_the_group_of_pictures(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    seen = []
    for offset, batch in enumerate(make_raw(noise(40, WIDTH, HEIGHT), gop=20), start=100):
        stream.mask(batch, offset, burn)
        seen.append(stream.needed_offset)
    assert seen == [100, 100, 100, 100, 104, 104, 104, 104]


def test_a_camera_that_sends_one_key_frame_ever_holds_no_offset_for_ever(
    make_raw: MakeRaw, noise: Noise, limits: Limits, quality: Quality, burn: MaskDecision
) -> None:
    stream = MaskedStream(replace(limits, max_rewind_batches=3), quality, FirstShapes())
    for offset, batch in enumerate(make_raw(noise(30, WIDTH, HEIGHT), gop=1000)):
        stream.mask(batch, offset, burn)
    assert stream.needed_offset is None


def test_before_the_first_key_frame_nothing_passes(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    raw = make_raw(noise(30, WIDTH, HEIGHT))
    found = results(stream, raw[1:], burn)
    assert found[0] is Reason.AWAITING_KEY
    masked_ones(found[1:])


def test_after_a_gap_nothing_passes_until_the_next_key_frame(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    raw = make_raw(noise(40, WIDTH, HEIGHT), gop=20)
    found = results(stream, [raw[0], raw[2], raw[3], raw[4]], burn)
    assert found[1:3] == [Reason.AWAITING_KEY] * 2
    masked_ones([found[0], found[3]])
    assert stream.missing_batches == 1


def test_a_new_connection_begins_anew(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    first, second = (make_raw(noise(10, WIDTH, HEIGHT), epoch=epoch) for epoch in (5, 9))
    masked_ones(results(stream, [*first, *second], burn))


@pytest.mark.parametrize("damage", ["flipped", "cut", "garbage"])
def test_a_damaged_picture_drops_its_batch_and_what_leans_on_it(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision, damage: str
) -> None:
    raw = make_raw(noise(40, WIDTH, HEIGHT), gop=20)
    unit = raw[1].units[2]
    data = {
        "flipped": bytes(byte ^ 255 if 40 <= place < 80 else byte for place, byte in enumerate(unit.data)),
        "cut": unit.data[: len(unit.data) // 2],
        "garbage": b"\x00\x00\x00\x01\x67garbage",
    }[damage]
    units = (*raw[1].units[:2], replace(unit, data=data), *raw[1].units[3:])
    found = results(stream, [raw[0], replace(raw[1], units=units), *raw[2:]], burn)
    assert found[1] is Reason.DECODER_ERROR
    assert found[2:4] == [Reason.AWAITING_KEY] * 2
    masked_ones([found[0], *found[4:]])


def test_a_new_decision_is_in_force_from_the_next_batch(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision, decode: Decode
) -> None:
    raw = make_raw(noise(10, WIDTH, HEIGHT))
    everything = burn.model_copy(update={"polygons": (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)),), "version": 4})
    (before,) = masked_ones(results(stream, raw[:1], burn))
    (after,) = masked_ones([outcome.result for outcome in stream.mask(raw[1], 1, everything)])
    assert (before.mask_version, after.mask_version) == (3, 4)
    assert all(np.ptp(planes(picture)[0]) <= 3 for picture in decode([after]))


def test_a_refusal_lets_nothing_pass_until_the_next_key_frame(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    raw = make_raw(noise(30, WIDTH, HEIGHT))
    masked_ones(results(stream, raw[:1], burn))
    (refused,) = stream.refuse(raw[1], Reason.NO_MASK_DECISION)
    assert refused.result is Reason.NO_MASK_DECISION
    assert stream.needed_offset is None
    masked_ones(results(stream, raw[2:], burn))


def test_open_passes_through_the_same_way_without_polygons(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision, decode: Decode
) -> None:
    open_decision = MaskDecision(
        mode=MaskMode.OPEN, version=1, decided_by="dpo", decided_at=burn.decided_at, reason="a roundabout"
    )
    pictures = noise(5, WIDTH, HEIGHT)
    (out,) = masked_ones(results(stream, make_raw(pictures), open_decision))
    difference = planes(decode([out])[0])[0].astype(int) - planes(pictures[0])[0]
    assert np.abs(difference).mean() < 8


def test_a_new_picture_size_is_masked_at_its_size(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    small, large = make_raw(noise(5, WIDTH, HEIGHT)), make_raw(noise(5, 320, 192))
    out = masked_ones(results(stream, [small[0], replace(large[0], sequence=1)], burn))
    assert [(batch.width, batch.height) for batch in out] == [(WIDTH, HEIGHT), (320, 192)]


@pytest.mark.parametrize("interlaced", [False, True])
def test_interlaced_chroma_that_leans_on_a_masked_row_is_covered(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, decode: Decode, burn: MaskDecision, interlaced: bool
) -> None:
    top = burn.model_copy(update={"polygons": (((0.0, 0.0), (1.0, 0.0), (1.0, 9.5 / 96), (0.0, 9.5 / 96)),)})
    options = {"flags": "+ildct+ilme", "x264-params": "tff=1"} if interlaced else {}
    out = masked_ones(results(stream, make_raw(noise(10, 160, 96), **options), top))
    # Rows 0 to 9 are masked. Of chroma row 5 the progressive half colours rows 10 and 11, the interlaced rows 9 and 11.
    rows = [picture.to_ndarray()[96:].reshape(2, 48, 80)[:, 5].astype(float) for picture in decode(out)]
    colour = [float(np.abs(row - 128).mean()) for row in rows]
    assert max(colour) < 8 if interlaced else min(colour) > 20  # the encoder carries a little over from row 6


def test_b_frames_leave_in_batches_of_the_same_number_and_in_the_order_shown(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    raw = make_raw(noise(40, WIDTH, HEIGHT), gop=20, bf="2", preset="veryfast")
    assert any(unit.pts != unit.dts for unit in raw[0].units)
    out = masked_ones(results(stream, raw, burn) + [outcome.result for outcome in stream.finish(burn)])
    assert [batch.identity for batch in out] == [batch.identity for batch in raw]
    assert [len(batch.units) for batch in out] == [len(batch.units) for batch in raw]
    pts = [unit.pts for batch in out for unit in batch.units]
    assert pts == sorted({unit.pts for batch in raw for unit in batch.units})
    times_ns = [unit.capture_time_ns for batch in out for unit in batch.units]
    assert times_ns == sorted(set(times_ns))


def test_two_pictures_of_one_instant_in_two_batches_are_damage_and_no_bug(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    raw = make_raw(noise(40, WIDTH, HEIGHT), gop=20, bf="2", preset="veryfast")
    shown = sorted((unit.pts, batch.sequence) for batch in raw for unit in batch.units)
    at, number, after = next(
        (one, number, after) for (one, before), (after, number) in pairwise(shown) if number != before
    )
    units = tuple(replace(unit, pts=at) if unit.pts == after else unit for unit in raw[number].units)
    raw[number] = replace(raw[number], units=units)
    found = results(stream, raw, burn)
    assert Reason.DECODER_ERROR in found
    assert isinstance(found[-1], FrameBatch), "it goes on at the next key picture"


def test_pictures_before_the_start_leave_nothing_behind(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    raw = make_raw(noise(20, WIDTH, HEIGHT), gop=100)
    late = replace(raw[0], units=tuple(replace(unit, pts=unit.pts + 80_000) for unit in raw[0].units))
    results(stream, [late, *raw[1:]], burn)
    assert len(stream._decoder._framings) == 0


def test_with_b_frames_the_restart_offset_covers_what_is_held_back(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision, limits: Limits, quality: Quality
) -> None:
    raw = make_raw(noise(60, WIDTH, HEIGHT), gop=20, bf="2", preset="veryfast")
    complete = results(MaskedStream(limits, quality, FirstShapes()), raw, burn)
    for crash in range(1, len(raw)):
        stream = MaskedStream(limits, quality, FirstShapes())
        before = results(stream, raw[:crash], burn)
        again = stream.needed_offset or 0
        after = results(MaskedStream(limits, quality, FirstShapes()), raw[again:], burn)
        seen = {batch.sequence: batch for batch in masked_ones(before + after)}
        assert [seen.get(n) for n in range(len(complete))] == complete, crash


def test_pictures_that_lean_on_what_was_before_the_start_are_left_out(
    limits: Limits, quality: Quality, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    raw = make_raw(noise(60, WIDTH, HEIGHT), gop=20, bf="2", preset="veryfast", **{"x264-params": "open-gop=1"})
    start = next(batch for batch in raw[1:] if batch.starts_with_key)
    leading = [unit for batch in raw[start.sequence :] for unit in batch.units if unit.pts < start.units[0].pts]
    assert leading, "an open group of pictures has some that are shown before its key frame"
    stream = MaskedStream(limits, quality, FirstShapes())
    out = masked_ones(
        results(stream, raw[start.sequence :], burn) + [outcome.result for outcome in stream.finish(burn)]
    )
    kept = [unit.pts for batch in out for unit in batch.units]
    assert kept == sorted(
        unit.pts for batch in raw[start.sequence :] for unit in batch.units if unit.pts >= start.units[0].pts
    )


def test_a_camera_that_refreshes_bit_by_bit_is_shown_once_it_is_whole(
    limits: Limits, quality: Quality, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    raw = make_raw(noise(80, WIDTH, HEIGHT), gop=20, **{"x264-params": "intra-refresh=1"})
    start = next(batch for batch in raw[1:] if batch.starts_with_key)
    found = results(MaskedStream(limits, quality, FirstShapes()), raw[start.sequence :], burn)
    assert found[0] is Reason.AWAITING_KEY
    shown = [each for each in found if isinstance(each, FrameBatch)]
    assert [batch.sequence for batch in shown] == list(range(shown[0].sequence, len(raw)))


def test_a_decoder_that_gives_nothing_back_does_not_fill_the_memory(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision
) -> None:
    (batch,) = make_raw(noise(1, WIDTH, HEIGHT), per_batch=1)
    end_of_sequence = replace(batch.units[0], data=b"\x00\x00\x00\x01\x0a")
    for number in range(MAX_WAITING):
        unit = replace(end_of_sequence, pts=number * 9_000, dts=number * 9_000)
        assert results(stream, [replace(batch, sequence=number, units=(unit,))], burn) == []
    last = replace(batch, sequence=MAX_WAITING, units=(replace(end_of_sequence, pts=10**6),))
    assert results(stream, [last], burn) == [Reason.DECODER_ERROR] * (MAX_WAITING + 1)


def test_pictures_that_the_encoder_does_not_take_drop_their_batch_and_end_nothing(
    limits: Limits, make_raw: MakeRaw, noise: Noise, burn: MaskDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, raw = MaskedStream(limits, Quality("no_such_preset", 23), FirstShapes()), make_raw(noise(10, WIDTH, HEIGHT))
    assert results(stream, raw[:1], burn) == [Reason.ENCODER_ERROR]
    monkeypatch.setattr(stream, "_quality", Quality("ultrafast", 23))
    (out,) = masked_ones(results(stream, raw[1:2], burn))
    assert out.sequence == raw[1].sequence


def test_a_picture_larger_than_allowed_is_refused_before_decoding(
    make_raw: MakeRaw, noise: Noise, limits: Limits, quality: Quality, burn: MaskDecision
) -> None:
    stream = MaskedStream(replace(limits, max_pixels=WIDTH * HEIGHT - 1), quality, FirstShapes())
    assert results(stream, make_raw(noise(5, WIDTH, HEIGHT)), burn) == [Reason.DECODER_ERROR]


def test_pictures_larger_than_a_batch_says_do_not_fill_the_memory(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beffroi_masker.decoding.MAX_BATCH_PIXELS", 5 * WIDTH * HEIGHT)
    raw = [replace(batch, width=2, height=2) for batch in make_raw(noise(11, WIDTH, HEIGHT), gop=6, per_batch=6)]
    assert results(stream, raw[:1], burn) == [Reason.TOO_MANY_PIXELS]
    (out,) = masked_ones(results(stream, raw[1:], burn))
    assert len(out.units) == 5


def test_batches_held_back_are_bounded_in_bytes(
    stream: MaskedStream, make_raw: MakeRaw, noise: Noise, burn: MaskDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beffroi_masker.decoding.MAX_WAITING_BYTES", 10_000)
    (batch,) = make_raw(noise(1, WIDTH, HEIGHT), per_batch=1)
    units = [
        replace(batch.units[0], pts=n * 9_000, dts=n * 9_000, data=b"\x00\x00\x00\x01\x0a" + bytes(6_000))
        for n in (0, 1)
    ]
    assert results(stream, [replace(batch, units=(units[0],))], burn) == []
    assert results(stream, [replace(batch, sequence=1, units=(units[1],))], burn) == [Reason.DECODER_ERROR] * 2
