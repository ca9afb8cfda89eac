"""Vision between the buses, with a broker in memory and a finder that needs no model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
import pytest
from tests.unit.detector.pictures import OnePerson, batch, decoded
from tests.unit.rules.scenes import REGISTRY, START, camera

from beffroi_common.bus import Record, StatusReporter, TableStaleError, run
from beffroi_common.bus.keyed import InlineExecutor, KeyedProcessor
from beffroi_common.contracts import Camera, CameraRule, CameraStatus, DeadLetter, FrameBatch, Level, Tracks
from beffroi_common.contracts.status import decode_status
from beffroi_common.contracts.tracks import MAX_OBJECTS
from beffroi_common.media.encoding import Quality
from beffroi_common.topics import FRAMES_ANNOTATED, FRAMES_MASKED, STATUS, TRACKS, dead_letter_topic
from beffroi_detector.vision.camera_stream import CameraStream
from beffroi_detector.vision.decoding import PictureDecoder
from beffroi_detector.vision.detections import Detections
from beffroi_detector.vision.model import Wanted
from beffroi_detector.vision.processor import Looking, Pace, vision_work
from beffroi_detector.vision.tracking import CameraTracker, TrackOptions
from beffroi_rules.fitting import Plan, plan_of
from beffroi_rules.registry import Registry
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus


@dataclass
class Fixed:
    """A configuration that a test sets."""

    cameras: dict[str, Camera] = field(default_factory=lambda: {"cam": camera()})
    viewers: set[str] = field(default_factory=set)
    classes: frozenset[str] = frozenset({"person", "car"})
    """What the model knows."""
    registry: Registry = REGISTRY
    is_stale: bool = False

    def plan(self, camera: str) -> Plan:
        if self.is_stale:
            raise TableStaleError("cameras.v1")
        return plan_of(self.cameras.get(camera), self.registry).with_classes(self.classes)

    def watched(self, camera: str) -> bool:
        return camera in self.viewers


class Bench:
    """Vision with everything around it in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock(START + timedelta(seconds=1))
        self.broker = MemoryBroker(clock=self.clock)
        self.configuration = Fixed()
        self.finder = OnePerson()
        self.quality = Quality("ultrafast", 26)
        """Of cameras that are new."""
        producer = MemoryBus(self.broker).producer()
        looking = Looking(
            configuration=self.configuration,
            status=StatusReporter(producer, "vision", "test", self.clock),
            clock=self.clock,
            new_stream=lambda: CameraStream(
                PictureDecoder(1_000_000),
                self.finder,
                CameraTracker(TrackOptions(0.4, 2.0, 0.2)),
                self.quality,
            ),
            pace=Pace(0.2, 2.0, 0.5, 10.0),
            max_rewind_batches=120,
        )
        self.vision = KeyedProcessor(
            vision_work(looking),
            producer,
            self.clock,
            InlineExecutor(),
            idle_s=10,
            queue_bytes=96 * 1024 * 1024,
            hang_s=60,
        )
        self._offset = 0

    def give(self, one: FrameBatch | bytes, key: str = "cam") -> None:
        value = one if isinstance(one, bytes) else one.encode()
        self.vision.handle(Record(FRAMES_MASKED.name, 0, self._offset, key, value, 0))
        self._offset += 1

    def listen(self, seconds: int) -> None:
        """Let time go by in turns of the loop that bring nothing."""
        for _ in range(seconds):
            self.clock.advance(1)
            self.vision.tick()

    @property
    def tracks(self) -> list[Tracks]:
        return [Tracks.decode(record.value or b"") for record in self.broker.records(TRACKS)]

    @property
    def annotated(self) -> list[FrameBatch]:
        return [FrameBatch.decode(record.value or b"") for record in self.broker.records(FRAMES_ANNOTATED)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_five_pictures_a_second_are_analysed(bench: Bench) -> None:
    for sequence in range(4):
        bench.give(batch(sequence))
    times = [each.capture_time for each in bench.tracks]
    assert times == [START + timedelta(seconds=0.2 * n) for n in range(10)]
    assert bench.tracks[-1].objects[0].label == "person"
    assert bench.tracks[-1].objects[0].box == pytest.approx((40 / 128, 20 / 96, 60 / 128, 70 / 96), abs=1e-4)
    assert len({each.objects[0].track for each in bench.tracks if each.objects}) == 1
    assert bench.annotated == []


def test_without_a_legal_basis_nothing_is_analysed_and_time_goes_on(bench: Bench) -> None:
    bench.configuration.cameras["cam"] = camera(days=0.6 / 86400)
    for sequence in range(4):
        bench.give(batch(sequence))
    assert bench.finder.asked == 3  # at 0, 0.2 and 0.4 s
    assert [len(each.objects) for each in bench.tracks if each.capture_time >= START + timedelta(seconds=0.6)] == [0, 0]


@pytest.mark.parametrize("configured", [None, camera(bases=False), camera(enabled=False, bases=False)])
def test_a_camera_nobody_allowed_is_never_looked_at(bench: Bench, configured: Camera | None) -> None:
    bench.configuration.cameras = {} if configured is None else {"cam": configured}
    bench.configuration.viewers.add("cam")
    bench.give(batch(0))
    assert bench.finder.asked == 0
    assert bench.tracks == []
    assert len(bench.annotated) == 1  # the picture with its zones, and nobody marked


def said(bench: Bench) -> CameraStatus:
    """What vision said last of the camera."""
    records = [record for record in bench.broker.records(STATUS) if record.key.startswith("camera/")]
    status = decode_status(records[-1].value or b"")
    assert isinstance(status, CameraStatus)
    return status


CAR_RULE = CameraRule(id="cars", rule="of_cars", geometry={"zone": "z"})
LOITERING = REGISTRY.rules["loitering"]
WITH_CARS = Registry.of([LOITERING, replace(LOITERING, name="of_cars", classes=frozenset({"car"}))])


def test_what_the_rules_need_is_looked_for_and_nothing_else(bench: Bench) -> None:
    bench.give(batch(0))
    assert bench.finder.classes == {"person"}
    bench.configuration.registry = WITH_CARS
    bench.configuration.cameras["cam"] = camera(more=(CAR_RULE,))
    bench.give(batch(1))
    assert bench.finder.classes == {"person", "car"}
    assert said(bench).code == "analysed"


def test_a_rule_whose_class_the_model_lacks_rests_alone_and_is_named(bench: Bench) -> None:
    bench.configuration.registry, bench.configuration.classes = WITH_CARS, frozenset({"person"})
    bench.configuration.cameras["cam"] = camera(more=(CAR_RULE,))
    bench.give(batch(0))
    assert bench.finder.classes == {"person"}
    assert said(bench).code == "rule_class_missing"
    assert "rule cars rests" in said(bench).message
    assert "no car" in said(bench).message
    assert said(bench).resting_rules == {"cars": "rule_class_missing"}


def test_without_a_rule_nothing_is_looked_for_whatever_the_basis_allows(bench: Bench) -> None:
    bench.configuration.cameras["cam"] = camera().model_copy(update={"rules": ()})
    bench.give(batch(0))
    assert bench.finder.asked == 0
    assert said(bench).code == "no_rule"


def test_repeats_are_dropped(bench: Bench) -> None:
    for sequence in (0, 1, 1, 0, 2):
        bench.give(batch(sequence))
    assert [each.sequence for each in bench.tracks] == [0, 0, 0, 1, 1, 2, 2, 2]


def test_a_lower_epoch_that_was_never_seen_is_no_repeat(bench: Bench) -> None:
    bench.give(replace(batch(0), epoch=9))
    bench.give(replace(batch(0), epoch=2))  # the clock of ingest was set back, or another instance has the camera now
    bench.give(replace(batch(0), epoch=9))
    epochs = [each.epoch for each in bench.tracks]
    assert set(epochs) == {9, 2}
    assert epochs == sorted(epochs, reverse=True), "what was seen of the higher epoch is a repeat all the same"


def test_boxes_are_drawn_while_somebody_watches(bench: Bench) -> None:
    bench.give(batch(0))
    bench.configuration.viewers.add("cam")
    bench.give(batch(1))
    bench.configuration.viewers.clear()
    bench.give(batch(2))
    (drawn,) = bench.annotated
    original = batch(1)
    assert (drawn.epoch, drawn.sequence, drawn.mask_version) == (1, 1, 1)
    assert [unit.capture_time_ns for unit in drawn.units] == [unit.capture_time_ns for unit in original.units]
    assert drawn.starts_with_key
    pictures = decoded(drawn.units)
    assert len(pictures) == 5
    assert all(picture.to_ndarray()[45, 40] > 190 for picture in pictures)  # the box's left edge, on every one


def test_a_camera_whose_boxes_cannot_be_encoded_is_analysed_on_and_no_other_is_disturbed(bench: Bench) -> None:
    bench.configuration.cameras["park"] = camera().model_copy(update={"id": "park"})
    bench.configuration.viewers |= {"cam", "park"}
    bench.quality = Quality("no_such_preset", 26)
    bench.give(batch(0))
    bench.quality = Quality("ultrafast", 26)
    bench.give(batch(0, camera="park"), "park")
    bench.give(batch(1))
    said = [decode_status(record.value or b"") for record in bench.broker.records(STATUS)]
    assert {(each.camera, each.code) for each in said if isinstance(each, CameraStatus)} == {
        ("cam", "annotation_failed"),
        ("park", "analysed"),
    }
    assert [each.camera for each in bench.annotated] == ["park"]
    assert [each.camera for each in bench.tracks].count("cam") == 5


def test_who_is_late_samples_less_and_draws_nothing(bench: Bench) -> None:
    bench.clock.advance(60)
    bench.configuration.viewers.add("cam")
    for sequence in range(4):
        bench.give(batch(sequence))
    assert len(bench.tracks) == 4
    assert bench.annotated == []


def test_what_cannot_be_sent_yet_is_kept_and_holds_its_offset_back(bench: Bench) -> None:
    bench.give(batch(0))
    bench.broker.away = True
    bench.give(batch(1))
    bench.give(batch(2))
    assert {each.sequence for each in bench.tracks} == {0}
    # A restart goes back behind what is not sent, to where the stream could have made it again.
    assert bench.vision.needed() == {(FRAMES_MASKED.name, 0): 0}
    bench.broker.away = False
    bench.listen(1)
    assert bench.vision.needed() == {(FRAMES_MASKED.name, 0): 2}
    assert [each.sequence for each in bench.tracks] == [0, 0, 0, 1, 1, 2, 2, 2]


def test_while_a_legal_basis_may_have_ended_unheard_nothing_is_analysed_and_nothing_is_lost(bench: Bench) -> None:
    bench.give(batch(0))
    bench.configuration.is_stale = True
    bench.give(batch(1))
    bench.give(batch(2))
    bench.listen(10)
    assert {each.sequence for each in bench.tracks} == {0}
    said = decode_status(bench.broker.records(STATUS)[-1].value or b"")
    assert (said.level, said.code) == (Level.ERROR, "stale_configuration")
    assert bench.vision.needed() == {(FRAMES_MASKED.name, 0): 0}
    bench.configuration.is_stale = False
    bench.listen(5)
    assert [each.sequence for each in bench.tracks] == [0, 0, 0, 1, 2], "late by now, it samples less"


def test_a_restart_begins_at_a_key_frame_and_an_idle_camera_holds_nothing_back(bench: Bench) -> None:
    bench.give(batch(0))
    middle = batch(1)
    without_key = replace(middle, units=tuple(replace(unit, key=False) for unit in middle.units))
    bench.give(without_key)
    assert bench.vision.needed() == {(FRAMES_MASKED.name, 0): 0}
    bench.listen(11)
    assert bench.vision.needed() == {}


REFUSED: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "raw": (lambda: batch(0, mask_version=0).encode(), "cam", "passed no masker"),
    "of another camera": (lambda: batch(0).encode(), "other", "names camera"),
    "cut short": (lambda: batch(0).encode()[:-100], "cam", "cut short"),
    "text": (lambda: b"hello", "cam", "FrameBatch"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_masked_batch_goes_to_the_dead_letters_without_pixels(bench: Bench, case: str) -> None:
    make, key, reason = REFUSED[case]
    bench.broker.append(FRAMES_MASKED.name, key, make(), 0, {})
    bench.broker.append(FRAMES_MASKED.name, "cam", batch(1).encode(), 0, {})
    stop = threading.Event()
    bus = MemoryBus(bench.broker)
    beats = iter(range(10_000))

    def beat() -> None:
        if bench.tracks or next(beats) > 1000:
            stop.set()

    run(
        bus,
        bench.vision,
        service="vision",
        topics=[FRAMES_MASKED],
        producer=bus.producer(),
        stop=stop,
        clock=bench.clock,
        beat=beat,
    )
    (letter,) = [
        DeadLetter.decode(record.value or b"") for record in bench.broker.records(dead_letter_topic(FRAMES_MASKED))
    ]
    assert reason in letter.reason
    assert letter.payload is None
    assert bench.tracks[0].sequence == 1


class Ghosts(OnePerson):
    """Sees more people than a message holds."""

    def detect(self, wanted: Sequence[Wanted]) -> list[Detections]:
        count = MAX_OBJECTS + 100
        left = np.array([(n % 30) * 4.0 for n in range(count)])
        top = np.array([(n // 30) * 4.0 for n in range(count)])
        xyxy = np.stack([left, top, left + 3, top + 3], axis=1).astype(np.float32)
        confidence = np.linspace(0.5, 0.9, count, dtype=np.float32)
        return [Detections(xyxy, confidence, ("person",) * count) for _ in wanted]


def test_of_more_people_than_a_message_holds_the_surest_are_followed(bench: Bench) -> None:
    bench.finder = Ghosts()
    for sequence in range(2):
        bench.give(batch(sequence))
    assert max(len(message.objects) for message in bench.tracks) == MAX_OBJECTS
    assert min(each.confidence for message in bench.tracks for each in message.objects) > 0.5 + 0.4 * 99 / 600
