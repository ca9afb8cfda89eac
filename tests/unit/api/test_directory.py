"""No picture older than the decision in force is shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_common.contracts import Camera, CameraSource, MaskDecision, MaskMode


def camera(version: int, mask: int | None, *, enabled: bool = True) -> Camera:
    decision = None
    if mask is not None:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        decision = MaskDecision(mode=MaskMode.OPEN, version=mask, decided_by="a", decided_at=at, reason="a wall")
    return Camera(
        id="gate",
        name="Gate",
        commune="Lille",
        slot=0,
        source=CameraSource(url="pattern:160x96@5"),
        masking=decision,
        version=version,
        enabled=enabled,
    )


@pytest.mark.parametrize(
    ("known", "mask_version", "shown"),
    [
        (None, 1, False),
        (camera(1, None), 1, False),
        (camera(1, 2), 1, False),
        (camera(1, 2), 2, True),
        (camera(1, 2), 3, True),
        (camera(1, 2), 0, False),
        (camera(1, 2, enabled=False), 2, False),
    ],
)
def test_what_is_shown(known: Camera | None, mask_version: int, shown: bool) -> None:
    directory = CameraDirectory()
    directory.load([known] if known else [], {})
    assert directory.shows("gate", mask_version) is shown


def test_a_late_word_undoes_no_newer_one() -> None:
    directory = CameraDirectory()
    directory.changed("gate", 5, camera(5, 3))
    directory.changed("gate", 4, camera(4, 2))
    assert not directory.shows("gate", 2)


def test_a_removed_camera_shows_nothing() -> None:
    directory = CameraDirectory()
    directory.changed("gate", 5, camera(5, 3))
    directory.changed("gate", 6, None)
    assert directory.camera("gate") is None
    assert not directory.shows("gate", 3)


def test_a_late_word_brings_no_removed_camera_back() -> None:
    directory = CameraDirectory()
    directory.load([camera(4, 3)], {})
    directory.changed("gate", 6, None)
    directory.changed("gate", 5, camera(5, 3))
    assert directory.camera("gate") is None
    assert not directory.shows("gate", 3)


def test_a_late_removal_takes_no_camera_away_that_was_made_again() -> None:
    directory = CameraDirectory()
    directory.changed("gate", 7, camera(7, 3))
    directory.changed("gate", 6, None)
    assert directory.shows("gate", 3)
