"""Pictures around a moment, read from the bus: exact, bounded, and of nobody else's camera."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.application import NS, SYSTEM, film

from beffroi_api.authz.scope import Scope
from beffroi_api.authz.territory import Territory
from beffroi_api.bus.frames import FrameReader
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.process.settings import MIB
from beffroi_api.settings import StillSettings
from beffroi_common.bus import Partition
from beffroi_common.contracts import Camera, CameraSource, FrameBatch, MaskDecision, MaskMode
from beffroi_common.topics import FRAMES_LIVE, FRAMES_MASKED
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
START_NS = int(START.timestamp()) * NS


def camera(mask: int, name: str = "gate", *, slot: int = 0) -> Camera:
    decision = MaskDecision(mode=MaskMode.OPEN, version=mask, decided_by="a", decided_at=START, reason="a wall")
    source = CameraSource(url="pattern:160x96@5")
    return Camera(id=name, name=name, commune="Lille", slot=slot, source=source, masking=decision, version=mask)


class Bench:
    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock(START)
        self.broker = MemoryBroker(slots=2, clock=self.clock)
        self.directory = CameraDirectory()
        self.directory.load([camera(1), camera(1, "yard")], {"gate": "Lille", "yard": "Lille"})
        self.frames = FrameReader(MemoryBus(self.broker), self.directory, StillSettings(**settings), self.clock)

    def play(self, *batches: FrameBatch, slot: int = 0) -> None:
        """A batch a second, each on the bus as soon as its second is over."""
        for batch in batches:
            self.clock.advance(1)
            self.broker.append(FRAMES_MASKED.name, batch.camera, batch.encode(), slot, {})

    def play_by_lane(self, batch: FrameBatch) -> None:
        alone = replace(batch, units=batch.units[:1])
        self.broker.append(FRAMES_LIVE.name, batch.camera, alone.encode(), 0, {})

    def sequences(self, at_s: float | None, scope: Scope = SYSTEM) -> list[int]:
        at_ns = None if at_s is None else START_NS + int(at_s * NS)
        return [batch.sequence for batch in self.frames.run_to(scope, "gate", at_ns)]


class BrokenReader:
    """Follows, and reads no more."""

    def __init__(self) -> None:
        self.is_closed = False

    def follow(self, _partition: Partition, _since_ms: int) -> None:
        pass

    def poll(self, _timeout_s: float) -> None:
        raise KafkaError("the reader is not authorised any more")

    def close(self) -> None:
        self.is_closed = True


class KafkaError(Exception):
    pass


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.play(*film(6, start_ns=START_NS, gop=10))  # every second batch begins with a key picture
    return made


@pytest.mark.parametrize(
    ("at_s", "expected"), [(3.0, [2, 3]), (2.0, [2]), (1.99, [0, 1]), (5.5, [4, 5]), (7.0, [4, 5]), (-0.1, [])]
)
def test_the_run_to_a_moment_begins_with_a_key_picture(bench: Bench, at_s: float, expected: list[int]) -> None:
    assert bench.sequences(at_s) == expected


def test_the_newest(bench: Bench) -> None:
    assert bench.sequences(None) == [4, 5]
    bench.clock.advance(5)
    assert bench.sequences(None) == [4, 5], "it paused for a moment"
    bench.clock.advance(60)
    assert bench.sequences(None) == [], "it shows nothing at present"


@pytest.mark.parametrize(
    "repeated",
    [slice(4, 6), slice(4, 5), slice(2, 4)],
    ids=["the last group", "only its beginning", "the group before"],
)
def test_a_repeat_is_passed_over(bench: Bench, repeated: slice) -> None:
    again = film(6, start_ns=START_NS, gop=10)
    for batch in again[repeated]:
        bench.broker.append(FRAMES_MASKED.name, "gate", batch.encode(), 0, {})
    assert bench.sequences(None) == bench.sequences(5.5) == [4, 5]


def test_the_rest_of_a_connection_that_is_over_is_passed_over() -> None:
    bench = Bench()
    old, new = film(6, start_ns=START_NS, epoch=1), film(6, start_ns=START_NS, epoch=2, gop=10)
    bench.play(*new[:1])
    for before, now in zip(old[3:], new[1:4], strict=True):
        bench.broker.append(FRAMES_MASKED.name, "gate", before.encode(), 0, {})
        bench.play(now)
    assert bench.sequences(None) == [2, 3]


def test_only_its_own_masked_main_stream(bench: Bench) -> None:
    other = film(1, camera="yard", start_ns=START_NS + 6 * NS, first_sequence=7)
    raw = film(1, start_ns=START_NS + 6 * NS, first_sequence=8, mask_version=0)
    bench.play(*other, *raw)
    bench.broker.append(FRAMES_MASKED.name, "gate", b"nonsense", 0, {})
    assert bench.sequences(8.0) == [4, 5]


def test_nothing_older_than_the_decision_in_force(bench: Bench) -> None:
    bench.directory.changed("gate", 2, camera(2))
    assert bench.sequences(None) == bench.sequences(3.0) == []
    bench.play(*film(1, start_ns=START_NS + 6 * NS, first_sequence=6, mask_version=2))
    assert bench.sequences(None) == bench.sequences(6.5) == [6]


@pytest.mark.parametrize(("communes", "is_seen"), [({"Lille"}, True), ({"Hellemmes"}, False), (set(), False)])
def test_out_of_scope_there_is_nothing(bench: Bench, communes: set[str], is_seen: bool) -> None:
    scope = Scope("somebody", Territory(communes=frozenset(communes)))
    assert bool(bench.sequences(None, scope)) == is_seen


def test_a_moment_that_has_a_recording_is_not_looked_for(bench: Bench) -> None:
    bench.clock.advance(84)
    assert bench.sequences(1.0) == [0, 1]
    bench.clock.advance(2)
    assert bench.sequences(1.0) == []


def test_what_is_read_for_one_picture_is_bounded() -> None:
    """Rather no picture than one that is older than what lies behind the bound."""
    bench = Bench(read_bytes=MIB)
    bench.play(*film(1, start_ns=START_NS))
    assert bench.sequences(None) == [0]
    for _ in range(2):
        bench.broker.append(FRAMES_MASKED.name, "yard", bytes(MIB), 0, {})
    bench.play(*film(1, start_ns=START_NS + NS, first_sequence=1))
    assert bench.sequences(1.5) == []


def test_a_broker_that_is_away_has_no_pictures(bench: Bench) -> None:
    bench.broker.away = True
    assert bench.sequences(None) == []
    bench.broker.away = False
    assert bench.sequences(None) == [4, 5]


def test_the_slot_of_the_camera_is_read(bench: Bench) -> None:
    bench.directory.changed("gate", 2, camera(1, slot=1))
    assert bench.sequences(None) == []
    bench.play(*film(1, start_ns=START_NS + 6 * NS, first_sequence=6), slot=1)
    assert bench.sequences(None) == [6]


def test_it_goes_on_after_its_connection_was_closed(bench: Bench) -> None:
    bench.frames.close()
    assert bench.sequences(None) == [4, 5]


def test_while_pictures_come_late_the_newest_is_that_of_the_lane(bench: Bench) -> None:
    film_ = film(80, start_ns=START_NS, gop=5)
    bench.clock.advance(60)
    bench.play(film_[6])
    assert bench.sequences(None) == [6]
    bench.play_by_lane(film_[66])
    bench.play(*film_[7:9])
    assert bench.sequences(None) == [66]
    bench.play(film_[70])  # all is caught up, and what came by the lane is older
    assert bench.sequences(None) == [70]
    assert bench.sequences(8.5) == [8], "a moment is not the newest"


def test_nothing_older_than_the_decision_in_force_comes_by_the_lane(bench: Bench) -> None:
    bench.clock.advance(60)
    bench.directory.changed("gate", 2, camera(2))
    bench.play_by_lane(film(1, start_ns=START_NS + 66 * NS, first_sequence=66)[0])
    bench.play_by_lane(film(1, start_ns=START_NS + 67 * NS, first_sequence=67, mask_version=0)[0])
    assert bench.sequences(None) == []


def test_a_reader_that_broke_is_given_back_and_the_next_picture_read_by_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = BrokenReader()
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(MemoryBus, "partition_reader", lambda _bus: broken)
        with pytest.raises(KafkaError):
            bench.sequences(None)
    assert broken.is_closed
    assert bench.sequences(None)
