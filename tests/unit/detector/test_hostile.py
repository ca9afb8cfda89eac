"""No masked batch ends vision, and no tracks end the rules, whatever they say."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from tests.hostile import changed, one_by_one, streams, value_by_value, whole_camera
from tests.unit.detector.pictures import batch
from tests.unit.detector.test_rules_processor import Bench as RulesBench
from tests.unit.detector.test_vision import Bench as VisionBench
from tests.unit.rules.scenes import tracks

from beffroi_common.bus import InvalidRecord, Record
from beffroi_common.bus.dead_letters import DeadLetterLimit, Refusals
from beffroi_common.contracts import Camera, InvalidMessageError, Tracks
from beffroi_common.topics import TRACKS

FUZZ = settings(deadline=None, suppress_health_check=list(HealthCheck))


def test_no_masked_batch_ends_vision() -> None:
    bench = VisionBench()
    bench.configuration.viewers.add("cam")
    good = [batch(sequence, epoch=2**40) for sequence in range(3)]

    @FUZZ
    @given(payloads=streams(good))
    def hostile_batches(payloads: list[bytes]) -> None:
        give_all(payloads)

    def give_all(payloads: list[bytes]) -> None:
        for payload in payloads:
            with suppress(InvalidRecord):
                bench.give(payload)
            bench.vision.tick()
            list(bench.vision.settled())

    for payloads in one_by_one(good):
        give_all(payloads)
    hostile_batches()
    before = len(bench.tracks)
    for sequence in range(3):
        bench.give(batch(sequence, epoch=2**51))
    assert len(bench.tracks) > before


def test_no_tracks_end_the_rules() -> None:
    bench = RulesBench()
    unlimited = DeadLetterLimit(in_a_row=10**9, window=10**9)
    bench.processor.refusals = Refusals(bench.producer, "rules", [TRACKS], bench.broker.clock, unlimited)
    good = json.loads(tracks(5, {"a": (0.5, 0.5), "b": (0.2, 0.2)}).encode())
    remembered: list[str | None] = [None]
    offsets = count()

    @FUZZ
    @given(message=changed(good))
    def hostile_tracks(message: dict[str, Any]) -> None:
        process(message)

    def process(message: dict[str, Any]) -> None:
        value = json.dumps(message).encode()
        after = bench.processor.process(Record(TRACKS.name, 1, next(offsets), "cam", value, 0), remembered[0])
        remembered[0] = after or remembered[0]

    for message in value_by_value(good):
        process(message)
    hostile_tracks()
    assert not bench.processor.crashes._tries, "no error was unexpected"
    assert isinstance(Tracks.decode(json.dumps(good).encode()), Tracks)


def test_no_configuration_ends_vision_or_the_rules() -> None:
    vision, rules = VisionBench(), RulesBench()
    vision.configuration.viewers.add("cam")
    good, people = whole_camera("cam"), {"a": (0.5, 0.5), "b": (0.2, 0.2)}
    good["rules"][0]["parameters"].pop("schedule")
    numbers = count()

    def configure(message: dict[str, Any]) -> None:
        try:
            camera = Camera.decode(json.dumps(message).encode())
        except InvalidMessageError:
            return
        number = next(numbers)
        vision.configuration.cameras["cam"] = rules.configured["cam"] = camera
        vision.give(batch(0, pictures=1, epoch=number))
        seen = tracks(number / 5, people)
        before = remembered[0]
        remembered[0] = (
            rules.processor.process(Record(TRACKS.name, 1, number, "cam", seen.encode(), 0), before) or before
        )

    remembered: list[str | None] = [None]
    FUZZ(given(message=changed(good))(configure))()
    for message in value_by_value(good):
        configure(message)
    configure(good)
    assert len(vision.annotated) == next(numbers), "each picture was drawn on"
    assert not rules.processor.crashes._tries, "no error was unexpected"
