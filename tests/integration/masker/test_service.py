"""The masker as a process against a real broker, fed by ingest and by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from confluent_kafka import Producer
from tests.integration.processes import SLOTS, TIMEOUT_S, Bus, Service

from beffroi_common import pattern
from beffroi_common.bus.admin import create_topics
from beffroi_common.contracts import AccessUnit, Camera, Codec, DeadLetter, FrameBatch, Level, MaskDecision, Stream
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import FRAMES_MASKED, FRAMES_RAW, dead_letter_topic
from beffroi_local.kafka import Broker
from beffroi_local.ports import free_port, is_open
from beffroi_local.process import Command, await_condition, running

StartService = Callable[..., Service]


def luma_planes(batches: Sequence[FrameBatch]) -> list[np.ndarray]:
    """The luma of every picture, each batch decoded by itself."""
    found = []
    for batch in batches:
        decoder = av.VideoCodecContext.create("h264", "r")
        assert isinstance(decoder, av.VideoCodecContext)
        pictures = [picture for unit in batch.units for picture in decoder.decode(av.Packet(unit.data))]
        for picture in [*pictures, *decoder.decode(None)]:
            plane = picture.planes[0]
            found.append(np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:, : picture.width])
    return found


def distinct(batches: Sequence[FrameBatch]) -> list[FrameBatch]:
    """Without repeats; a repeat must be the same to the last bit."""
    seen: dict[tuple[str, str, int, int], FrameBatch] = {}
    for batch in batches:
        assert seen.setdefault(batch.identity, batch) == batch
    return list(seen.values())


def at_least(count: int) -> Callable[[list[FrameBatch]], bool]:
    """So many different batches."""
    return lambda found: len(distinct(found)) >= count


def numbers(batches: Sequence[FrameBatch]) -> list[int | None]:
    """The frame numbers in the pictures."""
    return [pattern.read(luma) for luma in luma_planes(batches)]


def test_no_picture_is_lost_or_doubled_when_the_masker_is_killed_and_none_shows_what_is_masked(
    bus: Bus, start_service: StartService, masked_camera: Camera
) -> None:
    """Several cameras are at work in several threads when it is killed, two of them in one slot."""
    cameras = [
        masked_camera.model_copy(update={"id": f"{masked_camera.id}-{number}", "slot": number % SLOTS})
        for number in range(SLOTS + 1)
    ]
    for camera in cameras:
        bus.configure(camera)
    start_service("ingest")
    masker = start_service("masker", WORKERS=str(len(cameras)))
    for wanted in (3, 9):
        for camera in cameras:
            bus.batches(FRAMES_MASKED, camera.id, at_least(wanted))
        masker.stop(kill=True)
        masker.start()
    for camera in cameras:
        _check_every_picture(bus, camera)


def _check_every_picture(bus: Bus, masked_camera: Camera) -> None:
    batches = bus.batches(FRAMES_MASKED, masked_camera.id, at_least(15))
    found = [number for number in numbers(distinct(batches)) if number is not None]
    assert found == list(range(found[0], found[0] + sum(len(batch.units) for batch in distinct(batches))))
    for luma in luma_planes(distinct(batches)):
        assert np.abs(luma[: int(240 * 0.4) - 8].astype(int) - 96).max() <= 2
    raw = bus.batches(FRAMES_RAW, masked_camera.id, lambda found: len(found) >= len(distinct(batches)))
    identities = [batch.identity for batch in raw]
    assert [batch.identity for batch in distinct(batches)] == identities[: len(distinct(batches))]


def test_without_a_decision_nothing_passes_and_a_change_is_in_force_without_a_restart(
    bus: Bus, start_service: StartService, masked_camera: Camera, decision: MaskDecision
) -> None:
    name = masked_camera.id
    bus.configure(masked_camera.model_copy(update={"masking": None}))
    start_service("ingest")
    start_service("masker")
    status = bus.await_status(name, "masker", "no_mask_decision")
    assert status.level is Level.ERROR
    assert [record for record in bus.everything(FRAMES_MASKED) if record.key == name] == []
    bus.configure(masked_camera)
    bus.batches(FRAMES_MASKED, name, lambda found: found[-1].mask_version == 1)
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    bus.configure(
        masked_camera.model_copy(update={"masking": decision.model_copy(update={"polygons": (whole,), "version": 2})})
    )
    batches = bus.batches(FRAMES_MASKED, name, lambda found: len(found) > 3 and found[-3].mask_version == 2)
    for luma, version in zip(luma_planes(batches), (b.mask_version for b in batches for _ in b.units), strict=True):
        assert (np.ptp(luma) <= 3) == (version == 2)


def raw_batch(name: str, size_bytes: int = 1000) -> FrameBatch:
    unit = AccessUnit(0, 0, 1, True, bytes(size_bytes))
    return FrameBatch(name, Stream.MAIN, 1, 0, Fraction(1, 90_000), Codec.H264, 320, 240, 0, (unit,))


def test_a_truncated_batch_is_a_dead_letter_without_pixels_and_the_next_pass(
    bus: Bus, kafka: str, start_service: StartService, masked_camera: Camera
) -> None:
    bus.configure(masked_camera)
    start_service("ingest")
    payload = raw_batch(masked_camera.id, 100_000).encode()[:-1000]
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(FRAMES_RAW.name, payload, masked_camera.id, partition=0)
    assert producer.flush(TIMEOUT_S) == 0
    start_service("masker")
    bus.batches(FRAMES_MASKED, masked_camera.id, lambda found: len(found) >= 2)
    buried = [record for record in bus.everything(dead_letter_topic(FRAMES_RAW)) if record.key == masked_camera.id]
    letter = DeadLetter.decode(buried[0].value or b"")
    assert "cut short" in letter.reason
    assert (letter.size_bytes, letter.payload) == (len(payload), None)


def test_a_batch_of_50_mb_is_refused_by_the_broker(bus: Bus, kafka: str, name: str) -> None:
    producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 100_000_000})
    refused: list[str] = []
    producer.produce(
        FRAMES_RAW.name,
        raw_batch(name, 50_000_000).encode(),
        name,
        partition=0,
        on_delivery=lambda error, _message: refused.append(error.name() if error else "taken"),
    )
    producer.flush(TIMEOUT_S)
    assert refused == ["MSG_SIZE_TOO_LARGE"]


def test_pictures_of_an_unknown_camera_do_not_pass_and_stop_no_other(
    bus: Bus, start_service: StartService, masked_camera: Camera
) -> None:
    ghost = f"{masked_camera.id}-ghost"
    bus.configure(masked_camera)
    bus.send(FRAMES_RAW, ghost, raw_batch(ghost), 0)
    start_service("ingest")
    start_service("masker")
    bus.await_status(ghost, "masker", "unknown_camera")
    bus.batches(FRAMES_MASKED, masked_camera.id, lambda found: len(found) >= 2)
    assert [record for record in bus.everything(FRAMES_MASKED) if record.key == ghost] == []


def test_a_broker_away_at_the_start_is_waited_for_in_clear_words(
    start_service: StartService, masked_camera: Camera, tmp_path: Path
) -> None:
    broker = Broker(folder=tmp_path / "kafka", port=free_port(), controller_port=free_port())
    broker.prepare()
    masker = start_service("masker", bootstrap_servers=broker.bootstrap_servers, RETRY_LOG_S="0.5")
    await_condition(lambda: "is the broker running" in masker.log, TIMEOUT_S, "words about the broker")
    with running(
        Command("kafka", broker.argv(), broker.folder), lambda: is_open(broker.port), TIMEOUT_S, stop_timeout_s=0
    ):
        create_topics(KafkaSettings(bootstrap_servers=broker.bootstrap_servers), slots=SLOTS)
        bus = Bus(broker.bootstrap_servers)
        bus.configure(masked_camera)
        start_service("ingest", bootstrap_servers=broker.bootstrap_servers)
        bus.batches(FRAMES_MASKED, masked_camera.id, lambda found: len(found) >= 2)


@pytest.mark.parametrize("setting", [{"CRFF": "23"}, {"CRF": "400"}, {"PRESET": "slowest"}])
def test_a_wrong_setting_ends_the_process_and_is_named(start_service: StartService, setting: dict[str, str]) -> None:
    masker = start_service("masker", **setting)
    await_condition(lambda: not masker.running, TIMEOUT_S, "the masker to end")
    assert next(iter(setting)).lower() in masker.log.lower()
    assert "400" not in masker.log
