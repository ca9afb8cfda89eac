"""`make demo-check`: the demo without a person, two loops of the clip looked at through the api and in the store."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from av.video.frame import VideoFrame

from beffroi_common.contracts import Codec
from beffroi_common.media.decoding import Decoder

from . import facts, scene, truth
from .cameras import Loop
from .client import ApiClient
from .demo import LOOK_PERIOD_S, Demo, announce_firsts, explain_and_exit, running_demo, say
from .facts import Figures, LoopFigures
from .leaks import MaskedArea, leaking_pixels
from .live import LiveFigures, LiveViewer
from .loops import SEARCH_S, LoopNotFoundError, first_picture, loop_start
from .mask_change import change_mask
from .paths import REPOSITORY
from .process import PartFailedError
from .programs import VTEST
from .settings import StackSettings
from .stored import StoredFigures, StoredWronglyError, read_back

LOOPS = 2
"""Consecutive loops of the clip that are looked at."""

TRUTH_FILE = REPOSITORY.parent / "shared" / "truth" / "vtest_mot15.txt"
"""Where truth is looked for unless BEFFROI_TRUTH names a file."""

START_TIMEOUT_S = 180.0
"""Until the first masked picture: connection, model and first key frame."""

ANNOTATED_S = 10.0
"""How long annotated pictures are looked at; they cost the detector something while somebody watches."""

ANNOTATED_LATE_S = 30.0
"""And how much longer where none came yet: on a busy machine the detector lags behind."""

LATE_ALERTS_S = 5.0
"""Alerts of the last pictures of a loop may come after it."""

SEGMENT_TIMEOUT_S = 100.0
"""A segment is closed and stored by the first key frame after its minute."""

STILL_TOLERANCE = 20
"""JPEG is coarser than the video it was made from."""

ANNOTATED_EDGE_PIXELS = 40.0
"""Labels of boxes near the mask are drawn into its edge: they show nothing of what is below."""


@dataclass
class Seen:
    """What the api showed during the loops."""

    first_look: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Each alert as it was when first seen."""
    stills: int = 0
    leaking_pixels: int = 0


class Check:
    """One check of a running demo."""

    def __init__(self, demo: Demo, api: ApiClient, truth_file: Path) -> None:
        self._demo = demo
        self._truth_file = truth_file
        self._api = api
        clip = demo.clip
        self._area = MaskedArea.of(demo.scene.mask, clip.width, clip.height)
        self._inner = MaskedArea.of(demo.scene.mask, clip.width, clip.height, ANNOTATED_EDGE_PIXELS)
        self._firsts = announce_firsts(demo.stack, api)
        self._seen = Seen()

    def run(self) -> Figures:
        """Look, and return what was measured."""
        self._await(lambda: self._api.still(scene.STREET) is not None, START_TIMEOUT_S, "the first masked picture")
        first = len(self._loops())
        say(f"waiting for the clip to start over (it lasts {self._demo.clip.duration_s:.0f} s)")
        self._await_loop(first)
        viewer = LiveViewer(self._api, scene.STREET, "masked", self._look)
        viewer.start()
        say("looking at the first of two loops")
        annotated = self._watch_annotated()
        for number in range(1, LOOPS + 1):
            self._await_loop(first + number)
            say(f"loop {number} of {LOOPS} is over: {len(self._seen.first_look)} alerts so far")
        self._look_for(LATE_ALERTS_S)
        live = viewer.stop()
        if live.error:
            say(f"the live view ended by itself: {live.error}")
        loops = self._loops()[first : first + LOOPS + 1]
        stored, segments = self._read_back(loops)
        say("changing the mask, as somebody in the console would")
        change = change_mask(self._demo, self._api)
        self._seen.leaking_pixels += sum(each.leaking_pixels for each in (live, annotated, stored, change))
        return Figures(
            live_p95_s=truth.percentile(live.ages_s, 0.95) if live.ages_s else None,
            alert_p95_s=self._alert_p95_s(),
            mask_s=change.in_force_s,
            alerts=len(self._seen.first_look),
            loops=self._judge(loops),
            people=self._demo.scene.has_people,
            segments=segments,
            leaking_pixels=self._seen.leaking_pixels,
            annotated_pictures=annotated.pictures,
            stills=self._seen.stills,
            frames_in=loops[1].sent_before - loops[0].sent_before,
            frames_out=self._pictures_of_one_loop(stored, loops),
        )

    def _look(self, picture: VideoFrame) -> int:
        return leaking_pixels(picture, self._area)

    def _loops(self) -> list[Loop]:
        return self._demo.stack.parts.cameras.loops(VTEST)

    def _await_loop(self, number: int) -> None:
        timeout_s = self._demo.clip.duration_s + START_TIMEOUT_S
        self._await(lambda: len(self._loops()) > number, timeout_s, "the clip to start over")

    def _await(self, ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not ready():
            if time.monotonic() > deadline_s:
                raise PartFailedError(
                    f"waited {timeout_s:.0f} s in vain for {what}: see {self._demo.stack.parts.folder}"
                )
            self._look_once()
            time.sleep(LOOK_PERIOD_S)

    def _look_for(self, duration_s: float) -> None:
        end_s = time.monotonic() + duration_s
        self._await(lambda: time.monotonic() > end_s, duration_s + START_TIMEOUT_S, "the time to pass")

    def _look_once(self) -> None:
        next(self._firsts)
        for alert in self._api.alerts(scene.STREET):
            if alert["id"] not in self._seen.first_look:
                self._seen.first_look[alert["id"]] = alert
                self._look_at_still()

    def _look_at_still(self) -> None:
        jpeg = self._api.still(scene.STREET)
        if jpeg is None:
            return
        for picture in Decoder(Codec.MJPEG).decode(jpeg):
            self._seen.stills += 1
            self._seen.leaking_pixels += leaking_pixels(picture, self._area, STILL_TOLERANCE)

    def _watch_annotated(self) -> LiveFigures:
        viewer = LiveViewer(self._api, scene.STREET, "annotated", lambda picture: leaking_pixels(picture, self._inner))
        viewer.start()
        self._look_for(ANNOTATED_S)
        if not viewer.figures.pictures:
            self._look_for(ANNOTATED_LATE_S)
        self._look_at_still()
        figures = viewer.stop()
        say(f"annotated pictures: {figures.pictures}")
        if not figures.pictures:
            say(f"instead the api said: {figures.error or figures.states or 'nothing'}")
        return figures

    def _read_back(self, loops: list[Loop]) -> tuple[StoredFigures, int]:
        start = datetime.fromtimestamp(loops[0].started_ns / 1e9, UTC) - timedelta(seconds=SEARCH_S)
        covered = datetime.fromtimestamp(loops[1].started_ns / 1e9 + SEARCH_S, UTC)
        say("waiting until the first loop is stored whole")

        def stored() -> list[dict[str, Any]]:
            return self._api.recordings(scene.STREET, start, datetime.now(UTC))

        def whole() -> bool:
            found = stored()
            enough = len(found) >= facts.MIN_SEGMENTS
            return enough and datetime.fromisoformat(found[-1]["ends_at"]) >= covered

        self._await(whole, SEGMENT_TIMEOUT_S, "the segments of the first loop")
        segments = stored()
        say(f"reading {len(segments)} segments back from the object store")
        return read_back(self._demo.stack.parts.store, segments, self._look), len(segments)

    def _pictures_of_one_loop(self, stored: StoredFigures, loops: list[Loop]) -> int:
        first = first_picture(self._demo.clip)
        start, end = (loop_start(stored.pictures, first, loop.started_ns / 1e9) for loop in loops[:2])
        return end - start

    def _alert_p95_s(self) -> float | None:
        delays = [
            (_time_s(alert["received_at"]) - _time_s(alert["opened_at"])) for alert in self._seen.first_look.values()
        ]
        return truth.percentile(delays, 0.95) if delays else None

    def _judge(self, loops: list[Loop]) -> tuple[LoopFigures, ...]:
        if not self._demo.scene.has_truth or not self._truth_file.exists():
            say("no truth for this clip on this machine: alerts are counted, not judged")
            return ()
        clip, fps = self._demo.clip, float(self._demo.clip.fps)
        tracks = truth.load_mot(self._truth_file.read_text(), clip.width, clip.height)
        stays = truth.stays(tracks, fps, clip.width / clip.height, scene.RADIUS_HEIGHT, scene.THRESHOLD_S)
        judged = []
        for loop, following in pairwise(loops):
            alerts = self._alerts_between(loop.started_ns / 1e9, following.started_ns / 1e9)
            verdict = truth.judge(alerts, stays, tracks, fps, scene.THRESHOLD_S)
            judged.append(LoopFigures(len(verdict.found), len(stays), len(verdict.unmatched)))
            say(
                f"persons {verdict.found} found, {verdict.missed} missed; alerts that are nobody's: {verdict.unmatched}"
            )
        return tuple(judged)

    def _alerts_between(self, start_s: float, end_s: float) -> list[truth.SeenAlert]:
        return [
            truth.SeenAlert(
                opened_s=_time_s(alert["opened_at"]) - start_s,
                box=tuple(alert["box"]),
            )
            for alert in self._seen.first_look.values()
            if start_s <= _time_s(alert["opened_at"]) < end_s
        ]


def _time_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _run() -> int:
    truth_file = StackSettings.load().truth or TRUTH_FILE
    with ExitStack() as closing:
        demo = closing.enter_context(running_demo("check"))
        api = closing.enter_context(demo.sign_in("operator"))
        try:
            figures = Check(demo, api, truth_file).run()
        except (LoopNotFoundError, StoredWronglyError) as error:
            print(f"missing: {error}", file=sys.stderr)
            return 1
    missing = figures.missing()
    for fact in missing:
        print(f"missing: {fact}", file=sys.stderr)
    print(figures.line(), flush=True)
    return 1 if missing else 0


if __name__ == "__main__":
    explain_and_exit(_run)
