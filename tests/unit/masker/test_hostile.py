"""No raw batch, whatever it says, ends the masker; the next good one is masked."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from tests.hostile import Feed, changed, value_by_value, whole_camera
from tests.unit.masker.bench import Bench
from tests.unit.masker.conftest import MakeRaw

from beffroi_common.bus.keyed import InlineExecutor
from beffroi_common.contracts import Camera, DrawnPicture, FrameBatch, InvalidMessageError
from beffroi_common.media.encoding import Quality
from beffroi_common.topics import FRAMES_RAW
from beffroi_masker.first_shapes import FirstShapes
from beffroi_masker.stream import Limits, MaskedStream, Outcome

EPOCH = 2**51
"""Of the good batches: no hostile one has it."""


def test_no_raw_batch_ends_the_masker(
    make_raw: MakeRaw, noise: Callable[..., Any], limits: Limits, quality: Quality, gate: Camera
) -> None:
    good = make_raw(noise(6, 64, 48), gop=3, per_batch=3, epoch=EPOCH)
    with Bench.running(limits, quality, InlineExecutor()) as bench:
        assert gate.masking is not None
        drawn = gate.masking.model_copy(update={"drawn_on": DrawnPicture(width=64, height=48)})
        bench.configure(gate.model_copy(update={"masking": drawn}))
        feed = Feed(bench.masker, FRAMES_RAW, lambda: bench.listen(15))
        feed.give_hostile(good)
        fresh = make_raw(noise(6, 64, 48), gop=3, per_batch=3, epoch=EPOCH)
        before = len(bench.masked())
        for batch in fresh:
            feed.give(batch.encode())
        assert len(bench.masked()) == before + len(fresh)


def test_no_decision_ends_the_masker(
    make_raw: MakeRaw, noise: Callable[..., Any], limits: Limits, quality: Quality
) -> None:
    (raw,) = make_raw(noise(1, 160, 96), per_batch=1)
    stream, epochs, good = MaskedStream(limits, quality, FirstShapes()), itertools.count(), whole_camera("gate")

    def mask_by(message: dict[str, Any]) -> list[Outcome]:
        with contextlib.suppress(InvalidMessageError):
            camera = Camera.decode(json.dumps(message).encode())
            if camera.masking is not None:
                return stream.mask(replace(raw, epoch=next(epochs)), 0, camera.masking)
        return []

    for message in value_by_value(good):
        mask_by(message)

    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    @given(message=changed(good))
    def hostile(message: dict[str, Any]) -> None:
        mask_by(message)

    hostile()
    (outcome,) = mask_by(good)
    assert isinstance(outcome.result, FrameBatch)
