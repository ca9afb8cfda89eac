"""What live shows while the masker catches up, with and without its lane.

A real broker, ingest and masker as processes, two cameras. The masker is frozen for fifty seconds and goes on; a live
view of one camera is looked at twice a second. Printed are, from the moment on at which it goes on: how long until the
view shows a picture younger than five seconds, the age of what it shows (median and most), and how long until all is
caught up. The reference is the same without the lane.

`python -m bench.catching_up`
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import statistics
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from tests.application import SYSTEM
from tests.integration.processes import SLOTS, Bus, Service, started

from beffroi_api.bus.live_intake import LiveIntake
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.live.schemas import View
from beffroi_api.modules.live.streaming.buffer import LiveBuffer
from beffroi_api.process.settings import LiveSettings
from beffroi_common.bus.admin import create_topics
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.contracts import Camera, CameraSource, MaskDecision, MaskMode
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_local.kafka import broker

CAMERAS = 2
SOURCE = "pattern:1280x720@20"
FROZEN_S = 50.0
MOST_S = 60.0
"""It is looked at for no longer."""
LOOK_S = 0.5
YOUNG_S = 5.0
CLOCK = SystemClock()


@dataclass
class Shown:
    """What a view showed since the masker went on."""

    ages_s: list[float]
    young_after_s: float
    caught_up_after_s: float

    def __str__(self) -> str:
        """One line."""
        return (
            f"young after {self.young_after_s:.1f} s, age {statistics.median(self.ages_s):.1f} s median and "
            f"{max(self.ages_s):.1f} s most, all caught up after {self.caught_up_after_s:.1f} s"
        )


def camera(number: int) -> Camera:
    """One without masks."""
    decision = MaskDecision(
        mode=MaskMode.OPEN, version=1, decided_by="a", decided_at=datetime.now(UTC), reason="b", aspect=1280 / 720
    )
    source = CameraSource(url=SOURCE)
    name = f"camera-{number}"
    return Camera(
        id=name, name=name, commune="Lille", slot=number % SLOTS, source=source, masking=decision, version=1
    )  # fmt: skip


async def look(buffer: LiveBuffer, masker: Service) -> Shown:
    """Freeze the masker, let it go on, and watch."""
    viewer = buffer.watch(SYSTEM, "camera-0", View.MASKED)
    held = None
    while held is None or held.batch.units[-1].age_s(CLOCK.now_ns()) > YOUNG_S / 2:
        held = await viewer.next(60)
    os.kill(masker.pid, signal.SIGSTOP)
    await asyncio.sleep(FROZEN_S)
    os.kill(masker.pid, signal.SIGCONT)
    began_s = time.monotonic()
    shown = Shown([], math.inf, math.inf)
    while (since_s := time.monotonic() - began_s) < MOST_S:
        until_s = time.monotonic() + LOOK_S
        while (left_s := until_s - time.monotonic()) > 0:
            held = await viewer.next(left_s) or held
        age_s = held.batch.units[-1].age_s(CLOCK.now_ns())
        shown.ages_s.append(age_s)
        if age_s < YOUNG_S:
            shown.young_after_s = min(shown.young_after_s, since_s)
            if not held.by_lane and age_s < YOUNG_S / 2:
                shown.caught_up_after_s = since_s
                return shown
    return shown


def measure(servers: str, folder: Path, lane_behind_s: float) -> Shown:
    """One run with processes of its own."""
    cameras = [camera(number) for number in range(CAMERAS)]
    bus = Bus(servers)
    for each in cameras:
        bus.configure(each)
    directory, stop = CameraDirectory(), threading.Event()
    directory.load(cameras, {})
    settings = LiveSettings()
    buffer = LiveBuffer(settings, directory, CLOCK)
    live = KafkaBus(KafkaSettings(bootstrap_servers=servers), "live", "bench")
    intake = LiveIntake(live, buffer, directory, settings, CLOCK, lambda: None)
    thread = threading.Thread(target=intake.run, args=(stop,))
    thread.start()
    masker = Service("masker", servers, folder / "masker", {"LANE_BEHIND_S": str(lane_behind_s)})
    try:
        with started(Service("ingest", servers, folder / "ingest")), started(masker):
            return asyncio.run(look(buffer, masker))
    finally:
        stop.set()
        thread.join()
        bus.forget_all()


def main() -> int:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with TemporaryDirectory() as folder:
        for name, lane_behind_s in (("without the lane", math.inf), ("with the lane", 5.0)):
            with broker(Path(folder) / name) as running:
                create_topics(KafkaSettings(bootstrap_servers=running.bootstrap_servers), slots=SLOTS)
                print(f"{name}: {measure(running.bootstrap_servers, Path(folder) / name, lane_behind_s)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
