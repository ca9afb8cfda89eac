"""What is written is found again by the real parts: processes, Kafka, MinIO and PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.application import eventually
from tests.integration.api.processes import NOBODY, TIMEOUT_S, V1, Process
from tests.messages import alert_of, recording_of

from beffroi_common.bus import Bus
from beffroi_common.bus.admin import create_topics
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.contracts import Contract, Recording, RecordingState
from beffroi_common.recordings.segment_format import CONTENT_TYPE, metadata_of
from beffroi_common.runtime.settings import KafkaSettings, StoreSettings
from beffroi_common.store.minio import MinioStore
from beffroi_common.topics import ALERTS, RECORDINGS, Topic

CAMERA = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}

Listed = tuple[list[str], int]


@dataclass
class Town:
    """A camera whose segments and alerts are made here, and the processes that list them."""

    folder: Path
    bus: Bus
    store: MinioStore
    variables: dict[str, str]
    camera: str = field(default_factory=lambda: f"cam-{uuid.uuid4().hex[:12]}")
    start: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
    made: list[Process] = field(default_factory=list)

    def api(self, database_url: str, **variables: str) -> Process:
        """A process on a database, not started yet."""
        self.made.append(Process(self.folder, self.variables | {"DATABASE_URL": database_url} | variables))
        return self.made[-1]

    def minute(self, number: int) -> Recording:
        """A segment is stored, an alert opened."""
        at = self.start + timedelta(minutes=number)
        stored = recording_of(
            self.camera,
            at,
            object_name=f"segments/{at:%Y-%m-%d}/{self.camera}/{at:%H%M%S}.000Z-1-{number}.mp4",
            changed_at=at + timedelta(seconds=61),
        )
        file = self.folder / "segment.mp4"
        file.write_bytes(b"video")
        self.store.put(stored.object_name, file, CONTENT_TYPE, metadata_of(stored, 0))
        self.send(RECORDINGS, stored.key, stored)
        self.send(ALERTS, self.camera, alert_of(self.camera, at))
        return stored

    def destroy(self, recording: Recording) -> None:
        self.store.remove(recording.object_name)
        changes = {"state": RecordingState.DESTROYED, "changed_at": datetime.now(UTC)}
        self.send(RECORDINGS, recording.key, recording.model_copy(update=changes))

    def send(self, topic: Topic, key: str, value: Contract) -> None:
        with closing(self.bus.producer()) as producer:
            producer.send(topic, key, value, partition=0)
            assert producer.flush(TIMEOUT_S) == 0

    def listed_by(self, api: Process, *, is_new: bool = True) -> Callable[[], Listed]:
        """Start it; what it lists of the camera: objects, and how many alerts. On a new database the camera is made."""
        api.start()
        if is_new:
            api.user("administrator").put(f"{V1}/cameras/{self.camera}", json=CAMERA).raise_for_status()
        operator = api.user("operator") if is_new else api.sign_in("operator")

        def listed() -> Listed:
            found = operator.get(f"{V1}/cameras/{self.camera}/recordings").json()["segments"]
            alerts = operator.get(f"{V1}/alerts", params={"camera": self.camera}).json()["items"]
            return [each["object"] for each in found], len(alerts)

        return listed


@pytest.fixture
def town(tmp_path: Path, kafka: str, minio: Any) -> Iterator[Town]:
    create_topics(KafkaSettings(bootstrap_servers=kafka), slots=2)
    keys = {"endpoint": minio.endpoint, "access_key": minio.access_key, "secret_key": minio.secret_key}
    bucket = f"api-{uuid.uuid4().hex}"
    store = MinioStore("recordings", StoreSettings(**keys, secure=False, bucket=bucket))
    store.make_bucket(14)
    variables = {f"STORES__RECORDINGS__{name.upper()}": value for name, value in keys.items()}
    variables |= {"STORES__RECORDINGS__BUCKET": bucket, "KAFKA__BOOTSTRAP_SERVERS": kafka}
    bus = KafkaBus(KafkaSettings(bootstrap_servers=kafka), "test", uuid.uuid4().hex)
    made = Town(tmp_path, bus, store, variables)
    yield made
    for each in made.made:
        each.end()


def copy_of(postgres: Any, database_url: str) -> str:
    """A dump of a database that nobody uses at present, restored beside it."""
    copy: str = postgres.create_database()
    names = [url.rsplit("/", 1)[1] for url in (copy, database_url)]
    engine = create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {names[0]}"))
        connection.execute(text(f"CREATE DATABASE {names[0]} TEMPLATE {names[1]}"))
    engine.dispose()
    return copy


def run(api: Process, *words: str) -> str:
    """What a command prints, with the settings of a process."""
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, env=api.environment, text=True, check=True, capture_output=True).stdout


def test_an_older_database_beside_a_broker_that_went_on(town: Town, postgres: Any) -> None:
    database = postgres.create_database()
    api = town.api(database)
    listed = town.listed_by(api)
    early = [town.minute(number) for number in range(3)]
    eventually(lambda: listed() == ([each.object_name for each in early], 3), TIMEOUT_S)
    assert api.stop() == 0
    older = copy_of(postgres, database)
    api.start()
    late = [town.minute(number) for number in range(3, 9)]
    town.destroy(early[0])
    there = [each.object_name for each in (*early[1:], *late)]
    eventually(lambda: listed() == (there, 9), TIMEOUT_S)
    assert api.stop() == 0

    restored = town.api(older)
    listed = town.listed_by(restored, is_new=False)
    eventually(lambda: listed() == (there, 9), TIMEOUT_S)
    assert restored.stop() == 0


def test_the_command_fills_an_index_with_no_process_running(town: Town, postgres: Any) -> None:
    stored = [town.minute(number) for number in range(3)]
    api = town.api(postgres.create_database(), KAFKA__BOOTSTRAP_SERVERS=NOBODY)
    run(api, "beffroi_api.commands.migrate")
    printed = run(api, "beffroi_api.commands.index", "rebuild")
    assert "3 recordings in the stores, 3 of them were not in the index" in printed
    assert "0 of them" in run(api, "beffroi_api.commands.index", "rebuild")
    listed = town.listed_by(api)
    assert listed() == ([each.object_name for each in stored], 0)
    wrong = town.api(api.variables["DATABASE_URL"], STORES__RECORDINGS__SECRET_KEY="hunter2-hunter2")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(wrong, "beffroi_api.commands.index", "rebuild")
    assert "refused our key" in refused.value.stderr
    assert "hunter2" not in refused.value.stderr
