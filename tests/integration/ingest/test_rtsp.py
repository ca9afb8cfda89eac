"""The RTSP source against a real RTSP server."""

from __future__ import annotations

import os
import signal
import traceback
from contextlib import suppress
from ipaddress import IPv4Network
from itertools import islice, pairwise
from pathlib import Path
from threading import Event

import pytest

from beffroi_common.addresses import AllowedAddresses
from beffroi_common.contracts import CameraSource, Codec
from beffroi_common.media.nal import nal_units
from beffroi_common.runtime.clock import SystemClock
from beffroi_ingest.sources import Source, SourceError, SourceOptions, open_source
from beffroi_local.cameras import RtspCamera
from beffroi_local.testing import RtspCameraFactory

PASSWORD = "s3cret/ü:@?#"
WRONG = "wr0ng-hunter2"


def allowed(camera: RtspCamera) -> AllowedAddresses:
    return AllowedAddresses(networks=(IPv4Network("127.0.0.1/32"),), ports=(camera.server.port,))


def opened(camera: RtspCamera, secrets_dir: Path | None = None) -> Source:
    source = CameraSource(url=camera.url, credentials="login" if secrets_dir else None)
    options = SourceOptions(allowed(camera), secrets_dir, open_timeout_s=20.0, read_timeout_s=2.0)
    return open_source(source, options, SystemClock(), Event().wait)


def test_access_units_come_with_parameter_sets_and_an_even_clock(rtsp_camera: RtspCameraFactory) -> None:
    source = opened(rtsp_camera())
    units = list(islice(source.units(), 30))
    source.close()
    assert (source.info.codec, source.info.width, source.info.height) == (Codec.H264, 640, 360)
    assert {later.dts - earlier.dts for earlier, later in pairwise(units)} == {9000}
    keys = [unit for unit in units if unit.key]
    assert keys
    assert all({7, 8} <= {nal.kind for nal in nal_units(Codec.H264, unit.data)} for unit in keys)


def test_credentials_open_the_camera(rtsp_camera: RtspCameraFactory, tmp_path: Path) -> None:
    camera = rtsp_camera(user="opérateur", password=PASSWORD)
    (tmp_path / "login").write_text(f"opérateur:{PASSWORD}\n127.0.0.1\n")
    source = opened(camera, tmp_path)
    assert len(list(islice(source.units(), 3))) == 3
    source.close()


@pytest.mark.parametrize("secret", [None, f"admin:{WRONG}\n127.0.0.1"])
def test_a_wrong_password_is_told_and_never_shown(
    rtsp_camera: RtspCameraFactory, tmp_path: Path, secret: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    camera = rtsp_camera(user="admin", password=PASSWORD)
    (tmp_path / "login").write_text(secret or "")
    with pytest.raises(SourceError) as refused:
        opened(camera, tmp_path if secret else None)
    told = "".join(traceback.format_exception(refused.value)) + "".join(capfd.readouterr())
    assert refused.value.code == "wrong_password"
    assert WRONG not in told
    assert PASSWORD not in told


def test_a_path_that_is_not_there_is_told(rtsp_camera: RtspCameraFactory) -> None:
    camera = rtsp_camera()
    source = CameraSource(url=camera.url + "-not")
    with pytest.raises(SourceError) as refused:
        open_source(source, SourceOptions(allowed(camera), None, 20.0, 2.0), SystemClock(), Event().wait)
    assert refused.value.code == "not_found"


def test_a_camera_that_dies_is_noticed(rtsp_camera: RtspCameraFactory) -> None:
    camera = rtsp_camera()
    units = opened(camera).units()
    next(units)
    camera.stop()
    with suppress(SourceError):  # or the stream simply ends: a camera never does
        assert len(list(units)) < 1000


def test_a_camera_that_stalls_is_noticed(rtsp_camera: RtspCameraFactory) -> None:
    camera = rtsp_camera()
    units = opened(camera).units()
    next(units)
    assert camera._process is not None
    os.killpg(camera._process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(SourceError) as broken:
            list(units)
        assert broken.value.code == "timeout"
    finally:
        os.killpg(camera._process.pid, signal.SIGCONT)
