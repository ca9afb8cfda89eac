"""Real broker, real store, real process: each frame once, clear words when something is wrong."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from pydantic import SecretStr
from tests.integration.recorder.conftest import FPS, SEGMENT_S, Process, Site, film, wait_for

from beffroi_common.contracts import DeadLetter, Level, Recording, RecordingState
from beffroi_common.contracts.status import ServiceStatus, decode_status
from beffroi_common.runtime.clock import SystemClock
from beffroi_common.runtime.settings import StoreSettings
from beffroi_common.store import ClocksDisagree
from beffroi_common.store.minio import MinioStore
from beffroi_common.topics import FRAMES_MASKED, RECORDINGS, STATUS, dead_letter_topic
from beffroi_local.minio import ObjectServer
from beffroi_local.ports import free_port
from beffroi_local.process import Command, running
from beffroi_recorder.keep.destroyer import DESTROYER_PARTITION, Destroyer
from beffroi_recorder.keep.register import Register
from beffroi_testing import ManualClock, MemoryBroker, MemoryBus
from minio import Minio


def chained(recordings: list[Recording]) -> bool:
    previous = [None, *(each.sha256 for each in recordings)]
    return [each.previous_sha256 for each in recordings] == previous[:-1]


def stored(site: Site, camera: str, segments: int) -> bool:
    return len(site.objects(camera)) >= segments


def test_killed_in_the_middle_each_frame_is_stored_once(site: Site) -> None:
    batches = film(22, "gate")
    sent = 0
    for kill_at in (6, 11, 14):
        process = site.recorder()
        site.send(batches[sent:kill_at])
        sent = kill_at
        wait_for(partial(stored, site, "gate", (kill_at - 1) // SEGMENT_S), "a segment", site.tail)
        process.process.send_signal(signal.SIGKILL)
        process.end()
    process = site.recorder()
    site.send(batches[sent:])
    wait_for(lambda: site.recorded("gate") == 22 * FPS, "the last segment", site.tail)
    assert site.numbers("gate") == list(range(22 * FPS))
    recordings = site.recordings("gate")
    assert len(recordings) >= 6
    assert {each.missing_batches for each in recordings} == {0}
    assert chained(recordings)
    process.process.send_signal(signal.SIGTERM)
    assert process.end() == 0
    site.recorder()
    before = {each.name: each.modified_at for each in site.store.list("")}
    site.send(batches)
    site.send(film(6, "after"))
    wait_for(lambda: site.recorded("after") == 6 * FPS, "what came after the repeats", site.tail)
    assert {each.name: each.modified_at for each in site.store.list("") if "gate" in each.name} == {
        name: at for name, at in before.items() if "gate" in name
    }


def test_another_instance_takes_over(site: Site) -> None:
    left, right = film(12, "left"), film(12, "right")
    first, _second = site.recorder("r1"), site.recorder("r2")
    for camera, slot in (("left", 0), ("right", 1)):
        site.send((left if camera == "left" else right)[:6], slot)
    wait_for(lambda: bool(site.objects("left") and site.objects("right")), "two segments", site.tail)
    first.process.kill()
    site.send(left[6:], 0)
    site.send(right[6:], 1)
    both = 2 * 12 * FPS
    wait_for(lambda: site.recorded("left") + site.recorded("right") == both, "the other's segments", site.tail)
    for camera in ("left", "right"):
        assert site.numbers(camera) == list(range(12 * FPS))
        assert chained(site.recordings(camera))


def test_a_truncated_batch_goes_to_the_dead_letters(site: Site) -> None:
    class Truncated:
        def __init__(self, payload: bytes) -> None:
            self._payload = payload

        def encode(self) -> bytes:
            return self._payload

    batches = film(5, "torn")
    site.recorder()
    site.send(batches[:2])
    whole = batches[2].encode()
    site.producer.send(FRAMES_MASKED, "torn", Truncated(whole[:-100]), partition=0)  # type: ignore[arg-type]
    site.send(batches[3:])
    wait_for(lambda: site.recorded("torn") == 4 * FPS, "the segments", site.tail)
    letters = [DeadLetter.decode(each) for each in site.everything(dead_letter_topic(FRAMES_MASKED))]
    (letter,) = [each for each in letters if each.key == "torn"]
    assert "cut short" in letter.reason
    assert letter.payload is None
    assert sum(each.missing_batches for each in site.recordings("torn")) == 1


def service_words(site: Site) -> list[ServiceStatus]:
    found = [decode_status(each) for each in site.everything(STATUS)]
    return [each for each in found if isinstance(each, ServiceStatus)]


def says(site: Site, instance: str, code: str) -> bool:
    mine = [each for each in service_words(site) if each.instance == instance]
    return bool(mine) and mine[-1].code == code


def refused(process: Process, words: str) -> None:
    assert process.end() == 1
    (line,) = [each for each in process.lines if each["event"] == "cannot record"]
    assert words in line["reason"]


def test_a_wrong_store_key_ends_it_with_a_clear_word(site: Site) -> None:
    site.store_settings = site.store_settings.model_copy(update={"secret_key": SecretStr("hunter2-hunter2")})
    process = site.recorder("wrong-key")
    refused(process, "check access key, secret key and the rights")
    assert "hunter2" not in process.log
    (said,) = [each for each in service_words(site) if each.instance == "wrong-key"]
    assert (said.level, said.code) == (Level.ERROR, "store_refuses")


@pytest.fixture
def client(minio: ObjectServer) -> Minio:
    return Minio(endpoint=minio.endpoint, access_key=minio.access_key, secret_key=minio.secret_key, secure=False)


def test_a_bucket_that_breaks_the_promise_is_refused(site: Site, client: Minio) -> None:
    bucket = site.store_settings.bucket
    client.make_bucket(bucket_name=bucket)
    rule = Rule(status=ENABLED, rule_filter=Filter(prefix=""), rule_id="r", expiration=Expiration(days=30))
    client.set_bucket_lifecycle(bucket_name=bucket, config=LifecycleConfig(rules=[rule]))
    refused(site.recorder(), "not after 14")


def test_a_setting_beyond_the_law_is_refused(site: Site) -> None:
    process = site.recorder(RETENTION_DAYS="31")
    assert process.end() == 1
    assert "CSI art. L252-5" in process.log


def test_a_store_that_comes_late_or_goes_away_costs_nothing(site: Site) -> None:
    server = ObjectServer(folder=site.folder / "minio", port=free_port())
    server.prepare()
    site.store_settings = StoreSettings(
        endpoint=server.endpoint,
        access_key=server.access_key,
        secret_key=SecretStr(server.secret_key),
        secure=False,
        bucket="late",
        timeout_s=2.0,
    )
    process = site.recorder("patient")

    wait_for(lambda: says(site, "patient", "store_away"), "word of the store", site.tail)
    batches = film(16, "patient")
    command = Command("minio", server.argv(), server.folder, server.environment)
    with running(command, server.is_ready, 60.0, stop_timeout_s=0):
        site.send(batches[:6])
        wait_for(lambda: bool(site.objects("patient")), "a segment", site.tail)
    site.send(batches[6:])
    wait_for(lambda: says(site, "patient", "store_away"), "word of the store", site.tail)
    with running(command, server.is_ready, 60.0, stop_timeout_s=0):
        wait_for(lambda: site.recorded("patient") == 16 * FPS, "the rest", site.tail)
        assert site.numbers("patient") == list(range(16 * FPS))
    assert process.process.poll() is None


def test_a_broker_that_is_away_at_start_is_waited_for(site: Site) -> None:
    process = site.recorder("early", KAFKA__BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}")
    wait_for(lambda: "is the broker running" in process.log, "word of the broker", site.tail)
    assert process.process.poll() is None
    process.process.send_signal(signal.SIGTERM)
    assert process.end() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB, with a ballast that leaves next to nothing of it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        (folder / "ballast").write_bytes(bytes(56 * 1024))
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_waited_for(site: Site, small_disk: Path) -> None:
    process = site.recorder("cramped", WORK_DIR=str(small_disk))
    site.send(film(10, "cramped"))
    wait_for(lambda: says(site, "cramped", "disk_full"), "word of the disk", site.tail)
    (small_disk / "ballast").unlink()
    wait_for(lambda: site.recorded("cramped") == 10 * FPS, "all segments", site.tail)
    assert site.numbers("cramped") == list(range(10 * FPS))
    assert process.process.poll() is None


def test_what_was_removed_while_the_recorder_was_down_is_said_to_be_destroyed(site: Site) -> None:
    process = site.recorder("absent")
    site.send(film(10, "square"))
    wait_for(lambda: site.recorded("square") == 10 * FPS, "all segments", site.tail)
    process.process.kill()
    process.end()
    removed = site.objects("square")[0]
    site.store.remove(removed)
    site.recorder("absent")

    def gone() -> list[str]:
        return [each.object_name for each in site.recordings("square") if each.state is RecordingState.DESTROYED]

    wait_for(lambda: gone() == [removed], "word of what is gone", site.tail)


class Later(MinioStore):
    """The real store, fifteen days on: a clock of its own that a test cannot set."""

    def now(self) -> datetime:
        return super().now() + timedelta(days=15)


def test_what_is_due_is_destroyed_in_the_real_store(site: Site) -> None:
    site.recorder()
    site.send(film(6, "old"))
    wait_for(lambda: site.recorded("old") == 6 * FPS, "two segments", site.tail)
    site.started[-1].process.kill()
    bus = MemoryBroker()
    clock = ManualClock(SystemClock().now() + timedelta(days=15))
    producer = MemoryBus(bus).producer()

    def destroyer(store: MinioStore) -> Destroyer:
        register = Register(MemoryBus(bus), bus.slots, store, producer, clock, timedelta(days=14))
        made = Destroyer(
            store,
            producer,
            clock,
            register,
            slots=bus.slots,
            retention_days=14,
            interval_s=60.0,
            most=100,
            hand_over_s=0.0,
        )
        made.own([DESTROYER_PARTITION])
        return made

    with pytest.raises(ClocksDisagree):
        destroyer(site.store).tick()
    assert site.objects("old"), "by the store's own clock nothing is due"
    destroyer(Later("recordings", site.store_settings)).tick()
    assert not site.objects("old")
    said = [Recording.decode(record.value or b"") for record in bus.records(RECORDINGS)]
    assert {each.state for each in said} == {RecordingState.DESTROYED}
    assert [each.object_name for each in said if each.camera == "old"] == [
        each.object_name for each in site.recordings("old")
    ]
