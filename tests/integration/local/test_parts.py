"""The real parts start, answer, and are gone afterwards."""

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import av
import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from beffroi_local.minio import ObjectServer
from beffroi_local.postgres import PostgresServer
from beffroi_local.process import Command, PartFailedError, await_condition, start_ready
from beffroi_local.testing import RtspCameraFactory
from minio import Minio

TIMEOUT_S = 30


def test_kafka_answers_and_makes_no_topic_by_itself(kafka: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    metadata = admin.list_topics(topic="nobody-made-this", timeout=TIMEOUT_S)
    assert len(metadata.brokers) == 1
    assert metadata.topics["nobody-made-this"].error is not None


def test_minio_answers(minio: ObjectServer) -> None:
    client = Minio(endpoint=minio.endpoint, access_key=minio.access_key, secret_key=minio.secret_key, secure=False)
    client.make_bucket(bucket_name="answers")
    assert client.bucket_exists(bucket_name="answers")
    assert minio.secret_key not in repr(minio)


def test_postgres_makes_databases(postgres: PostgresServer) -> None:
    url = postgres.create_database().replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def read_pts(url: str, count: int) -> list[int]:
    pts: list[int] = []
    with av.open(url, options={"rtsp_transport": "tcp", "analyzeduration": "500000"}, timeout=TIMEOUT_S) as stream:
        for packet in stream.demux(video=0):
            if packet.pts is not None:
                pts.append(packet.pts)
            if len(pts) == count:
                break
    return pts


def test_camera_plays_at_even_steps(rtsp_camera: RtspCameraFactory) -> None:
    camera = rtsp_camera()
    pts = read_pts(camera.url, 25)
    assert {later - earlier for earlier, later in pairwise(pts)} == {9000}
    assert camera.loops[0].loop == 0


def test_camera_asks_for_its_password(rtsp_camera: RtspCameraFactory) -> None:
    camera = rtsp_camera(user="viewer", password="right")
    with pytest.raises(av.HTTPUnauthorizedError):
        read_pts(camera.url.replace("//", "//viewer:wrong@"), 1)
    assert read_pts(camera.url.replace("//", "//viewer:right@"), 2)
    assert "right" not in (camera.server.folder / "cameras.json").read_text()


def test_camera_comes_back_at_its_address(rtsp_camera: RtspCameraFactory) -> None:
    camera = rtsp_camera()
    camera.stop()
    with pytest.raises(av.FFmpegError):
        read_pts(camera.url, 1)
    camera.start()
    assert read_pts(camera.url, 1)


def test_a_part_that_cannot_start_shows_why(tmp_path: Path) -> None:
    command = Command("broken", [sys.executable, "-c", "raise SystemExit('no such disk')"], tmp_path)
    with pytest.raises(PartFailedError, match="no such disk"):
        start_ready(command, lambda: False, TIMEOUT_S)


CHILD_OF_A_KILLED_PARENT = """
import sys, time
from pathlib import Path
from beffroi_local.process import Command, start
folder = Path(sys.argv[1])
print(start(Command("child", ["sleep", "600"], folder)).pid, flush=True)
time.sleep(600)
"""


def test_parts_die_with_whoever_started_them(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", CHILD_OF_A_KILLED_PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    with parent:
        child = int(parent.stdout.readline())
        await_condition(lambda: b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes()[:5], TIMEOUT_S, "the child")
        os.kill(parent.pid, signal.SIGKILL)
        await_condition(lambda: not _lives(child), TIMEOUT_S, "the child to be gone")


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
