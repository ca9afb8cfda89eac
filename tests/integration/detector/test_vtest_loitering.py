"""The detector judged on real pictures: who loiters in PETS 2009 S2.L1, against the human truth.

Model, tracker and rule as in production, without the bus; the second loop goes on where the first one ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.integration.detector import vtest
from tests.integration.detector.vtest import FPS, FRAMES, ONSETS, SIZE_WH, START, THRESHOLD_S, Verdict

from beffroi_common.contracts import Alert, AlertState, TrackedObject, Tracks
from beffroi_common.media.encoding import Quality
from beffroi_detector.catalogue import DEFAULT_MODEL, model_folder
from beffroi_detector.manifest import read_manifest
from beffroi_detector.vision.camera_stream import AnalysisRequest, CameraStream
from beffroi_detector.vision.decoding import PictureDecoder
from beffroi_detector.vision.detections import Detections
from beffroi_detector.vision.model import Detector, ModelOptions, Wanted
from beffroi_detector.vision.settings import VisionSettings
from beffroi_detector.vision.tracking import CameraTracker, TrackOptions
from beffroi_rules.engine import advance
from beffroi_rules.fitting import plan_of
from beffroi_rules.registry import load
from beffroi_rules.state import CameraState

IDENTITIES = [
    "ef5480ebf5d74b6f37fd385cc6ab656b",
    "4dcc9ded95d606b7967e799ed4b475ea",
    "a2ed384dcbaf89c31013f542023f3b46",
    "2f2af6a41c9bc3d45ddfb656596cf91b",
    "7a5a80111b92d7d0b4b226007230c2ce",
]
"""Of the alerts on every second human box: a replay after an upgrade must not raise them under other names."""

LOOPS = 2
PERIOD_S = 0.2
DEFAULTS = {name: each.default for name, each in VisionSettings.model_fields.items()}

pytestmark = pytest.mark.skipif(
    not (vtest.CLIP.exists() and vtest.TRUTH.exists()), reason=f"the shared footage is not here ({vtest.CLIP})"
)


class RememberingFinder:
    """The model, asked once for each picture of the clip: the second loop shows the same ones."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._known: dict[int, Detections] = {}

    def detect(self, wanted: Sequence[Wanted]) -> list[Detections]:
        """See `Detector.detect`."""
        fresh = [each for each in wanted if self._number(each) not in self._known]
        self._known.update(zip(map(self._number, fresh), self._detector.detect(fresh), strict=True))
        return [self._known[self._number(each)] for each in wanted]

    @staticmethod
    def _number(wanted: Wanted) -> int:
        assert wanted.picture.pts is not None
        return wanted.picture.pts % FRAMES


def detector() -> Detector:
    folder = model_folder(DEFAULT_MODEL)
    assert read_manifest(folder).name == "yolo26n"
    return Detector(
        folder,
        ModelOptions(
            device="CPU",
            threads=1,
            parallel=1,
            input_wh=(DEFAULTS["input_width"], DEFAULTS["input_height"]),
            max_batch=DEFAULTS["max_inference_batch"],
            confidence=DEFAULTS["confidence_low"],
            overlap=DEFAULTS["overlap"],
        ),
    )


def alerts_of(model: Detector, crf: int, offset_s: float, seed: int = 0) -> list[Alert]:
    """Everything said over two loops of the clip, with the first picture captured `offset_s` after a full second."""
    units = vtest.masked_units(crf, seed)
    tracker = CameraTracker(TrackOptions(DEFAULTS["confidence_high"], DEFAULTS["lost_track_s"], PERIOD_S))
    stream = CameraStream(PictureDecoder(1_000_000), RememberingFinder(model), tracker, Quality("ultrafast", 26))
    work = AnalysisRequest(plan_of(vtest.camera(), load()), annotate=False, period_s=PERIOD_S)
    state: CameraState | None = None
    said: list[Alert] = []
    for batch in vtest.batches(units, LOOPS, offset_s):
        for tracks in stream.take(batch, work).tracks:
            state, alerts = advance(state, tracks, work.plan)
            said.extend(alerts)
    return said


def check(verdict: Verdict) -> None:
    assert len(verdict.true) >= 4, f"found {verdict.true}, wrong {verdict.false}"
    assert len(verdict.false) <= 1, f"found {verdict.true}, wrong {verdict.false}"


def test_at_least_four_of_five_are_found_and_at_most_one_is_wrong_in_each_of_two_loops() -> None:
    """`python -m bench.detector` does the same over other qualities and other phases of sampling."""
    for verdict in vtest.judge(alerts_of(detector(), crf=25, offset_s=0.07), LOOPS, offset_s=0.07):
        check(verdict)


@pytest.mark.parametrize("step", [1, 2])
def test_human_boxes_give_exactly_the_five(step: int) -> None:
    truth = vtest.truth_objects()
    plan = plan_of(vtest.camera(), load())
    state: CameraState | None = None
    said: list[Alert] = []
    for number in range(0, FRAMES, step):
        message = Tracks(
            camera="vtest",
            epoch=1,
            sequence=number,
            capture_time=START + timedelta(seconds=number / FPS),
            width=SIZE_WH[0],
            height=SIZE_WH[1],
            objects=tuple(
                TrackedObject(track=f"p{identity}", label="person", box=box, confidence=1.0)
                for identity, box in truth[number].items()
            ),
        )
        state, alerts = advance(state, message, plan)
        said.extend(alerts)
    (verdict,) = vtest.judge(said, 1)
    assert set(verdict.true) == set(ONSETS)
    assert not verdict.false
    opened = [alert for alert in said if alert.state is AlertState.OPENED]
    assert all((alert.occurred_at - alert.onset).total_seconds() >= THRESHOLD_S for alert in opened)
    if step == 2:
        assert [alert.id for alert in opened] == IDENTITIES
