"""What was counted of a camera goes a while after the camera did."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from beffroi_common.runtime import metrics
from beffroi_common.runtime.camera_series import KEEP_S, PERIOD_S, CameraSeries, of_cameras
from beffroi_testing import ManualClock

LABELS = {
    "beffroi_frames_in_total": {"camera": "left"},
    "beffroi_batches_dropped_total": {"camera": "left", "reason": "repeated"},
    "beffroi_capture_age_seconds_count": {"camera": "left"},
}


def count() -> None:
    metrics.FRAMES_IN.labels(camera="left").inc()
    metrics.BATCHES_DROPPED.labels(camera="left", reason="repeated").inc()
    metrics.CAPTURE_AGE_SECONDS.labels(camera="left").observe(1)


def series() -> list[bool]:
    return [REGISTRY.get_sample_value(name, labels) is not None for name, labels in LABELS.items()]


@pytest.fixture
def kept() -> tuple[CameraSeries, ManualClock]:
    clock = ManualClock()
    return CameraSeries(clock), clock


def test_a_camera_that_is_held_keeps_its_series(kept: tuple[CameraSeries, ManualClock]) -> None:
    all_of, clock = kept
    count()
    for _ in range(200):
        all_of.retain({"left"})
        clock.advance(PERIOD_S)
    assert series() == [True] * 3


def test_one_that_left_can_be_scraped_once_more_and_is_gone(kept: tuple[CameraSeries, ManualClock]) -> None:
    all_of, clock = kept
    count()
    all_of.retain(set())
    clock.advance(KEEP_S - 1)
    all_of.retain(set())
    assert series() == [True] * 3
    clock.advance(PERIOD_S)
    all_of.retain(set())
    assert series() == [False] * 3


def test_what_is_counted_of_it_after_it_left_goes_too(kept: tuple[CameraSeries, ManualClock]) -> None:
    all_of, clock = kept
    all_of.retain(set())
    clock.advance(2 * KEEP_S)
    count()
    all_of.retain(set())
    clock.advance(2 * KEEP_S)
    all_of.retain(set())
    assert series() == [False] * 3


def test_a_camera_that_comes_back_in_time_is_kept(kept: tuple[CameraSeries, ManualClock]) -> None:
    all_of, clock = kept
    count()
    for held in (set[str](), {"left"}, set[str]()):
        all_of.retain(held)
        clock.advance(KEEP_S - 1)
    all_of.retain(set())
    assert series() == [True] * 3


def test_every_metric_of_a_camera_is_among_them() -> None:
    mine = {each._name for each in of_cameras()}
    assert {"beffroi_camera_up", "beffroi_alerts", "beffroi_live_viewers", "beffroi_stored_bytes"} <= mine
