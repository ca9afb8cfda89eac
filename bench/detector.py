"""How well and at what cost the detector sees: `python -m bench.detector [--quick]`.

Over qualities of encoding and phases of sampling: who of the five loiterers of PETS 2009 S2.L1 is found, and who is
said to loiter wrongly, in each of two loops; and the CPU time of one analysed picture, by step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.integration.detector import vtest

from beffroi_common.contracts import Alert
from beffroi_common.media.encoding import Quality
from beffroi_detector.catalogue import model_folder
from beffroi_detector.vision.camera_stream import AnalysisRequest, CameraStream
from beffroi_detector.vision.decoding import PictureDecoder
from beffroi_detector.vision.detections import Detections
from beffroi_detector.vision.model import Detector, ModelOptions, Wanted
from beffroi_detector.vision.settings import VisionSettings
from beffroi_detector.vision.tracking import CameraTracker, Tracked, TrackOptions
from beffroi_rules.engine import advance
from beffroi_rules.fitting import plan_of
from beffroi_rules.registry import load
from beffroi_rules.state import CameraState

LOOPS = 2
DEFAULTS = {name: each.default for name, each in VisionSettings.model_fields.items()}
SITUATIONS = [(crf, offset_s) for crf in (23, 28) for offset_s in (0.0, 0.05, 0.1, 0.15)]


@dataclass
class Cost:
    """CPU time of one step."""

    spent_s: float = 0.0
    count: int = 0

    def add(self, began_s: float, count: int = 1) -> None:
        """Count work that began at `began_s` of process time."""
        self.spent_s += time.process_time() - began_s
        self.count += count

    @property
    def mean_ms(self) -> float:
        """Milliseconds for one."""
        return 1000 * self.spent_s / max(1, self.count)


@dataclass
class Costs:
    """CPU time by step."""

    detect: Cost = field(default_factory=Cost)
    track: Cost = field(default_factory=Cost)
    rule: Cost = field(default_factory=Cost)


@dataclass
class MeteredFinder:
    """The model, its time taken; it remembers what it saw, for the second loop."""

    detector: Detector
    cost: Cost
    known: dict[int, Detections] = field(default_factory=dict)

    def detect(self, wanted: Sequence[Wanted]) -> list[Detections]:
        """See `Detector.detect`."""
        fresh = [each for each in wanted if _number(each) not in self.known]
        began_s = time.process_time()
        found = self.detector.detect(fresh)
        self.cost.add(began_s, len(fresh))
        self.known.update(zip(map(_number, fresh), found, strict=True))
        return [self.known[_number(each)] for each in wanted]


@dataclass
class MeteredTracker:
    """The tracker, its time taken."""

    tracker: CameraTracker
    cost: Cost

    def follow(self, detections: Detections, time_ns: int) -> list[Tracked]:
        """See `Tracker.follow`."""
        began_s = time.process_time()
        tracked = self.tracker.follow(detections, time_ns)
        self.cost.add(began_s)
        return tracked


def _number(wanted: Wanted) -> int:
    assert wanted.picture.pts is not None
    return wanted.picture.pts % vtest.FRAMES


def alerts_of(detector: Detector, crf: int, offset_s: float, costs: Costs) -> list[Alert]:
    """Everything said over two loops."""
    tracker = CameraTracker(
        TrackOptions(DEFAULTS["confidence_high"], DEFAULTS["lost_track_s"], DEFAULTS["sample_period_s"])
    )
    stream = CameraStream(
        PictureDecoder(1_000_000),
        MeteredFinder(detector, costs.detect),
        MeteredTracker(tracker, costs.track),
        Quality("ultrafast", 26),
    )
    work = AnalysisRequest(plan_of(vtest.camera(), load()), annotate=False, period_s=DEFAULTS["sample_period_s"])
    state: CameraState | None = None
    said: list[Alert] = []
    for batch in vtest.batches(vtest.masked_units(crf, seed=round(offset_s * 100)), LOOPS, offset_s):
        for tracks in stream.take(batch, work).tracks:
            began_s = time.process_time()
            state, alerts = advance(state, tracks, work.plan)
            costs.rule.add(began_s)
            said.extend(alerts)
    return said


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.detector", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one situation instead of eight")
    parser.add_argument("--model", default=DEFAULTS["model"])
    parser.add_argument("--input", default=f"{DEFAULTS['input_width']}x{DEFAULTS['input_height']}")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.input.split("x"))
    folder = model_folder(arguments.model)
    options = ModelOptions(
        device="CPU",
        threads=1,
        parallel=1,
        input_wh=(width, height),
        max_batch=DEFAULTS["max_inference_batch"],
        confidence=DEFAULTS["confidence_low"],
        overlap=DEFAULTS["overlap"],
    )
    detector = Detector(folder, options)
    costs = Costs()
    for crf, offset_s in SITUATIONS[:1] if arguments.quick else SITUATIONS:
        verdicts = vtest.judge(alerts_of(detector, crf, offset_s, costs), LOOPS, offset_s)
        for loop, verdict in enumerate(verdicts):
            print(
                f"crf {crf}, phase {offset_s:.2f} s, loop {loop + 1}: {len(verdict.true)}/{len(vtest.ONSETS)} true "
                f"(late by {verdict.true} s), {len(verdict.false)} false {verdict.false or ''}",
                flush=True,
            )
    print(
        f"CPU for one analysed picture, {arguments.model} {width}×{height}: detect {costs.detect.mean_ms:.1f} ms, "
        f"track {costs.track.mean_ms:.1f} ms; rule {costs.rule.mean_ms:.2f} ms"
    )


if __name__ == "__main__":
    main()
