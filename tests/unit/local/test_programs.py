"""What the processes of the one-machine system are told of cameras' addresses."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from beffroi_api.settings import ApiSettings
from beffroi_common.addresses import read_address
from beffroi_ingest.settings import IngestSettings
from beffroi_ingest.sources.credentials import Destination, login
from beffroi_local.programs import RTSP_SECRET, VTEST, Parts
from beffroi_local.settings import StackSettings


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    monkeypatch.setenv("BEFFROI_CAMERA_NETWORKS", "192.168.1.0/24")
    monkeypatch.setenv("BEFFROI_CAMERA_FOLDERS", "/clips")
    return Parts.of(StackSettings.on_free_ports(tmp_path), tmp_path, tmp_path / "clip.json")


def test_the_played_camera_and_those_of_ones_own_are_allowed_and_no_others(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in parts.programs():
        for name, value in program.environment.items():
            monkeypatch.setenv(name, value)
    ingest, api = IngestSettings().addresses, ApiSettings().addresses
    assert ingest == api
    for url in (parts.cameras.url(VTEST), "rtsp://192.168.1.7/1", "file:///clips/a.mp4"):
        ingest.check(read_address(url))
    assert [str(each) for each in ingest.networks] == ["127.0.0.1/32", "192.168.1.0/24"]
    assert ingest.ports == (parts.cameras.port, 554, 8554)
    assert [str(each) for each in ingest.folders] == [str(parts.clips_folder), "/clips"]


def test_the_password_of_the_played_camera_goes_to_this_machine_alone(parts: Parts) -> None:
    parts.secrets_folder.mkdir()
    parts.write_secret()
    here = ip_address("127.0.0.1")
    assert login(RTSP_SECRET, parts.secrets_folder, Destination(here, here)) == f"beffroi:{parts.cameras.password}"
    assert (parts.secrets_folder / RTSP_SECRET).read_text().splitlines()[1:] == ["127.0.0.1"]
