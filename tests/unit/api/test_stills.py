"""A still is never under an older mask than the decision in force when it is handed out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from tests.application import NS, SYSTEM, film

from beffroi_api.bus.frames import FrameReader
from beffroi_api.errors import NoPicture
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.live.stills import pictures
from beffroi_api.modules.live.stills.pictures import Still
from beffroi_api.modules.live.stills.service import Stills
from beffroi_api.modules.recordings.service import Recordings
from beffroi_api.modules.recordings.video.stores import Stores
from beffroi_api.settings import StillSettings
from beffroi_common.contracts import Camera, CameraSource, FrameBatch, MaskDecision, MaskMode
from beffroi_common.topics import FRAMES_MASKED
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus, MemoryStore

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = START + timedelta(seconds=1)
START_NS = int(START.timestamp()) * NS


def camera(mask: int) -> Camera:
    decision = MaskDecision(mode=MaskMode.OPEN, version=mask, decided_by="a", decided_at=START, reason="a wall")
    source = CameraSource(url="pattern:160x96@5")
    return Camera(id="gate", name="gate", commune="Lille", slot=0, source=source, masking=decision, version=mask)


class Bench:
    def __init__(self) -> None:
        self.directory = CameraDirectory()
        self.directory.load([camera(1)], {})
        clock = ManualClock(START + timedelta(seconds=2))
        self.broker = MemoryBroker(slots=1, clock=clock)
        # No recording covers any moment.
        recordings = SimpleNamespace(refuse_past_retention=lambda _: None, covering=lambda *_: None)
        self.stills = Stills(
            FrameReader(MemoryBus(self.broker), self.directory, StillSettings(), clock),
            self.directory,
            cast("Recordings", recordings),
            Stores([MemoryStore()]),
            StillSettings(),
            lambda _: "nothing came.",
        )

    def put(self, *batches: FrameBatch) -> None:
        for batch in batches:
            self.broker.append(FRAMES_MASKED.name, batch.camera, batch.encode(), 0, {})

    def decide(self) -> None:
        self.directory.changed("gate", 2, camera(2))


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.put(*film(2, start_ns=START_NS))
    return made


ASK: list[Callable[[Stills], Still]] = [
    lambda stills: stills.latest(SYSTEM, "gate"),
    lambda stills: stills.at(SYSTEM, "gate", LATER),
]


@pytest.mark.parametrize("ask", ASK, ids=["latest", "at"])
def test_a_decision_while_decoding(
    bench: Bench, ask: Callable[[Stills], Still], monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = pictures.from_batches

    def decode_slowly(batches: Sequence[FrameBatch], at_ns: int | None) -> Still:
        made = decode(batches, at_ns)
        bench.decide()
        return made

    monkeypatch.setattr(pictures, "from_batches", decode_slowly)
    with pytest.raises(NoPicture, match=r"^The masks of this camera were just changed: try again in a moment\.$"):
        ask(bench.stills)


def test_why_there_is_none(bench: Bench) -> None:
    bench.decide()
    with pytest.raises(NoPicture, match=r"^There is no picture at present: nothing came\.$"):
        bench.stills.latest(SYSTEM, "gate")
