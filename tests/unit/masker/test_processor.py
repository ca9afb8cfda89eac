"""The masker between buses in memory: what passes, what does not and why, and which offsets may be committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest
from av import VideoFrame

from beffroi_common.bus import InvalidRecord, Producer, Record, run
from beffroi_common.bus.keyed import Executor, InlineExecutor, KeyedProcessor, ThreadExecutor
from beffroi_common.bus.reporter import StatusReporter
from beffroi_common.contracts import Camera, CameraStatus, DeadLetter, FrameBatch, InvalidMessageError
from beffroi_common.contracts.status import decode_status
from beffroi_common.media.encoding import Quality
from beffroi_common.topics import CAMERAS, FRAMES_MASKED, FRAMES_RAW, MAX_FRAME_RECORD_BYTES, STATUS
from beffroi_masker.decisions import Decisions
from beffroi_masker.processor import Masking, masker_work
from beffroi_masker.stream import Limits
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

MakeRaw = Callable[..., list[FrameBatch]]
Noise = Callable[..., list[VideoFrame]]


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(slots=2)


@pytest.fixture
def clock(broker: MemoryBroker) -> ManualClock:
    assert isinstance(broker.clock, ManualClock)
    return broker.clock


@pytest.fixture
def decisions(broker: MemoryBroker) -> Iterator[Decisions]:
    decisions = Decisions(MemoryBus(broker))
    decisions.start()
    yield decisions
    decisions.close()


@pytest.fixture
def masker(
    broker: MemoryBroker, clock: ManualClock, decisions: Decisions, limits: Limits, quality: Quality
) -> KeyedProcessor:
    producer = MemoryBus(broker).producer()
    masking = Masking(decisions, StatusReporter(producer, "masker", "test", clock), clock, limits, quality)
    return new_masker(masking, producer, clock, InlineExecutor())


def new_masker(masking: Masking, producer: Producer, clock: ManualClock, executor: Executor) -> KeyedProcessor:
    return KeyedProcessor(
        masker_work(masking), producer, clock, executor, idle_s=10.0, queue_bytes=96 * 1024 * 1024, hang_s=60
    )


@pytest.fixture
def raw(make_raw: MakeRaw, noise: Noise) -> list[FrameBatch]:
    return make_raw(noise(20, 160, 96))


def configure(broker: MemoryBroker, decisions: Decisions, camera: Camera | bytes | None, key: str = "gate") -> None:
    value = camera.encode() if isinstance(camera, Camera) else camera
    source_version = camera.source_version if isinstance(camera, Camera) else 1
    before = decisions.of(key, source_version)
    broker.append(CAMERAS.name, key, value, 1, {})
    assert decisions.wait_caught_up(5)
    for _ in range(500):
        if decisions.of(key, source_version) != before:
            return
        threading.Event().wait(0.01)


def record(batch: FrameBatch, offset: int, key: str | None = None) -> Record:
    return Record(FRAMES_RAW.name, 1, offset, key or batch.camera, batch.encode(), 0)


def feed(masker: KeyedProcessor, batches: Iterable[FrameBatch], first: int = 0) -> None:
    """Hand batches over, at offsets that count from `first`."""
    for offset, batch in enumerate(batches, first):
        masker.handle(record(batch, offset))


def test_cameras_side_by_side_are_masked_as_each_alone(
    decisions: Decisions,
    broker: MemoryBroker,
    clock: ManualClock,
    gate: Camera,
    raw: list[FrameBatch],
    limits: Limits,
    quality: Quality,
) -> None:
    """Each with a mask of its own: what one worker makes ready is no other's."""
    names = [f"camera-{number}" for number in range(6)]
    for number, name in enumerate(names):
        left = 0.1 * number
        corners = ((left, 0.1), (left + 0.3, 0.1), (left + 0.3, 0.7), (left, 0.7))
        assert gate.masking is not None
        masking = gate.masking.model_copy(update={"polygons": (corners,), "version": number + 1})
        configure(broker, decisions, gate.model_copy(update={"id": name, "masking": masking}), name)
    made = []
    for executor in (InlineExecutor(), ThreadExecutor(4, "masker")):
        output = MemoryBroker(slots=2, clock=clock)
        producer = MemoryBus(output).producer()
        how = Masking(decisions, StatusReporter(producer, "masker", "test", clock), clock, limits, quality)
        with new_masker(how, producer, clock, executor) as masker:
            feed(masker, (replace(each, camera=name) for each in raw for name in names))
            finish(masker)
        made.append({name: [each for each in masked(output) if each.camera == name] for name in names})
    alone, side_by_side = made
    assert side_by_side == alone
    assert len({batches[0].units for batches in alone.values()}) == len(names)


def finish(masker: KeyedProcessor) -> None:
    """Wait until nothing waits any more."""
    for _ in range(3000):
        masker.tick()
        counters = masker.counters()
        if counters["waiting_batches"] == counters["unsent"] == 0:
            return
        threading.Event().wait(0.01)
    raise AssertionError("it does not end")


def listen(masker: KeyedProcessor, clock: ManualClock, seconds: int) -> None:
    """Let time go by in turns of the loop that bring nothing."""
    for _ in range(seconds):
        clock.advance(1)
        masker.tick()


def masked(broker: MemoryBroker) -> list[FrameBatch]:
    return [FrameBatch.decode(each.value or b"") for each in broker.records(FRAMES_MASKED)]


def last_status(broker: MemoryBroker, camera: str = "gate") -> CameraStatus:
    found = [decode_status(each.value or b"") for each in broker.records(STATUS)]
    return [each for each in found if isinstance(each, CameraStatus) and each.camera == camera][-1]


def test_every_raw_batch_becomes_a_masked_one_in_the_same_slot(
    masker: KeyedProcessor, broker: MemoryBroker, decisions: Decisions, gate: Camera, raw: list[FrameBatch]
) -> None:
    configure(broker, decisions, gate)
    feed(masker, raw)
    assert [batch.identity for batch in masked(broker)] == [batch.identity for batch in raw]
    assert {(each.partition, each.key) for each in broker.records(FRAMES_MASKED)} == {(1, "gate")}
    assert last_status(broker).code == "masked"


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        ("none", "unknown_camera"),
        ("undecided", "no_mask_decision"),
        ("unreadable", "unreadable_configuration"),
        ("crossing itself", "unreadable_configuration"),
        ("unknown field", "unreadable_configuration"),
    ],
)
def test_without_a_readable_decision_nothing_passes_and_it_is_said(
    masker: KeyedProcessor,
    broker: MemoryBroker,
    decisions: Decisions,
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
        "unreadable": b"{",
        "crossing itself": crossing,
        "unknown field": good[:-1] + b',"sound":true}',
    }
    if configuration in said:
        configure(broker, decisions, said[configuration])
    else:
        assert decisions.wait_caught_up(5)
    feed(masker, raw)
    status = last_status(broker)
    assert masked(broker) == []
    assert status.code == code
    assert masker.needed() == {}


def test_a_configuration_that_becomes_unreadable_stops_the_picture(
    masker: KeyedProcessor, broker: MemoryBroker, decisions: Decisions, gate: Camera, raw: list[FrameBatch]
) -> None:
    configure(broker, decisions, gate)
    masker.handle(record(raw[0], 0))
    configure(broker, decisions, b"{")
    masker.handle(record(raw[1], 1))
    assert len(masked(broker)) == 1
    assert last_status(broker).code == "unreadable_configuration"


def test_one_camera_in_trouble_stops_no_other(
    masker: KeyedProcessor, broker: MemoryBroker, decisions: Decisions, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    configure(broker, decisions, gate)
    good, unknown = (make_raw(noise(10, 160, 96), camera=camera) for camera in ("gate", "ghost"))
    for offset, (one, other) in enumerate(zip(good, unknown, strict=True)):
        masker.handle(record(other, 2 * offset))
        masker.handle(record(one, 2 * offset + 1))
    assert {batch.camera for batch in masked(broker)} == {"gate"}
    assert last_status(broker, "ghost").code == "unknown_camera"
    assert last_status(broker, "gate").code == "masked"


def test_frames_in_are_frames_out_and_dropped(
    masker: KeyedProcessor,
    broker: MemoryBroker,
    clock: ManualClock,
    decisions: Decisions,
    gate: Camera,
    raw: list[FrameBatch],
) -> None:
    configure(broker, decisions, gate)
    for offset, batch in enumerate([raw[1], raw[2], raw[2], raw[3]]):  # it starts in the middle, and one comes twice
        clock.advance(6)
        masker.handle(record(batch, offset))
    counted = last_status(broker).counters
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
    masker: KeyedProcessor, raw: list[FrameBatch], change: Callable[[bytes], bytes], words: str
) -> None:
    with pytest.raises(InvalidMessageError, match=words):
        masker.handle(Record(FRAMES_RAW.name, 1, 0, "gate", change(raw[0].encode()), 0))


def test_a_batch_under_another_key_is_refused(masker: KeyedProcessor, raw: list[FrameBatch]) -> None:
    with pytest.raises(InvalidRecord, match="names camera 'other'"):
        masker.handle(record(raw[0], 0, "other"))


def test_a_batch_that_is_masked_already_is_refused(masker: KeyedProcessor, raw: list[FrameBatch]) -> None:
    with pytest.raises(InvalidRecord, match="masked"):
        masker.handle(record(replace(raw[0], mask_version=1), 0))


def test_while_the_broker_is_away_nothing_is_lost_or_doubled(
    masker: KeyedProcessor,
    broker: MemoryBroker,
    clock: ManualClock,
    decisions: Decisions,
    gate: Camera,
    raw: list[FrameBatch],
) -> None:
    configure(broker, decisions, gate)
    masker.handle(record(raw[0], 10))
    broker.away = True
    masker.handle(record(raw[1], 11))
    masker.handle(record(raw[2], 12))
    assert masker.needed() == {(FRAMES_RAW.name, 1): 10}
    assert [batch.sequence for batch in masked(broker)] == [0]
    broker.away = False
    listen(masker, clock, 1)
    assert [batch.sequence for batch in masked(broker)] == [0, 1, 2]


def test_an_idle_camera_holds_no_offset(
    masker: KeyedProcessor,
    broker: MemoryBroker,
    clock: ManualClock,
    decisions: Decisions,
    gate: Camera,
    make_raw: MakeRaw,
    noise: Noise,
) -> None:
    configure(broker, decisions, gate)
    raw = make_raw(noise(10, 160, 96), bf="2", preset="veryfast")
    feed(masker, raw)
    assert len(masked(broker)) < len(raw)
    listen(masker, clock, 11)
    assert masker.needed() == {}
    assert [batch.sequence for batch in masked(broker)] == [batch.sequence for batch in raw]


def test_a_camera_whose_batches_wait_behind_a_backlog_of_others_goes_on_where_it_was(
    masker: KeyedProcessor,
    broker: MemoryBroker,
    clock: ManualClock,
    decisions: Decisions,
    gate: Camera,
    make_raw: MakeRaw,
    noise: Noise,
) -> None:
    configure(broker, decisions, gate)
    configure(broker, decisions, gate.model_copy(update={"id": "yard"}), "yard")
    raw = make_raw(noise(40, 160, 96), gop=20, bf="2", preset="veryfast")  # its decoder holds pictures back
    backlog = make_raw(noise(80, 160, 96), camera="yard")
    clock.advance((raw[0].units[0].capture_time_ns - clock.now_ns()) / 1e9 + 60)  # all of it is a minute old
    feed(masker, raw[:2])
    for offset, batch in enumerate(backlog):
        clock.advance(1)
        masker.handle(replace(record(batch, offset), partition=0))
        masker.tick()
    feed(masker, raw[2:], 2)
    listen(masker, clock, 11)
    assert [batch.sequence for batch in masked(broker) if batch.camera == "gate"] == [batch.sequence for batch in raw]


def test_a_masker_that_cannot_send_takes_no_camera_for_idle(
    masker: KeyedProcessor,
    broker: MemoryBroker,
    clock: ManualClock,
    decisions: Decisions,
    gate: Camera,
    make_raw: MakeRaw,
    noise: Noise,
) -> None:
    configure(broker, decisions, gate)
    raw = make_raw(noise(40, 160, 96), gop=40, bf="2", preset="veryfast")  # its decoder holds pictures back
    feed(masker, raw[:3])
    broker.away = True
    feed(masker, raw[3:4], 3)
    listen(masker, clock, 12)  # longer than it takes a camera to be idle
    broker.away = False
    feed(masker, raw[4:], 4)
    listen(masker, clock, 17)  # at the latest after five seconds what waited is sent
    assert [batch.sequence for batch in masked(broker)] == [batch.sequence for batch in raw]


def test_a_camera_that_was_only_cut_off_goes_on_in_the_middle_of_a_group_of_pictures(
    masker: KeyedProcessor,
    broker: MemoryBroker,
    clock: ManualClock,
    decisions: Decisions,
    gate: Camera,
    make_raw: MakeRaw,
    noise: Noise,
) -> None:
    configure(broker, decisions, gate)
    raw = make_raw(noise(20, 160, 96), gop=20)
    feed(masker, raw[:2])
    listen(masker, clock, 60)
    assert masker.needed() == {}
    feed(masker, raw[2:], 2)
    assert masker.needed() == {(FRAMES_RAW.name, 1): 0}
    assert [batch.sequence for batch in masked(broker)] == [batch.sequence for batch in raw]


def test_pictures_of_the_source_before_are_never_covered_by_a_decision_on_the_one_after(
    masker: KeyedProcessor, broker: MemoryBroker, decisions: Decisions, gate: Camera, raw: list[FrameBatch]
) -> None:
    configure(broker, decisions, gate.model_copy(update={"source_version": 2}))
    masker.handle(record(raw[0], 0))
    assert masked(broker) == []
    assert last_status(broker).code == "other_source"
    moved = [replace(batch, source_version=2, epoch=2) for batch in raw]
    feed(masker, moved, 1)
    assert [(each.epoch, each.sequence, each.source_version) for each in masked(broker)] == [
        (2, batch.sequence, 2) for batch in moved
    ]


def test_what_the_decoder_still_holds_of_the_source_before_does_not_pass_with_the_one_after(
    masker: KeyedProcessor, broker: MemoryBroker, decisions: Decisions, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    configure(broker, decisions, gate)
    before = make_raw(noise(10, 160, 96), bf="2", preset="veryfast")
    feed(masker, before)
    passed = len(masked(broker))
    assert passed < len(before)
    configure(broker, decisions, gate.model_copy(update={"source_version": 2}))
    after = [replace(batch, source_version=2) for batch in make_raw(noise(10, 160, 96), epoch=2)]
    feed(masker, after, len(before))
    assert [batch.epoch for batch in masked(broker)[passed:]] == [2] * len(after)


def test_a_picture_of_another_shape_than_the_masks_were_drawn_on_does_not_pass(
    masker: KeyedProcessor, broker: MemoryBroker, decisions: Decisions, gate: Camera, make_raw: MakeRaw, noise: Noise
) -> None:
    assert gate.masking is not None
    drawn = gate.masking.model_copy(update={"aspect": 160 / 96})
    configure(broker, decisions, gate.model_copy(update={"masking": drawn}))
    shapes = {1: (160, 96), 2: (320, 192), 3: (160, 120), 4: (176, 104)}  # as drawn, twice as large, 4:3, rounded to 8
    offset = 0
    for epoch, (width, height) in shapes.items():
        for batch in make_raw(noise(10, width, height), epoch=epoch):
            masker.handle(record(batch, offset))
            offset += 1
        assert last_status(broker).code == ("other_shape" if epoch == 3 else "masked")
    assert {batch.epoch for batch in masked(broker)} == {1, 2, 4}


def test_partitions_that_went_to_another_hold_nothing(
    masker: KeyedProcessor, broker: MemoryBroker, decisions: Decisions, gate: Camera, raw: list[FrameBatch]
) -> None:
    configure(broker, decisions, gate)
    masker.handle(record(raw[0], 0))
    masker.revoked([(FRAMES_RAW.name, 1)])
    assert masker.needed() == {}


def test_in_the_loop_bad_batches_become_dead_letters_without_pixels_and_the_rest_passes(
    masker: KeyedProcessor, broker: MemoryBroker, decisions: Decisions, gate: Camera, raw: list[FrameBatch]
) -> None:
    configure(broker, decisions, gate)
    payloads = [raw[0].encode(), raw[1].encode()[:-9], b"\0" * (MAX_FRAME_RECORD_BYTES + 1), raw[1].encode()]
    for payload in payloads:
        broker.append(FRAMES_RAW.name, "gate", payload, 1, {})
    stop, clock = threading.Event(), broker.clock

    def beat() -> None:
        if broker.committed("masker", (FRAMES_RAW.name, 1)) or len(masked(broker)) == 2:
            stop.set()

    run(
        MemoryBus(broker),
        masker,
        service="masker",
        topics=[FRAMES_RAW],
        producer=MemoryBus(broker).producer(),
        stop=stop,
        clock=clock,
        beat=beat,
    )
    letters = [DeadLetter.decode(each.value or b"") for each in broker.records(FRAMES_RAW.dead_letters)]
    assert [batch.sequence for batch in masked(broker)] == [0, 1]
    assert [letter.offset for letter in letters] == [1, 2]
    assert all(letter.payload is None for letter in letters)
    assert "more than the" in letters[1].reason
