"""The process as it is run: real settings, real signals, a real broker and a real store."""

from __future__ import annotations

import hashlib
import json
import signal
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.application import PASSWORD, eventually, film, number_of, segment
from tests.integration.api.processes import TIMEOUT_S, V1, Process
from tests.messages import alert_of, recording_of
from websockets.sync.client import connect

from beffroi_api.http.access import COOKIE
from beffroi_common.bus import Bus, Start
from beffroi_common.bus.admin import create_topics
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.contracts import Alert, Camera, Recording
from beffroi_common.runtime.settings import KafkaSettings, StoreSettings
from beffroi_common.store.minio import MinioStore
from beffroi_common.topics import ALERTS, CAMERAS, FRAMES_MASKED, RECORDINGS

BURN = {"mode": "burn", "polygons": [[[0.1, 0.1], [0.4, 0.1], [0.4, 0.4]]]}


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """`process(**variables)` → a process that is not started yet."""
    made: list[Process] = []

    def make(**variables: str) -> Process:
        made.append(Process(tmp_path, variables))
        return made[-1]

    yield make
    for each in made:
        each.end()


def test_it_serves_while_broker_and_store_are_away(process: Callable[..., Process]) -> None:
    api = process()
    api.start()
    operator = api.user("operator")
    assert "npm run build" in operator.get("/").text or "<html" in operator.get("/").text
    health = eventually(
        lambda: (found := operator.get(f"{V1}/health").json())["store"]["checked_at"] and found, TIMEOUT_S
    )
    assert health["broker"]["reachable"] is False
    assert "is it running" in health["broker"]["message"]
    assert "The object store does not answer" in health["store"]["message"]
    internal = f"http://127.0.0.1:{api.admin_port}"
    assert httpx2.get(f"{internal}/healthz").json()["ok"] is True
    ready = eventually(lambda: (answer := httpx2.get(f"{internal}/readyz")).status_code == 200 and answer, TIMEOUT_S)
    assert ready.json()["conditions"] == {"listening": True}
    assert "beffroi_http_requests_total" in httpx2.get(f"{internal}/metrics").text
    assert httpx2.get(f"http://{api.address}/metrics").headers["content-type"] != "text/plain"
    assert api.stop() == 0
    assert "hunter2" not in api.log
    assert PASSWORD not in api.log


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"STORES__HOLDS__BUCKET": "holds"}, "stores.holds.endpoint"),
        ({"PROT": "80"}, "unknown setting BEFFROI_API_PROT"),
        ({"RETENTION_DAYS": "31"}, "retention_days: Input should be less than or equal to 30"),
        ({"STORES__RECORDINGS__SECRET": "hunter2"}, "stores.recordings.secret"),
        ({"DATABASE_URL": "sqlite:////nowhere/api.sqlite3"}, "check the setting DATABASE_URL"),
        ({"DATABASE_URL": "mysql://nobody:hunter2@host/x"}, "BEFFROI_API_*: database_url: String should match"),
    ],
)
def test_a_wrong_setting_ends_it_with_a_reason(
    process: Callable[..., Process], variables: dict[str, str], said: str
) -> None:
    command = [sys.executable, "-m", "beffroi_api"]
    done = subprocess.run(
        command, env=process(**variables).environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_live_views_end_with_a_reason_until_the_database_is_migrated(tmp_path: Path, postgres: Any) -> None:
    live = Process(tmp_path, {"DATABASE_URL": postgres.create_database()}, "beffroi_api.live")
    done = subprocess.run(
        [sys.executable, "-m", live.module],
        env=live.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 1
    assert "run `python -m beffroi_api.commands.migrate` first" in done.stdout + done.stderr


@pytest.fixture
def bus(kafka: str) -> Bus:
    settings = KafkaSettings(bootstrap_servers=kafka)
    create_topics(settings, slots=2)
    return KafkaBus(settings, "test", uuid.uuid4().hex)


@dataclass
class Real:
    """The api on a real broker and a real store, with a camera of its own."""

    api: Process
    bus: Bus
    store: MinioStore
    camera: str

    def send(self, topic: Any, key: str, value: Any) -> None:
        producer = self.bus.producer()
        producer.send(topic, key, value, partition=0)
        assert producer.flush(TIMEOUT_S) == 0

    def record(self, folder: Path, starts_at: datetime) -> Recording:
        content = segment(film(4, camera=self.camera, start_ns=int(starts_at.timestamp()) * 10**9))
        file = folder / "segment.mp4"
        file.write_bytes(content)
        name = f"segments/{self.camera}.mp4"
        self.store.put(name, file, "video/mp4", {})
        stored = recording_of(
            self.camera,
            starts_at,
            content,
            object_name=name,
            ends_at=starts_at + timedelta(seconds=4),
            frames=20,
            batches=4,
            changed_at=starts_at + timedelta(seconds=5),
        )
        self.send(RECORDINGS, stored.key, stored)
        return stored

    def alert(self, onset: datetime) -> Alert:
        opened = alert_of(self.camera, onset)
        self.send(ALERTS, self.camera, opened)
        return opened


@pytest.fixture
def real(process: Callable[..., Process], kafka: str, minio: Any, bus: Bus) -> Real:
    bucket = f"api-{uuid.uuid4().hex}"
    keys = {"endpoint": minio.endpoint, "access_key": minio.access_key, "secret_key": minio.secret_key}
    store = MinioStore("recordings", StoreSettings(**keys, secure=False, bucket=bucket))
    store.make_bucket(14)
    variables = {f"STORES__RECORDINGS__{name.upper()}": value for name, value in keys.items()}
    api = process(KAFKA__BOOTSTRAP_SERVERS=kafka, STORES__RECORDINGS__BUCKET=bucket, **variables)
    api.start()
    return Real(api, bus, store, f"cam-{uuid.uuid4().hex[:12]}")


def test_the_whole_way(real: Real, tmp_path: Path) -> None:
    administrator, operator = real.api.user("administrator"), real.api.user("operator")
    camera_url = f"{V1}/cameras/{real.camera}"
    follower = real.bus.follower([CAMERAS], Start.END)
    eventually(lambda: follower.poll(1.0) or follower.assignment(), TIMEOUT_S)
    body = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
    administrator.put(camera_url, json=body).raise_for_status()
    administrator.put(f"{camera_url}/masking", json=BURN).raise_for_status()
    eventually(lambda: operator.get(camera_url).json()["published"], TIMEOUT_S)

    def on_bus() -> Camera | None:
        record = follower.poll(1.0)
        found = Camera.decode(record.value) if record and record.value and record.key == real.camera else None
        return found if found and found.masking else None

    assert eventually(on_bus, TIMEOUT_S).masking.version == 1
    follower.close()
    eventually(lambda: operator.get(f"{V1}/health").json()["broker"]["reachable"], TIMEOUT_S)

    cookie = {"Cookie": f"{COOKIE}={operator.cookies[COOKIE]}"}
    with connect(f"ws://{real.api.address}{camera_url}/live", additional_headers=cookie, compression=None) as live:
        assert json.loads(live.recv(TIMEOUT_S))["type"] == "state"
        now_ns = time.time_ns()
        for batch in film(3, camera=real.camera, start_ns=now_ns):
            real.send(FRAMES_MASKED, real.camera, batch)
        data = next(message for message in iter(lambda: live.recv(TIMEOUT_S), None) if isinstance(message, bytes))
        (length,) = struct.unpack(">I", data[:4])
        header = json.loads(data[4 : 4 + length])
        assert (header["camera"], header["mask_version"]) == (real.camera, 1)
    assert number_of(operator.get(f"{camera_url}/still").content) == 14

    began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    alert = real.alert(began + timedelta(seconds=2.5))
    recording = real.record(tmp_path, began)
    eventually(lambda: operator.get(f"{V1}/alerts/{alert.id}").status_code == 200, TIMEOUT_S)
    (found,) = eventually(lambda: operator.get(f"{camera_url}/recordings").json()["segments"], TIMEOUT_S)
    video = operator.get(found["video_url"], headers={"Range": "bytes=0-"})
    assert (video.status_code, hashlib.sha256(video.content).hexdigest()) == (206, recording.sha256)
    still = operator.get(f"{V1}/alerts/{alert.id}/still")
    assert still.status_code == 200, still.text
    assert number_of(still.content) == 12


def test_an_alert_has_its_still_at_once_though_nobody_watches(real: Real) -> None:
    administrator = real.api.user("administrator")
    camera_url = f"{V1}/cameras/{real.camera}"
    body = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
    administrator.put(camera_url, json=body).raise_for_status()
    slot = administrator.put(f"{camera_url}/masking", json=BURN).raise_for_status().json()["slot"]
    began = datetime.now(UTC).replace(microsecond=0)
    producer = real.bus.producer()
    for batch in film(4, camera=real.camera, start_ns=int(began.timestamp()) * 10**9):
        producer.send(FRAMES_MASKED, real.camera, batch, partition=slot)
    assert producer.flush(TIMEOUT_S) == 0
    alert = real.alert(began + timedelta(seconds=2.5))
    eventually(lambda: administrator.get(f"{V1}/alerts/{alert.id}").status_code == 200, TIMEOUT_S)
    still = administrator.get(f"{V1}/alerts/{alert.id}/still")
    assert still.status_code == 200, still.text
    assert (number_of(still.content), still.headers["x-mask-version"]) == (12, "1")


def test_killed_and_started_again_it_knows_what_it_knew(real: Real, tmp_path: Path) -> None:
    administrator = real.api.user("administrator")
    body = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
    administrator.put(f"{V1}/cameras/{real.camera}", json=body).raise_for_status()
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    first = real.alert(began)
    eventually(lambda: administrator.get(f"{V1}/alerts/{first.id}").status_code == 200, TIMEOUT_S)
    administrator.post(f"{V1}/alerts/{first.id}/acknowledgement").raise_for_status()
    real.api.stop(signal.SIGKILL)
    second = real.alert(began + timedelta(seconds=1))  # while it is dead
    real.record(tmp_path, began)
    real.api.start()
    administrator = real.api.sign_in("administrator")
    eventually(lambda: administrator.get(f"{V1}/alerts/{second.id}").status_code == 200, TIMEOUT_S)
    eventually(lambda: administrator.get(f"{V1}/cameras/{real.camera}/recordings").json()["segments"], TIMEOUT_S)
    alerts = administrator.get(f"{V1}/alerts", params={"camera": real.camera}).json()["items"]
    assert [(each["id"], each["acknowledged_by"]) for each in alerts] == [
        (second.id, None),
        (first.id, "administrator"),
    ]
    command = [sys.executable, "-m", "beffroi_api.commands.audit", "verify", "--published"]
    verified = subprocess.run(command, env=real.api.environment, capture_output=True, text=True, check=True)
    assert "whole" in verified.stdout


def test_a_wrong_store_key_is_said(process: Callable[..., Process], minio: Any) -> None:
    keys = {"ENDPOINT": minio.endpoint, "ACCESS_KEY": minio.access_key, "SECRET_KEY": "hunter2-hunter2"}
    api = process(**{f"STORES__RECORDINGS__{name}": value for name, value in keys.items()})
    api.start()
    operator = api.user("operator")
    store = eventually(
        lambda: (found := operator.get(f"{V1}/health").json()["store"])["checked_at"] and found, TIMEOUT_S
    )
    assert store["reachable"] is False
    assert "refuses the api's key" in store["message"]
    assert "hunter2" not in store["message"] + api.log
