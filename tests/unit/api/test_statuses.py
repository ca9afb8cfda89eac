"""What is said of one camera is found without looking at the others."""

from __future__ import annotations

from datetime import timedelta
from typing import NoReturn, cast

import pytest

from beffroi_api.modules.health.service import Status, Statuses
from beffroi_common.bus import Absent, Table
from beffroi_common.contracts import CameraStatus, Level
from beffroi_testing import ManualClock

CLOCK = ManualClock()


class Topic:
    """Is never read as a whole."""

    def wait_caught_up(self, _timeout_s: float) -> bool:
        return True

    def values(self) -> NoReturn:
        raise AssertionError("all statuses were read for those of one camera")


@pytest.fixture
def statuses() -> Statuses:
    table = cast("Table[Status]", Topic())
    return Statuses(CLOCK, timedelta(seconds=20), lambda _: None, "service/api/a", table)


def said(camera: str, service: str, level: Level = Level.OK) -> CameraStatus:
    return CameraStatus(camera=camera, service=service, level=level, code="running", message="", at=CLOCK.now())


def hear(statuses: Statuses, *found: CameraStatus) -> None:
    for each in found:
        statuses.changed(each.key, each)


def test_the_worst_comes_first_and_others_are_not_read(statuses: Statuses) -> None:
    fine, bad = said("gate", "ingest"), said("gate", "masker", Level.ERROR)
    hear(statuses, fine, said("yard", "ingest"), bad)
    assert statuses.of_camera("gate") == [bad, fine]
    assert statuses.of_camera("nowhere") == []


@pytest.mark.parametrize("absent", Absent)
def test_what_is_gone_is_said_no_more(statuses: Statuses, absent: Absent) -> None:
    fine, bad = said("gate", "ingest"), said("gate", "masker", Level.ERROR)
    hear(statuses, fine, bad)
    statuses.changed(bad.key, absent)
    assert statuses.of_camera("gate") == [fine]
    statuses.changed(fine.key, absent)
    statuses.changed("camera/nowhere/ingest", absent)
    assert (statuses.of_camera("gate"), statuses._by_camera, statuses._camera_of) == ([], {}, {})


def test_a_newer_word_replaces_the_older(statuses: Statuses) -> None:
    bad = said("gate", "masker", Level.ERROR)
    hear(statuses, said("gate", "masker"), bad)
    assert statuses.of_camera("gate") == [bad]
    statuses.changed(bad.key, said("yard", "masker"))
    assert statuses.of_camera("gate") == []
