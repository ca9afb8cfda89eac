"""The newest pictures first: what goes by the lane while the road is behind, and what may not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from av import VideoFrame
from tests.unit.masker.bench import BEHIND_S, MAX_AGE_S, Bench

from beffroi_common.bus import Partition, Record
from beffroi_common.bus.journal import Death, Ending, NoJournal
from beffroi_common.contracts import Camera, Codec, FrameBatch, Stream
from beffroi_common.runtime import metrics
from beffroi_common.topics import CAMERAS, FRAMES_LIVE, FRAMES_RAW
from beffroi_masker import key_pictures, stream
from beffroi_masker.lane import LEFT_OUT_S, RETRY_S, Lane
from beffroi_masker.masking import FILL_LUMA
from beffroi_masker.pictures import planes
from beffroi_testing import MemoryBus

MakeRaw = Callable[..., list[FrameBatch]]
Noise = Callable[..., list[VideoFrame]]
Decode = Callable[[Sequence[FrameBatch]], list[VideoFrame]]

FROZEN_S = 60
SOURCE = (FRAMES_RAW.name, 1)


def turn(lane: Lane, times: int = 20) -> None:
    for _ in range(times):
        lane.turn()


def freeze(bench: Bench, old: Sequence[FrameBatch], new: Sequence[FrameBatch]) -> list[Record]:
    """Nothing is masked between what was sent before and what is sent now. The road begins with the oldest."""
    waiting = bench.film(old)
    bench.clock.advance(FROZEN_S)
    hear(bench)
    waiting += bench.film(new)
    bench.masker.handle(waiting[0])
    return waiting[1:]


def hear(bench: Bench) -> None:
    """Decisions are known to be in force now."""
    for _ in range(500):
        if not bench.decisions.are_stale:
            return
        threading.Event().wait(0.01)
    raise AssertionError("decisions stay stale")


def padded(batch: FrameBatch, size_bytes: int) -> FrameBatch:
    """Zeros behind a picture are allowed."""
    first, *others = batch.units
    return replace(batch, units=(replace(first, data=first.data + bytes(size_bytes)), *others))


def lanes_open() -> int:
    return len(metrics.LANE_OPEN._metrics)


def test_the_newest_key_picture_comes_masked_while_the_backlog_waits(
    late_bench: Bench, gate: Camera, raw: list[FrameBatch], decode: Decode
) -> None:
    late_bench.configure(gate)
    waiting = freeze(late_bench, raw[:2], raw[2:])  # a group of pictures is two batches
    turn(late_bench.lane())
    (shown,) = late_bench.shown()
    assert (shown.sequence, len(shown.units), shown.starts_with_key) == (2, 1, True)
    assert shown.units[0].capture_time_ns == raw[2].units[0].capture_time_ns
    assert len(late_bench.masked()) == 1
    assert {each.partition for each in late_bench.broker.records(FRAMES_LIVE)} == {1}
    for each in waiting:
        late_bench.masker.handle(each)
    on_road = late_bench.masked()[2]
    assert (shown.mask_version, shown.width, shown.height) == (on_road.mask_version, on_road.width, on_road.height)
    by_lane, by_road = (planes(decode([each])[0])[0] for each in (shown, on_road))
    assert np.array_equal(by_lane, by_road)
    assert abs(int(by_lane[20, 40]) - FILL_LUMA) <= 3


def test_on_time_there_is_no_lane(late_bench: Bench, gate: Camera, raw: list[FrameBatch]) -> None:
    late_bench.configure(gate)
    lane = late_bench.lane()
    for each in late_bench.film(raw):
        late_bench.masker.handle(each)
        late_bench.masking.lateness.wake()
        lane.turn()
    assert (late_bench.shown(), lanes_open()) == ([], 0)
    assert late_bench.last_status().code == "masked"


def test_it_closes_once_the_road_has_caught_up(
    late_bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    late_bench.configure(gate)
    raw = make_raw(noise(60, 160, 96))
    lane = late_bench.lane()
    waiting = freeze(late_bench, raw[:2], raw[2:4])
    turn(lane)
    assert (lanes_open(), len(late_bench.shown())) == (1, 1)
    late_bench.listen(1)
    said = late_bench.last_status(), late_bench.last_service_status()
    assert [each.code for each in said] == ["catching_up"] * 2
    assert said[1].counters["lanes"] == 1
    for each in waiting:
        late_bench.masker.handle(each)
    late_bench.masking.lateness.wake()
    turn(lane, 1)
    assert lanes_open() == 0
    for each in late_bench.film(raw[4:]):
        late_bench.masker.handle(each)
        late_bench.masking.lateness.wake()
        lane.turn()
    assert len(late_bench.shown()) == 1
    late_bench.listen(6)
    assert (late_bench.last_status().code, late_bench.last_service_status().code) == ("masked", "running")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"masking": None}, "no_mask_decision"),
        ({"enabled": False}, "switched_off"),
        ({"source_version": 2}, "other_source"),
        ({"drawn_on": None, "aspect": 4.0}, "other_shape"),
        (None, "unknown_camera"),
        (b"{", "unreadable_configuration"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_without_a_decision_that_fits_nothing_passes_the_lane(
    late_bench: Bench, gate: Camera, raw: list[FrameBatch], changes: dict[str, Any] | bytes | None, outcome: str
) -> None:
    late_bench.configure(gate)
    freeze(late_bench, raw[:2], raw[2:])
    if isinstance(changes, dict) and "aspect" in changes:
        assert gate.masking is not None
        changes = {"masking": gate.masking.model_copy(update=changes | {"version": 4})}
    changed = gate.model_copy(update=changes) if isinstance(changes, dict) else changes
    late_bench.configure(changed)
    before = metrics.LANE_PICTURES.labels(camera="gate", outcome=outcome)._value.get()
    turn(late_bench.lane())
    assert late_bench.shown() == []
    assert metrics.LANE_PICTURES.labels(camera="gate", outcome=outcome)._value.get() == before + 1


@pytest.mark.parametrize("on_lane", [(160, 120), (168, 96)], ids=["taller", "a little wider"])
def test_masks_that_were_drawn_on_no_picture_fit_those_that_the_road_applied_them_to(
    late_bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise, on_lane: tuple[int, int]
) -> None:
    assert gate.masking is not None
    late_bench.configure(
        gate.model_copy(update={"masking": gate.masking.model_copy(update={"drawn_on": None, "aspect": None})})
    )
    same, other = make_raw(noise(20, 160, 96)), make_raw(noise(20, *on_lane), epoch=2)
    freeze(late_bench, same[:2], other)
    lane = late_bench.lane()
    turn(lane)
    assert late_bench.shown() == []
    late_bench.clock.advance(1)
    late_bench.film(make_raw(noise(20, 160, 96), epoch=3))
    turn(lane)
    assert [each.epoch for each in late_bench.shown()] == [3]


def test_masks_that_were_drawn_on_no_picture_are_bound_by_the_road_alone(
    late_bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    """Bound to the newest picture, they would fit none of those that still wait to be masked."""
    assert gate.masking is not None
    late_bench.configure(
        gate.model_copy(update={"masking": gate.masking.model_copy(update={"drawn_on": None, "aspect": None})})
    )
    same, other = make_raw(noise(20, 160, 96)), make_raw(noise(20, 160, 120), epoch=2)
    waiting = late_bench.film(same)
    late_bench.clock.advance(FROZEN_S)
    hear(late_bench)
    late_bench.masking.lateness.note(waiting[0])
    late_bench.film(other)
    lane = late_bench.lane()
    turn(lane)
    assert late_bench.shown() == []
    for each in waiting:
        late_bench.masker.handle(each)
    late_bench.listen(11)  # what the decoder holds back comes too
    assert [each.sequence for each in late_bench.masked()] == [each.sequence for each in same]
    hear(late_bench)
    late_bench.masking.lateness.note(waiting[0])
    late_bench.film(make_raw(noise(20, 160, 96), epoch=3))
    turn(lane)
    assert [each.epoch for each in late_bench.shown()] == [3]


def test_while_masks_may_have_changed_unheard_nothing_passes_the_lane(
    late_bench: Bench, gate: Camera, raw: list[FrameBatch]
) -> None:
    late_bench.configure(gate)
    freeze(late_bench, raw[:2], [])
    late_bench.broker.denied.add(CAMERAS.name)
    for _ in range(int(MAX_AGE_S) + 2):  # the road goes on being told of, as nothing else keeps the lane open
        late_bench.clock.advance(1)
        late_bench.masking.lateness.note(late_bench.broker.records(FRAMES_RAW)[0])
    late_bench.film(raw[2:])
    turn(late_bench.lane())
    assert late_bench.decisions.are_stale
    assert late_bench.shown() == []


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda each: replace(each, mask_version=1).encode(),
        lambda each: replace(each, camera="yard").encode(),
        lambda each: each.encode()[: each.size_bytes // 2],
        lambda each: padded(each, FRAMES_RAW.max_record_bytes).encode(),
        lambda each: replace(each, units=(replace(each.units[0], data=b"\0\0\1\x65noise"),)).encode(),
        lambda _each: None,
    ],
    ids=["masked already", "of another", "cut short", "too large", "damaged", "tombstone"],
)
def test_what_the_road_refuses_the_lane_refuses(
    late_bench: Bench,
    gate: Camera,
    make_raw: MakeRaw,
    noise: Noise,
    spoilt: Callable[[FrameBatch], bytes | None],
) -> None:
    late_bench.configure(gate)
    raw = make_raw(noise(40, 160, 96))
    freeze(late_bench, raw[:2], [])
    late_bench.broker.append(FRAMES_RAW.name, "gate", spoilt(raw[4]), 1, {})
    lane = late_bench.lane()
    turn(lane)
    assert late_bench.shown() == []
    late_bench.clock.advance(1)
    late_bench.film(raw[6:7])
    turn(lane)
    assert [each.sequence for each in late_bench.shown()] == [6]


def test_a_connection_that_is_over_does_not_come_back_by_the_lane(
    late_bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    late_bench.configure(gate)
    old, new = (make_raw(noise(40, 160, 96), epoch=epoch) for epoch in (1, 2))
    freeze(late_bench, old[:2], [])
    lane = late_bench.lane()
    for each in (new[0], old[2], new[2], old[4], new[2], new[4]):
        late_bench.film([each])
        late_bench.clock.advance(1)
        turn(lane, 3)
    assert [(each.epoch, each.sequence) for each in late_bench.shown()] == [(2, 0), (2, 2), (2, 4)]


@pytest.mark.parametrize(
    ("codec", "options"),
    [(Codec.H264, {"bf": "2", "preset": "veryfast"}), (Codec.HEVC, {}), (Codec.MJPEG, {})],
    ids=["reordered", "hevc", "jpeg"],
)
def test_a_key_picture_stands_alone_whatever_the_stream(
    late_bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise, codec: Codec, options: dict[str, str]
) -> None:
    late_bench.configure(gate)
    pixel_format = "yuvj420p" if codec is Codec.MJPEG else "yuv420p"
    raw = make_raw(noise(20, 160, 96, pixel_format=pixel_format), codec=codec, **options)
    freeze(late_bench, raw[:2], raw[2:])
    turn(late_bench.lane())
    assert [(len(each.units), each.codec) for each in late_bench.shown()] == [(1, Codec.H264)]


def test_a_camera_of_key_pictures_alone_is_shown_now_and_then(
    late_bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    late_bench.configure(gate)
    raw = make_raw(noise(40, 160, 96), gop=1, per_batch=1)
    freeze(late_bench, raw[:2], [])
    lane = late_bench.lane()
    for each in raw[2:32]:  # three seconds
        late_bench.film([each])
        late_bench.clock.advance(0.1)
        lane.turn()
    assert 3 <= len(late_bench.shown()) <= 4


def test_sub_streams_have_no_lane(late_bench: Bench, gate: Camera, raw: list[FrameBatch]) -> None:
    late_bench.configure(gate)
    freeze(late_bench, raw[:2], [replace(each, stream=Stream.SUB) for each in raw[2:]])
    turn(late_bench.lane())
    assert late_bench.shown() == []


def test_only_cameras_that_are_behind_take_the_lane(
    late_bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    late_bench.configure(gate)
    late_bench.configure(gate.model_copy(update={"id": "yard"}), "yard")
    raw, other = make_raw(noise(20, 160, 96)), make_raw(noise(20, 160, 96), camera="yard")
    freeze(late_bench, raw[:2], [*other, *raw[2:]])
    turn(late_bench.lane())
    assert {each.camera for each in late_bench.shown()} == {"gate"}


def test_what_somebody_else_has_now_is_left(late_bench: Bench, gate: Camera, raw: list[FrameBatch]) -> None:
    late_bench.configure(gate)
    freeze(late_bench, raw[:2], [])
    lane = late_bench.lane()
    turn(lane, 2)
    late_bench.masking.lateness.hold([])
    late_bench.film(raw[2:])
    late_bench.masking.lateness.wake()
    turn(lane, 1)
    assert (late_bench.shown(), lanes_open()) == ([], 0)


def test_a_lane_that_is_late_itself_begins_anew_at_the_end(
    late_bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    late_bench.configure(gate)
    raw = make_raw(noise(60, 160, 96))
    freeze(late_bench, raw[:2], raw[2:4])
    lane = late_bench.lane()
    lane.turn()
    late_bench.clock.advance(1)
    late_bench.film(raw[4:6])
    late_bench.clock.advance(BEHIND_S + 1)
    late_bench.masking.lateness.note(late_bench.broker.records(FRAMES_RAW)[0])
    late_bench.film(raw[8:10])
    turn(lane)
    # Not at once: the end may be as late by a clock that was set, and nothing would keep it from turning for ever.
    assert (len(late_bench.shown()), lanes_open()) == (1, 0)
    late_bench.clock.advance(RETRY_S)
    turn(lane)
    assert [each.sequence for each in late_bench.shown()] == [2, 8]


def test_a_camera_that_nothing_more_is_heard_of_holds_no_lane_open(
    late_bench: Bench, gate: Camera, raw: list[FrameBatch]
) -> None:
    late_bench.configure(gate)
    freeze(late_bench, raw[:2], [])
    assert late_bench.masking.lateness.partitions() == {SOURCE}
    late_bench.clock.advance(11)
    assert late_bench.masking.lateness.partitions() == frozenset()


def test_groups_of_pictures_that_hold_offsets_back_are_not_late(
    late_bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    late_bench.configure(gate)
    for each in make_raw(noise(40, 160, 96), gop=1000):
        late_bench.clock.advance(5)
        late_bench.masker.handle(late_bench.film([each])[0])
    assert late_bench.masker.needed()[SOURCE] == 0
    assert late_bench.masking.lateness.partitions() == frozenset()


def test_a_picture_that_meets_a_bug_stops_neither_the_lane_nor_the_road(
    late_bench: Bench, gate: Camera, make_raw: MakeRaw, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    late_bench.configure(gate)
    late_bench.configure(gate.model_copy(update={"id": "yard"}), "yard")
    raw, other = make_raw(noise(60, 160, 96)), make_raw(noise(60, 160, 96), camera="yard")
    late_bench.masking.lateness.hold([SOURCE])
    freeze(late_bench, [raw[0]], [])
    late_bench.masking.lateness.note(replace(late_bench.broker.records(FRAMES_RAW)[0], key="yard"))
    real = stream.MaskedStream.mask

    def broken(self: stream.MaskedStream, batch: FrameBatch, *more: Any) -> Any:
        if batch.camera == "gate":
            raise ZeroDivisionError
        return real(self, batch, *more)

    lane = late_bench.lane()
    with monkeypatch.context() as patch:
        patch.setattr(stream.MaskedStream, "mask", broken)
        late_bench.film([raw[2], other[2]])
        turn(lane)
    assert [each.camera for each in late_bench.shown()] == ["yard"]
    late_bench.clock.advance(1)
    late_bench.film([raw[4]])
    turn(lane)
    assert [each.camera for each in late_bench.shown()] == ["yard"], "it is left out for a while"
    late_bench.clock.advance(LEFT_OUT_S)
    hear(late_bench)
    late_bench.masking.lateness.note(late_bench.broker.records(FRAMES_RAW)[0])
    late_bench.film([raw[6]])
    turn(lane)
    assert [each.camera for each in late_bench.shown()] == ["yard", "gate"]


class Noted(NoJournal):
    """Remembers on what was worked."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    @contextmanager
    def at_work(self, source: Partition, offset: int, key: str) -> Iterator[None]:
        self.keys.append(key)
        yield


def test_a_picture_that_ends_the_process_is_known_at_the_next_start(
    late_bench: Bench, gate: Camera, raw: list[FrameBatch]
) -> None:
    late_bench.configure(gate)
    late_bench.journal = noted = Noted()
    freeze(late_bench, raw[:2], raw[2:])
    turn(late_bench.lane())
    assert len(late_bench.shown()) == 1
    assert set(noted.keys) == {"gate"}


class Recalled(NoJournal):
    """The process before ended with a batch of a camera."""

    def __init__(self, camera: str, ending: Ending, at_ms: int) -> None:
        self.death = Death(*SOURCE, 0, camera, ending, at_ms)

    def deaths(self) -> tuple[Death, ...]:
        return (self.death,)


@pytest.mark.parametrize(
    ("camera", "ending", "shown"),
    [("gate", Ending.HUNG, 0), ("gate", Ending.CRASHED, 0), ("gate", Ending.KILLED, 1), ("other", Ending.CRASHED, 1)],
)
def test_a_camera_that_ended_the_process_before_has_no_lane(
    late_bench: Bench, gate: Camera, raw: list[FrameBatch], camera: str, ending: Ending, shown: int
) -> None:
    """With whichever record, and once: each start would bring another to the lane."""
    late_bench.configure(gate)
    late_bench.journal = Recalled(camera, ending, late_bench.clock.now_ns() // 1_000_000)
    freeze(late_bench, raw[:2], raw[2:])
    turn(late_bench.lane())
    assert len(late_bench.shown()) == shown


class BreakingBus(MemoryBus):
    """Whose readers are broken at first."""

    left = 2

    def partition_reader(self) -> Any:
        self.left -= 1
        if self.left >= 0:
            raise RuntimeError("librdkafka")
        return super().partition_reader()


def test_its_thread_begins_anew_after_any_error_and_ends_with_the_service(
    late_bench: Bench, gate: Camera, raw: list[FrameBatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beffroi_masker.lane.RETRY_S", 0.01)
    late_bench.configure(gate)
    with Lane(BreakingBus(late_bench.broker), late_bench.masking, NoJournal()) as lane:
        freeze(late_bench, raw[:2], raw[2:])
        for _ in range(1000):
            if late_bench.shown():
                break
            threading.Event().wait(0.01)
    assert [each.sequence for each in late_bench.shown()] == [2]
    assert not lane._thread.is_alive()
    assert lanes_open() == 0


class StuckBus(MemoryBus):
    """Whose readers break while they follow, and then cannot leave a partition either."""

    readers: list[Any]

    def partition_reader(self) -> Any:
        reader: Any = super().partition_reader()
        reader.closed = False

        def broken(*_: object) -> None:
            raise RuntimeError("librdkafka")

        def close() -> None:
            reader.closed = True

        reader.poll, reader.leave, reader.close = broken, broken, close
        self.readers.append(reader)
        return reader


def test_a_reader_that_broke_is_given_back(late_bench: Bench, gate: Camera, raw: list[FrameBatch]) -> None:
    bus = StuckBus(late_bench.broker)
    bus.readers = []
    late_bench.configure(gate)
    lane = Lane(bus, late_bench.masking, NoJournal())
    freeze(late_bench, raw[:2], raw[2:])
    for _ in range(3):
        with pytest.raises(RuntimeError):
            lane._turn_until_stopped()
    assert [each.closed for each in bus.readers] == [True] * 3, "each has threads and memory of its own"
    assert lanes_open() == 0


def test_no_more_cut_masks_are_kept_than_fit(
    late_bench: Bench, gate: Camera, raw: list[FrameBatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    size_bytes = 160 * 96 * key_pictures.RASTER_BYTES_PER_PIXEL
    monkeypatch.setattr(key_pictures, "RASTERS_BYTES", 2 * size_bytes)
    names = ["a", "b", "c", "d"]
    kept = key_pictures.KeyPictures(late_bench.masking)
    for offset, name in enumerate(names):
        late_bench.configure(gate.model_copy(update={"id": name}), name)
        batch = replace(raw[0], camera=name)
        record = Record(*SOURCE, offset, name, batch.encode(), 0)
        assert isinstance(kept.mask(batch, record), FrameBatch)
    assert list(kept._streams) == ["c", "d"]
    kept.forget(SOURCE)
    assert (list(kept._streams), kept._cameras) == ([], {})


def test_a_clock_that_is_ahead_of_the_brokers_makes_nobody_late(
    late_bench: Bench, gate: Camera, raw: list[FrameBatch]
) -> None:
    lateness = late_bench.masking.lateness
    of_broker = late_bench.clock.now() - timedelta(days=365)
    lateness._broker_clock.said(of_broker, late_bench.clock.monotonic_s())
    stamp_ms = round(of_broker.timestamp() * 1000)
    lateness.note(Record(*SOURCE, 0, gate.id, raw[0].encode(), stamp_ms - 1000))
    assert lateness.partitions() == frozenset()
    lateness.note(Record(*SOURCE, 1, gate.id, raw[1].encode(), stamp_ms - 6000))
    assert lateness.partitions() == {SOURCE}
