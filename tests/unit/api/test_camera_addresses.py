"""Addresses of cameras at the door: what is not allowed is refused in words that tell nothing of what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.application import SYSTEM
from tests.unit.api.desk import WHO, Desk

from beffroi_api.errors import Invalid
from beffroi_api.modules.cameras.schemas import CameraInput
from beffroi_api.modules.cameras.service import Cameras
from beffroi_common.addresses import AllowedAddresses

STREET = AllowedAddresses.model_validate({"networks": "10.20.0.0/16", "folders": "/clips"})


def about(url: str, **more: Any) -> CameraInput:
    return CameraInput.model_validate({"name": "Gate", "commune": "Lille", "source": {"url": url}} | more)


@pytest.fixture
def cameras(desk: Desk) -> Cameras:
    return replace(desk.cameras, allowed=STREET)


@pytest.mark.parametrize("name", ["gate", "new"])
@pytest.mark.parametrize(
    "url", ["rtsp://10.21.0.1/1", "rtsp://10.20.0.1:6379/1", "rtsp://127.0.0.1/1", "file:///etc/passwd"]
)
def test_what_is_not_allowed_is_refused_and_changes_nothing(cameras: Cameras, name: str, url: str) -> None:
    before = {camera.id: camera for camera in cameras.every(SYSTEM)}
    with pytest.raises(Invalid, match="whoever runs Beffroi"):
        cameras.save(WHO, name, about(url), None)
    assert {camera.id: camera for camera in cameras.every(SYSTEM)} == before


@pytest.mark.parametrize(
    "url", ["rtsp://10.20.0.1/1\r\nX: y", "rtsp://10.20.1/1", "rtsp://[::1/1", "file:/clips/a.mp4"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        about(url)


@pytest.mark.parametrize("url", ["rtsp://10.20.0.1/1", "rtsp://camera.example/1", "file:///clips/a.mp4"])
def test_what_is_allowed_is_taken(cameras: Cameras, url: str) -> None:
    cameras.save(WHO, "gate", about(url), None)
    cameras.save(WHO, "new", about(url), None)
    assert {camera.source.url for camera in cameras.every(SYSTEM)} == {url}


def test_a_camera_whose_address_is_not_allowed_any_more_can_still_be_changed(cameras: Cameras) -> None:
    cameras.save(WHO, "gate", about("rtsp://10.20.0.1/1"), None)
    narrowed = replace(cameras, allowed=AllowedAddresses())
    narrowed.save(WHO, "gate", about("rtsp://10.20.0.1/1", name="Old gate", enabled=False), None)
    (gate,) = narrowed.every(SYSTEM)
    assert (gate.name, gate.enabled) == ("Old gate", False)
    with pytest.raises(Invalid):
        narrowed.save(WHO, "gate", about("rtsp://10.20.0.1/2"), None)
