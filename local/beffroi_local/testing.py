"""Pytest fixtures: the real Kafka, MinIO, PostgreSQL and RTSP cameras, each started on first use on free ports.

`tests/conftest.py` registers this module. What is running already can be used instead, which saves their start
(`python -m beffroi_local.parts` prints these variables):

- `BEFFROI_TEST_KAFKA`: bootstrap servers
- `BEFFROI_TEST_MINIO_ENDPOINT`, `BEFFROI_TEST_MINIO_ACCESS_KEY`, `BEFFROI_TEST_MINIO_SECRET_KEY`

All end with the tests, also when pytest itself is killed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from . import clips
from .cameras import PATH, RtspCamera
from .kafka import broker
from .minio import ObjectServer, object_server
from .postgres import PostgresServer, postgres_server

KAFKA_VARIABLE = "BEFFROI_TEST_KAFKA"
MINIO_VARIABLES = ("BEFFROI_TEST_MINIO_ENDPOINT", "BEFFROI_TEST_MINIO_ACCESS_KEY", "BEFFROI_TEST_MINIO_SECRET_KEY")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real broker, empty at the start of each module.

    Topics have one name each, so what one module leaves (cameras to open, pictures to mask) would be work for the next.
    """
    if running := os.environ.get(KAFKA_VARIABLE):
        yield running
        return
    with broker(tmp_path_factory.mktemp("kafka")) as started:
        yield started.bootstrap_servers


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """A real MinIO server: `endpoint`, `access_key`, `secret_key`. It holds no bucket."""
    folder = tmp_path_factory.mktemp("minio")
    endpoint, access_key, secret_key = (os.environ.get(name, "") for name in MINIO_VARIABLES)
    if endpoint:
        port = int(endpoint.rpartition(":")[2])
        yield ObjectServer(folder=folder, port=port, access_key=access_key, secret_key=secret_key)
        return
    with object_server(folder) as started:
        yield started


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server: `create_database()` returns the SQLAlchemy address of a new, empty database."""
    with postgres_server() as started:
        yield started


RtspCameraFactory = Callable[..., RtspCamera]


@pytest.fixture
def rtsp_camera(tmp_path: Path) -> Iterator[RtspCameraFactory]:
    """Make RTSP cameras: `rtsp_camera(clip=None, user=None, password=None)` → a running `RtspCamera`.

    `clip` is a video file; None: a generated pattern of 20 s, 640×360 at 10 pictures a second.
    """
    with ExitStack() as cameras:
        made: list[RtspCamera] = []

        def make(clip: Path | None = None, user: str | None = None, password: str | None = None) -> RtspCamera:
            index = clips.prepare(clip) if clip else clips.prepare_pattern()
            folder = tmp_path / f"camera{len(made)}"
            camera = RtspCamera.on_free_port(folder, {PATH: index}, user, password)
            made.append(camera)
            cameras.callback(camera.stop)
            camera.start()
            return camera

        yield make
