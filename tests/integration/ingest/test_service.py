"""Ingest as a process, against a real broker and real RTSP cameras."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from tests.integration.processes import SLOTS, TIMEOUT_S, Bus, Service

from beffroi_common.bus.admin import create_topics
from beffroi_common.bus.kafka import admin_client
from beffroi_common.contracts import Camera, CameraSource, FrameBatch, Level
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import CAMERAS, FRAMES_RAW, STATUS
from beffroi_local.cameras import RtspCamera
from beffroi_local.kafka import Broker
from beffroi_local.ports import free_port, is_open
from beffroi_local.process import STOP_TIMEOUT_S, Command, await_condition, running, start_ready, stop
from beffroi_local.testing import RtspCameraFactory

StartService = Callable[..., Service]
WRONG = "wr0ng-hunter2"
PATTERN = "pattern:320x180@10"


def camera(name: str, url: str = PATTERN, slot: int = 0, **more: object) -> Camera:
    credentials = more.pop("credentials", None)
    source = CameraSource.model_validate({"url": url, "credentials": credentials})
    return Camera(id=name, name=name, commune="Lille", slot=slot, source=source).model_copy(update=more)


def on(*cameras: RtspCamera) -> dict[str, str]:
    """Settings that let these cameras be opened."""
    ports = ",".join(str(each.server.port) for each in cameras)
    return {"ADDRESSES__NETWORKS": "127.0.0.1/32", "ADDRESSES__PORTS": ports}


def check_order(batches: list[FrameBatch]) -> None:
    """Epochs grow; within each, sequence numbers count from nought and times grow."""
    epochs = [batch.epoch for batch in batches]
    assert epochs == sorted(epochs)
    for epoch in set(epochs):
        own = [batch for batch in batches if batch.epoch == epoch]
        assert [batch.sequence for batch in own] == list(range(len(own)))
        times_ns = [unit.capture_time_ns for batch in own for unit in batch.units]
        assert times_ns == sorted(set(times_ns))
        assert own[0].starts_with_key


def test_pattern_and_rtsp_camera_reach_the_bus_each_in_its_slot(
    bus: Bus, start_service: StartService, rtsp_camera: RtspCameraFactory, name: str
) -> None:
    bus.configure(camera(name, slot=1))
    rtsp = rtsp_camera()
    bus.configure(camera(f"{name}-rtsp", rtsp.url))
    start_service("ingest", **on(rtsp))
    for each in (name, f"{name}-rtsp"):
        batches = bus.batches(FRAMES_RAW, each, lambda found: len(found) >= 6)
        check_order(batches)
        assert {len(batch.units) for batch in batches} == {5}
        assert bus.await_status(each, "ingest", "connected").level is Level.OK
    assert {record.partition for record in bus.everything(FRAMES_RAW) if record.key == name} == {1}


def test_a_wrong_password_is_told_and_is_in_no_log_and_no_message(
    bus: Bus, start_service: StartService, rtsp_camera: RtspCameraFactory, name: str, tmp_path: Path
) -> None:
    (tmp_path / "gate-login").write_text(f"admin:{WRONG}\n127.0.0.1\n")
    rtsp = rtsp_camera(user="admin", password="right")
    bus.configure(camera(name, rtsp.url, credentials="gate-login"))
    bus.configure(camera(f"{name}-other", slot=1))
    ingest = start_service("ingest", SECRETS_DIR=str(tmp_path), LOG_LEVEL="debug", **on(rtsp))
    status = bus.await_status(name, "ingest", "wrong_password")
    bus.batches(FRAMES_RAW, f"{name}-other", lambda found: len(found) >= 3)
    assert "secret" in status.message
    told = ingest.log.encode() + b"".join(
        record.value or b"" for topic in (CAMERAS, STATUS) for record in bus.everything(topic)
    )
    assert WRONG.encode() not in told
    assert Path(f"/proc/{ingest.pid}/cmdline").read_bytes().find(WRONG.encode()) == -1


def test_an_address_that_is_not_allowed_is_told_and_not_connected_to(
    bus: Bus, start_service: StartService, name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bus.configure(camera(name, f"rtsp://127.0.0.1:{listener.getsockname()[1]}/x"))
        bus.configure(camera(f"{name}-file", "file:///etc/passwd"))
        bus.configure(camera(f"{name}-other"))
        start_service("ingest", ADDRESSES__NETWORKS="127.0.0.1/32")
        for each in (name, f"{name}-file"):
            bus.await_status(each, "ingest", "address_not_allowed")
        bus.batches(FRAMES_RAW, f"{name}-other", lambda found: len(found) >= 3)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_dead_camera_stops_no_other_and_comes_back(
    bus: Bus, start_service: StartService, rtsp_camera: RtspCameraFactory, name: str
) -> None:
    dead = rtsp_camera()
    dead.stop()
    bus.configure(camera(name, dead.url))
    bus.configure(camera(f"{name}-other"))
    start_service("ingest", RETRY_MOST_S="1", **on(dead))
    bus.await_status(name, "ingest", "refused")
    bus.batches(FRAMES_RAW, f"{name}-other", lambda found: len(found) >= 3)
    dead.start()
    bus.batches(FRAMES_RAW, name, lambda found: len(found) >= 3)
    dead.stop()
    bus.await_status(name, "ingest", "refused")
    dead.start()
    check_order(bus.batches(FRAMES_RAW, name, lambda found: len({batch.epoch for batch in found}) >= 2))


def test_changes_apply_without_a_restart(bus: Bus, start_service: StartService, name: str) -> None:
    ingest = start_service("ingest")
    bus.configure(camera(name))
    bus.batches(FRAMES_RAW, name, lambda found: len(found) >= 2)
    bus.configure(camera(name, version=2, nominal_fps=100.0))
    bus.await_status(name, "ingest", "low_frame_rate")
    before = bus.batches(FRAMES_RAW, name, lambda found: len(found) >= 3)
    assert len({batch.epoch for batch in before}) == 1, "a change beside the source does not reconnect"
    bus.configure(camera(name, "pattern:160x120@10", version=3))
    after = bus.batches(FRAMES_RAW, name, lambda found: found[-1].width == 160)
    check_order(after)
    bus.configure(camera(name, "pattern:160x120@10", version=4, enabled=False))
    bus.await_status(name, "ingest", "disabled")
    assert ingest.running


def test_a_killed_ingest_goes_on_with_the_next_epoch(bus: Bus, start_service: StartService, name: str) -> None:
    bus.configure(camera(name))
    ingest = start_service("ingest")
    bus.batches(FRAMES_RAW, name, lambda found: len(found) >= 3)
    ingest.stop(kill=True)
    ingest.start()
    check_order(bus.batches(FRAMES_RAW, name, lambda found: len({batch.epoch for batch in found}) >= 2))


@pytest.fixture
def late_broker(tmp_path: Path) -> Broker:
    broker = Broker(folder=tmp_path / "kafka", port=free_port(), controller_port=free_port())
    broker.prepare()
    return broker


@dataclass
class Switch:
    """Turns a broker on and off."""

    broker: Broker
    _process: subprocess.Popen[bytes] | None = None

    def on(self) -> None:
        """Start it, and wait until it answers."""
        command = Command("kafka", self.broker.argv(), self.broker.folder)
        self._process = start_ready(command, lambda: is_open(self.broker.port), TIMEOUT_S)

    def off(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Ask it to end, and kill it if it has not by then."""
        if self._process is not None:
            stop(self._process, timeout_s=timeout_s)
            self._process = None


@pytest.fixture
def switch(late_broker: Broker) -> Iterator[Switch]:
    """A broker with the registry's topics, turned on."""
    switch = Switch(late_broker)
    switch.on()
    try:
        create_topics(KafkaSettings(bootstrap_servers=late_broker.bootstrap_servers), slots=SLOTS)
        yield switch
    finally:
        switch.off(timeout_s=0)


def test_a_broker_away_at_the_start_is_waited_for_in_clear_words(
    late_broker: Broker, start_service: StartService, name: str
) -> None:
    ingest = start_service("ingest", bootstrap_servers=late_broker.bootstrap_servers, RETRY_LOG_S="0.5")
    await_condition(lambda: "is the broker running" in ingest.log, TIMEOUT_S, "words about the broker")
    command = Command("kafka", late_broker.argv(), late_broker.folder)
    with running(command, lambda: is_open(late_broker.port), TIMEOUT_S, stop_timeout_s=0):
        create_topics(KafkaSettings(bootstrap_servers=late_broker.bootstrap_servers), slots=SLOTS)
        bus = Bus(late_broker.bootstrap_servers)
        bus.configure(camera(name))
        bus.batches(FRAMES_RAW, name, lambda found: len(found) >= 3)
        ingest.stop()


def test_pictures_taken_while_the_broker_is_away_arrive_when_it_is_back(
    switch: Switch, start_service: StartService, name: str
) -> None:
    bus = Bus(switch.broker.bootstrap_servers)
    bus.configure(camera(name))
    ingest = start_service("ingest", bootstrap_servers=switch.broker.bootstrap_servers)
    before = bus.batches(FRAMES_RAW, name, lambda found: len(found) >= 4)
    switch.off()
    switch.on()
    after = bus.batches(FRAMES_RAW, name, lambda found: len(found) >= len(before) + 10)
    assert ingest.running
    check_order(after)
    assert len({batch.epoch for batch in after}) == 1


def waiting(ingest: Service, camera: str) -> float:
    """Batches that were cut of a camera and that the broker does not have."""
    cut, delivered = (ingest.metric(f"beffroi_batches_{way}_total", camera=camera) for way in ("in", "out"))
    return cut - delivered


def test_a_broker_away_for_longer_than_a_session_interrupts_no_camera(
    switch: Switch, start_service: StartService, name: str
) -> None:
    servers = switch.broker.bootstrap_servers
    bus = Bus(servers)
    bus.configure(camera(name))
    ingest = start_service("ingest", bootstrap_servers=servers, KAFKA__SESSION_TIMEOUT_S="6", RETRY_LOG_S="1")
    bus.batches(FRAMES_RAW, name, lambda found: len(found) >= 4)
    switch.off()
    gone_ns = time.time_ns()
    await_condition(lambda: "partitions lost" in ingest.log, TIMEOUT_S, "the loss")
    await_condition(lambda: waiting(ingest, name) >= 10, TIMEOUT_S, "5 s of pictures that wait")
    switch.on()
    back_ns = time.time_ns()
    batches = bus.batches(FRAMES_RAW, name, lambda found: found[-1].units[0].capture_time_ns > back_ns)
    bus.configure(camera(name, version=2, enabled=False))
    bus.await_status(name, "ingest", "disabled")
    check_order(batches)
    assert len({batch.epoch for batch in batches}) == 1
    captured_ns = [unit.capture_time_ns for batch in batches for unit in batch.units]
    assert sum(gone_ns < each < back_ns for each in captured_ns) > 9 * (back_ns - gone_ns) / 10**9


def test_a_status_that_the_broker_refuses_ends_nothing(
    late_broker: Broker, start_service: StartService, name: str
) -> None:
    command = Command("kafka", late_broker.argv(), late_broker.folder)
    with running(command, lambda: is_open(late_broker.port), TIMEOUT_S, stop_timeout_s=0):
        settings = KafkaSettings(bootstrap_servers=late_broker.bootstrap_servers)
        create_topics(settings, slots=SLOTS)
        refuse_everything(settings, STATUS.name)
        bus = Bus(late_broker.bootstrap_servers)
        bus.configure(camera(name))
        ingest = start_service("ingest", bootstrap_servers=late_broker.bootstrap_servers)
        await_condition(
            lambda: "status not sent" in ingest.log or not ingest.running, TIMEOUT_S, "words about the refusal"
        )
        assert ingest.running
        told_ns = time.time_ns()
        check_order(bus.batches(FRAMES_RAW, name, lambda found: found[-1].units[0].capture_time_ns > told_ns))
        assert ingest.running


def refuse_everything(settings: KafkaSettings, topic: str) -> None:
    """Let the broker refuse each message to `topic` for good."""
    smallest = ConfigEntry("max.message.bytes", "1", incremental_operation=AlterConfigOpType.SET)
    wanted = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[smallest])
    admin = admin_client(settings, "test")  # by name: what is asked dies with it
    for future in admin.incremental_alter_configs([wanted]).values():
        future.result()
