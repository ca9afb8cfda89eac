"""What the trail keeps of a change of a camera."""

from __future__ import annotations

import pytest

from beffroi_api.modules.cameras.registry.changes import changes, without_secrets
from beffroi_common.contracts import Camera, CameraSource, Zone

GATE = Camera(id="gate", name="Gate", commune="Lille", slot=0, source=CameraSource(url="rtsp://10.0.0.9:554/stream1"))


def zone(name: str, text: str) -> Zone:
    return Zone(id=name, name=text, kind="sensitive", shape="polygon", points=((0, 0), (1, 0), (1, 1)))


def test_only_what_differs_is_kept() -> None:
    after = GATE.model_copy(update={"name": "North gate", "version": 2})
    assert changes(GATE, after) == {"before": {"name": "Gate"}, "after": {"name": "North gate"}}


def test_of_zones_those_that_differ() -> None:
    before = GATE.model_copy(update={"zones": (zone("a", "A"), zone("b", "B"), zone("c", "C"))})
    after = GATE.model_copy(update={"zones": (zone("a", "A"), zone("b", "Bank"), zone("d", "D"))})
    said = changes(before, after)
    assert set(said["before"]["zones"]) == {"b", "c"}
    assert set(said["after"]["zones"]) == {"b", "d"}
    assert said["after"]["zones"]["b"]["name"] == "Bank"


def test_a_new_camera_has_no_before() -> None:
    said = changes(None, GATE)
    assert said["before"] == {}
    assert said["after"]["commune"] == "Lille"


def test_a_value_that_goes_is_seen() -> None:
    before = GATE.model_copy(update={"nominal_fps": 25.0})
    assert changes(before, GATE) == {"before": {"nominal_fps": 25.0}, "after": {"nominal_fps": None}}


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("rtsp://10.0.0.9:554/cam?user=admin&password=hunter2", "rtsp://10.0.0.9:554/…"),
        ("rtsp://10.0.0.9/user=admin_password=hunter2_channel=1", "rtsp://10.0.0.9/…"),
        ("rtsp://admin:hunter2@camera.example/1", "rtsp://camera.example/…"),
        ("rtsp://[fd00::9]:8554/hunter2", "rtsp://[fd00::9]:8554/…"),
        ("rtsp://camera.example:hunter2/", "…"),
        ("file:///srv/hunter2.mp4", "file:…"),
        ("pattern:160x96@5", "pattern:…"),
    ],
)
def test_no_secret_of_an_address_is_kept(url: str, kept: str) -> None:
    assert without_secrets(url) == kept
