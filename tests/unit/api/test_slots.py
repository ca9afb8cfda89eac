"""Cameras are spread by load."""

from __future__ import annotations

from beffroi_api.modules.cameras.registry.slots import least_loaded
from beffroi_common.contracts import Camera, CameraSource


def camera(name: str, slot: int, fps: float | None = None) -> Camera:
    source = CameraSource(url="pattern:160x96@5")
    return Camera(id=name, name=name, commune="Lille", slot=slot, source=source, nominal_fps=fps)


def test_the_first_goes_to_the_first() -> None:
    assert least_loaded([], 3) == 0


def test_pictures_count_not_cameras() -> None:
    assert least_loaded([camera("a", 0, 50.0), camera("b", 1, 5.0), camera("c", 1, 5.0)], 2) == 1


def test_one_without_a_stated_rate_counts_too() -> None:
    assert least_loaded([camera("a", 0), camera("b", 1, 1.0)], 2) == 1


def test_a_slot_that_is_no_more_is_ignored() -> None:
    assert least_loaded([camera("a", 7)], 2) == 0
