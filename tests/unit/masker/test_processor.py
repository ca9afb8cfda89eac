"""The masker between buses in memory: what passes, and what does not and why."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from av import VideoFrame
from tests.unit.masker.bench import MAX_AGE_S, Bench, record

from beffroi_common.bus import InvalidRecord, Record, run
from beffroi_common.bus.keyed import InlineExecutor, ThreadExecutor
from beffroi_common.contracts import Camera, DeadLetter, FrameBatch, InvalidMessageError
from beffroi_common.media.encoding import Quality
from beffroi_common.topics import CAMERAS, FRAMES_MASKED, FRAMES_RAW, MAX_FRAME_RECORD_BYTES
from beffroi_masker.stream import Limits
from beffroi_testing import MemoryBus

MakeRaw = Callable[..., list[FrameBatch]]
Noise = Callable[..., list[VideoFrame]]


def test_every_raw_batch_becomes_a_masked_one_in_the_same_slot(
    bench: Bench, gate: Camera, raw: list[FrameBatch]
) -> None:
    bench.configure(gate)
    bench.feed(raw)
    assert [batch.identity for batch in bench.masked()] == [batch.identity for batch in raw]
    assert {(each.partition, each.key) for each in bench.broker.records(FRAMES_MASKED)} == {(1, "gate")}
    assert bench.last_status().code == "masked"


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        ("none", "unknown_camera"),
        ("undecided", "no_mask_decision"),
        ("switched off", "switched_off"),
        ("unreadable", "unreadable_configuration"),
        ("crossing itself", "unreadable_configuration"),
        ("unknown field", "unreadable_configuration"),
    ],
)
def test_without_a_readable_decision_nothing_passes_and_it_is_said(
    bench: Bench,
    gate: Camera,
    raw: list[FrameBatch],
    configuration: str,
    code: str,
) -> None:
    good = gate.encode()
    crossing = good.replace(b"[0.62,0.13],[0.55,0.52]", b"[0.55,0.52],[0.62,0.13]")
    assert crossing != good
    said: dict[str, Camera | bytes] = {
        "undecided": gate.model_copy(update={"masking": None}),
        "switched off": gate.model_copy(update={"enabled": False}),
        "unreadable": b"{",
        "crossing itself": crossing,
        "unknown field": good[:-1] + b',"sound":true}',
    }
    if configuration in said:
        bench.configure(said[configuration])
    else:
        assert bench.decisions.wait_caught_up(5)
    bench.feed(raw)
    status = bench.last_status()
    assert bench.masked() == []
    assert status.code == code
    assert bench.masker.needed() == {}


def test_a_configuration_that_becomes_unreadable_stops_the_picture(
    bench: Bench, gate: Camera, raw: list[FrameBatch]
) -> None:
    bench.configure(gate)
    bench.masker.handle(record(raw[0], 0))
    bench.configure(b"{")
    bench.masker.handle(record(raw[1], 1))
    assert len(bench.masked()) == 1
    assert bench.last_status().code == "unreadable_configuration"


def test_an_unreadable_camera_that_is_removed_is_unknown(bench: Bench, gate: Camera, raw: list[FrameBatch]) -> None:
    bench.configure(b"{")
    bench.masker.handle(record(raw[0], 0))
    assert bench.last_status().code == "unreadable_configuration"
    bench.configure(None)
    bench.masker.handle(record(raw[1], 1))
    assert bench.last_status().code == "unknown_camera"


def test_while_masks_may_have_changed_unheard_nothing_passes_and_nothing_is_lost(
    forgetful_bench: Bench, gate: Camera, raw: list[FrameBatch]
) -> None:
    bench = forgetful_bench
    bench.configure(gate)
    bench.feed(raw[:1])
    bench.broker.denied.add(CAMERAS.name)
    bench.clock.advance(MAX_AGE_S + 1)
    bench.feed(raw[1:], first=1)
    bench.listen(20)
    assert [batch.sequence for batch in bench.masked()] == [0]
    assert bench.last_status().code == bench.last_service_status().code == "stale_configuration"
    assert bench.masker.needed()[FRAMES_RAW.name, 1] <= 1
    bench.broker.denied.clear()
    for _ in range(500):  # until the table has heard the broker, and the camera is due again
        bench.listen(1)
        if not bench.decisions.are_stale and len(bench.masked()) == len(raw):
            break
        threading.Event().wait(0.01)
    assert [batch.identity for batch in bench.masked()] == [batch.identity for batch in raw]
    assert (bench.last_status().code, bench.last_service_status().code) == ("masked", "running")


def test_one_camera_in_trouble_stops_no_other(bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise) -> None:
    bench.configure(gate)
    good, unknown = (make_raw(noise(10, 160, 96), camera=camera) for camera in ("gate", "ghost"))
    for offset, (one, other) in enumerate(zip(good, unknown, strict=True)):
        bench.masker.handle(record(other, 2 * offset))
        bench.masker.handle(record(one, 2 * offset + 1))
    assert {batch.camera for batch in bench.masked()} == {"gate"}
    assert bench.last_status("ghost").code == "unknown_camera"
    assert bench.last_status("gate").code == "masked"


def test_frames_in_are_frames_out_and_dropped(
    bench: Bench,
    gate: Camera,
    raw: list[FrameBatch],
) -> None:
    bench.configure(gate)
    for offset, batch in enumerate([raw[1], raw[2], raw[2], raw[3]]):  # it starts in the middle, and one comes twice
        bench.clock.advance(6)
        bench.masker.handle(record(batch, offset))
    counted = bench.last_status().counters
    assert (counted["frames_in"], counted["frames_out"], counted["dropped"]) == (20, 10, 10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value[: len(value) // 2], "cut short"),
        (lambda value: value + b"\xf2\x01\x03new", "does not know"),
        (lambda value: b"", "FrameBatch"),
        (lambda value: b"\xff" * 40, "Protobuf"),
    ],
)
def test_what_is_no_frame_batch_is_refused(
    bench: Bench, raw: list[FrameBatch], change: Callable[[bytes], bytes], words: str
) -> None:
    with pytest.raises(InvalidMessageError, match=words):
        bench.masker.handle(Record(FRAMES_RAW.name, 1, 0, "gate", change(raw[0].encode()), 0))


def test_a_batch_under_another_key_is_refused(bench: Bench, raw: list[FrameBatch]) -> None:
    with pytest.raises(InvalidRecord, match="names camera 'other'"):
        bench.masker.handle(record(raw[0], 0, "other"))


def test_a_batch_that_is_masked_already_is_refused(bench: Bench, raw: list[FrameBatch]) -> None:
    with pytest.raises(InvalidRecord, match="masked"):
        bench.masker.handle(record(replace(raw[0], mask_version=1), 0))


def test_pictures_of_the_source_before_are_never_covered_by_a_decision_on_the_one_after(
    bench: Bench, gate: Camera, raw: list[FrameBatch]
) -> None:
    bench.configure(gate.model_copy(update={"source_version": 2}))
    bench.masker.handle(record(raw[0], 0))
    assert bench.masked() == []
    assert bench.last_status().code == "other_source"
    moved = [replace(batch, source_version=2, epoch=2) for batch in raw]
    bench.feed(moved, 1)
    assert [(each.epoch, each.sequence, each.source_version) for each in bench.masked()] == [
        (2, batch.sequence, 2) for batch in moved
    ]


def test_what_the_decoder_still_holds_of_the_source_before_does_not_pass_with_the_one_after(
    bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    bench.configure(gate)
    before = make_raw(noise(10, 160, 96), bf="2", preset="veryfast")
    bench.feed(before)
    passed = len(bench.masked())
    assert passed < len(before)
    bench.configure(gate.model_copy(update={"source_version": 2}))
    after = [replace(batch, source_version=2) for batch in make_raw(noise(10, 160, 96), epoch=2)]
    bench.feed(after, len(before))
    assert [batch.epoch for batch in bench.masked()[passed:]] == [2] * len(after)


def test_a_connection_that_is_over_takes_no_good_picture_from_the_next(
    bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    """An ingest that was frozen sends the rest of its connection between the batches of who took over."""
    bench.configure(gate)
    old, new = (make_raw(noise(20, 160, 96), gop=20, epoch=epoch) for epoch in (1, 2))
    bench.feed([old[0], new[0], old[1], new[1], old[2], new[2], new[3], old[3]])
    assert [(batch.epoch, batch.sequence) for batch in bench.masked()] == [(1, 0), (2, 0), (2, 1), (2, 2), (2, 3)]


def test_a_picture_of_another_shape_than_the_masks_were_drawn_on_does_not_pass(
    bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    assert gate.masking is not None
    drawn = gate.masking.model_copy(update={"aspect": 160 / 96, "drawn_on": None})
    bench.configure(gate.model_copy(update={"masking": drawn}))
    shapes = {1: (160, 96), 2: (320, 192), 3: (160, 120), 4: (176, 104)}  # as drawn, twice as large, 4:3, rounded to 8
    offset = 0
    for epoch, (width, height) in shapes.items():
        for batch in make_raw(noise(10, width, height), epoch=epoch):
            bench.masker.handle(record(batch, offset))
            offset += 1
        assert bench.last_status().code == {3: "other_shape", 4: "masks_widened"}.get(epoch, "masked")
    assert {batch.epoch for batch in bench.masked()} == {1, 2, 4}


def test_masks_that_were_drawn_on_no_picture_are_applied_and_said(
    bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    assert gate.masking is not None
    bench.configure(gate.model_copy(update={"masking": gate.masking.model_copy(update={"drawn_on": None})}))
    for offset, batch in enumerate(make_raw(noise(10, 160, 96))):
        bench.masker.handle(record(batch, offset))
    assert bench.last_status().code == "masks_drawn_blind"
    assert bench.masked()


def test_in_the_loop_bad_batches_become_dead_letters_without_pixels_and_the_rest_passes(
    bench: Bench, gate: Camera, raw: list[FrameBatch]
) -> None:
    bench.configure(gate)
    payloads = [raw[0].encode(), raw[1].encode()[:-9], b"\0" * (MAX_FRAME_RECORD_BYTES + 1), raw[1].encode()]
    for payload in payloads:
        bench.broker.append(FRAMES_RAW.name, "gate", payload, 1, {})
    stop = threading.Event()

    def beat() -> None:
        if bench.broker.committed("masker", (FRAMES_RAW.name, 1)) or len(bench.masked()) == 2:
            stop.set()

    run(
        MemoryBus(bench.broker),
        bench.masker,
        service="masker",
        topics=[FRAMES_RAW],
        producer=MemoryBus(bench.broker).producer(),
        stop=stop,
        clock=bench.clock,
        beat=beat,
    )
    letters = [DeadLetter.decode(each.value or b"") for each in bench.broker.records(FRAMES_RAW.dead_letters)]
    assert [batch.sequence for batch in bench.masked()] == [0, 1]
    assert [letter.offset for letter in letters] == [1, 2]
    assert all(letter.payload is None for letter in letters)
    assert "more than the" in letters[1].reason


def test_cameras_side_by_side_are_masked_as_each_alone(
    gate: Camera, raw: list[FrameBatch], limits: Limits, quality: Quality
) -> None:
    """Each with a mask of its own: what one worker makes ready is no other's."""
    names = [f"camera-{number}" for number in range(6)]
    made = []
    for executor in (InlineExecutor(), ThreadExecutor(4, "masker")):
        with Bench.running(limits, quality, executor) as bench:
            for number, name in enumerate(names):
                bench.configure(_masked_at(gate, 0.1 * number, number + 1).model_copy(update={"id": name}), name)
            bench.feed(replace(each, camera=name) for each in raw for name in names)
            bench.finish()
            made.append({name: [each for each in bench.masked() if each.camera == name] for name in names})
    alone, side_by_side = made
    assert side_by_side == alone
    assert len({batches[0].units for batches in alone.values()}) == len(names)


def _masked_at(camera: Camera, left: float, version: int) -> Camera:
    assert camera.masking is not None
    corners = ((left, 0.1), (left + 0.3, 0.1), (left + 0.3, 0.7), (left, 0.7))
    masking = camera.masking.model_copy(update={"polygons": (corners,), "version": version})
    return camera.model_copy(update={"masking": masking})
