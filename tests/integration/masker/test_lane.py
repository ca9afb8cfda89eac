"""A masker that stood still shows the newest pictures first, masked, and catches the others up in their order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import av
import numpy as np
from tests.integration.processes import TIMEOUT_S, Bus, Service

from beffroi_common.bus import Record
from beffroi_common.contracts import Camera, CameraSource, FrameBatch
from beffroi_common.topics import FRAMES_LIVE, FRAMES_MASKED, FRAMES_RAW
from beffroi_local.process import await_condition
from beffroi_masker.masking import FILL_LUMA


def sequences(records: list[Record]) -> dict[int, int]:
    """When the broker first got each batch, by its sequence number."""
    found = dict[int, int]()
    for record in records:
        found.setdefault(FrameBatch.decode(record.value or b"").sequence, record.timestamp_ms)
    return found


def luma(batch: FrameBatch) -> np.ndarray:
    decoder = av.VideoCodecContext.create("h264", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    (picture,) = [*decoder.decode(av.Packet(batch.units[0].data)), *decoder.decode(None)]
    return picture.to_ndarray(format="gray")


def test_after_it_stood_still_the_newest_key_picture_comes_before_the_backlog(
    bus: Bus, start_service: Callable[..., Service], masked_camera: Camera
) -> None:
    camera = masked_camera.model_copy(update={"source": CameraSource(url="pattern:1280x960@20")})
    bus.configure(camera)
    ingest = start_service("ingest")
    slow = {"PRESET": "medium", "WORKERS": "1"}  # so that there is something to catch up
    masker = start_service("masker", LANE_BEHIND_S="2", KAFKA__SESSION_TIMEOUT_S="45", **slow)
    before = bus.batches(FRAMES_MASKED, camera.id, lambda found: len(found) >= 4)[-1].sequence
    os.kill(masker.pid, signal.SIGSTOP)
    bus.read(FRAMES_RAW, camera.id, lambda found: len(found) >= before + 20, "10 s of pictures")
    os.kill(masker.pid, signal.SIGCONT)
    shown = bus.batches(FRAMES_LIVE, camera.id, lambda found: found[-1].sequence > before + 15)[-1]
    ingest.stop()  # however slow this machine is, there is an end of what is to be caught up
    assert len(shown.units) == 1
    picture = luma(shown)
    assert np.abs(picture[: int(0.35 * 960)].astype(int) - FILL_LUMA).max() <= 3
    assert picture[int(0.5 * 960) :].std() > 5
    last = bus.read(
        FRAMES_MASKED, camera.id, lambda found: max(sequences(found)) >= shown.sequence, "all that is caught up"
    )
    on_road = sequences(last)
    assert sorted(on_road) == list(range(max(on_road) + 1))
    by_lane = sequences(bus.read(FRAMES_LIVE, camera.id, bool, "the lane"))
    assert by_lane[shown.sequence] < on_road[shown.sequence]
    bus.await_status(camera.id, "masker", "catching_up")
    await_condition(lambda: masker.metric("beffroi_lane_open") == 0, TIMEOUT_S, "the lane to close")
    assert masker.running
    assert masker.is_live()
