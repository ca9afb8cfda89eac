"""What the masker still needs while a broker is away, a camera is idle, or a backlog is worked off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from av import VideoFrame
from tests.unit.masker.bench import Bench, record

from beffroi_common.contracts import Camera, FrameBatch
from beffroi_common.topics import FRAMES_RAW

MakeRaw = Callable[..., list[FrameBatch]]
Noise = Callable[..., list[VideoFrame]]


def test_while_the_broker_is_away_nothing_is_lost_or_doubled(
    bench: Bench,
    gate: Camera,
    raw: list[FrameBatch],
) -> None:
    bench.configure(gate)
    bench.masker.handle(record(raw[0], 10))
    bench.broker.away = True
    bench.masker.handle(record(raw[1], 11))
    bench.masker.handle(record(raw[2], 12))
    assert bench.masker.needed() == {(FRAMES_RAW.name, 1): 10}
    assert [batch.sequence for batch in bench.masked()] == [0]
    bench.broker.away = False
    bench.listen(1)
    assert [batch.sequence for batch in bench.masked()] == [0, 1, 2]


def test_an_idle_camera_holds_no_offset(
    bench: Bench,
    gate: Camera,
    make_raw: MakeRaw,
    noise: Noise,
) -> None:
    bench.configure(gate)
    raw = make_raw(noise(10, 160, 96), bf="2", preset="veryfast")
    bench.feed(raw)
    assert len(bench.masked()) < len(raw)
    bench.listen(11)
    assert bench.masker.needed() == {}
    assert [batch.sequence for batch in bench.masked()] == [batch.sequence for batch in raw]


def test_a_camera_whose_batches_wait_behind_a_backlog_of_others_goes_on_where_it_was(
    bench: Bench,
    gate: Camera,
    make_raw: MakeRaw,
    noise: Noise,
) -> None:
    bench.configure(gate)
    bench.configure(gate.model_copy(update={"id": "yard"}), "yard")
    raw = make_raw(noise(40, 160, 96), gop=20, bf="2", preset="veryfast")  # its decoder holds pictures back
    backlog = make_raw(noise(80, 160, 96), camera="yard")
    bench.clock.advance(
        (raw[0].units[0].capture_time_ns - bench.clock.now_ns()) / 1e9 + 60
    )  # all of it is a minute old
    bench.feed(raw[:2])
    bench.masker.unread([(FRAMES_RAW.name, number) for number in range(2)])  # as the loop tells
    for offset, batch in enumerate(backlog):
        bench.clock.advance(1)
        bench.masker.handle(replace(record(batch, offset), partition=0))
        bench.masker.tick()
    bench.masker.unread([])
    bench.feed(raw[2:], 2)
    bench.listen(11)
    assert [batch.sequence for batch in bench.masked() if batch.camera == "gate"] == [batch.sequence for batch in raw]


def test_a_masker_that_cannot_send_takes_no_camera_for_idle(
    bench: Bench,
    gate: Camera,
    make_raw: MakeRaw,
    noise: Noise,
) -> None:
    bench.configure(gate)
    bench.configure(gate.model_copy(update={"id": "park"}), "park")
    raw = make_raw(noise(40, 160, 96), gop=40, bf="2", preset="veryfast")  # its decoder holds pictures back
    park = [replace(batch, camera="park") for batch in raw]
    bench.feed(raw[:3])
    bench.feed(park[:3], 10)  # nothing of it waits to be sent
    bench.broker.away = True
    bench.feed(raw[3:4], 3)
    bench.listen(12)  # longer than it takes a camera to be idle
    bench.broker.away = False
    bench.feed(raw[4:], 4)
    bench.feed(park[3:], 13)
    bench.listen(17)  # at the latest after five seconds what waited is sent
    for camera in ("gate", "park"):
        assert [each.sequence for each in bench.masked() if each.camera == camera] == [each.sequence for each in raw]


def test_a_camera_that_was_only_cut_off_goes_on_in_the_middle_of_a_group_of_pictures(
    bench: Bench,
    gate: Camera,
    make_raw: MakeRaw,
    noise: Noise,
) -> None:
    bench.configure(gate)
    raw = make_raw(noise(20, 160, 96), gop=20)
    bench.feed(raw[:2])
    bench.listen(60)
    assert bench.masker.needed() == {}
    bench.feed(raw[2:], 2)
    assert bench.masker.needed() == {(FRAMES_RAW.name, 1): 0}
    assert [batch.sequence for batch in bench.masked()] == [batch.sequence for batch in raw]


def test_partitions_that_went_to_another_hold_nothing(bench: Bench, gate: Camera, raw: list[FrameBatch]) -> None:
    bench.configure(gate)
    bench.masker.handle(record(raw[0], 0))
    bench.masker.revoked([(FRAMES_RAW.name, 1)])
    assert bench.masker.needed() == {}
