"""Vision as a process: the real model, a real broker, real pictures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from confluent_kafka import Producer
from tests.integration.detector import vtest
from tests.integration.processes import TIMEOUT_S, Bus, Service

from beffroi_common.bus import Record
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.contracts import DeadLetter, FrameBatch, Tracks, Viewers
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import FRAMES_ANNOTATED, FRAMES_MASKED, TRACKS, VIEWERS, dead_letter_topic
from beffroi_local.process import await_condition

StartService = Callable[..., Service]
SLOT = 0
SECONDS = 3

needs_footage = pytest.mark.skipif(not vtest.CLIP.exists(), reason=f"the shared footage is not here ({vtest.CLIP})")


def batches(name: str) -> list[FrameBatch]:
    """Three seconds of the clip, captured just now."""
    units = vtest.masked_units(23, frames=SECONDS * vtest.FPS)
    late_ns = round((datetime.now(UTC) - vtest.START).total_seconds()) * vtest.SECOND_NS
    found = islice(vtest.batches(units, 1, late_ns / vtest.SECOND_NS), SECONDS * vtest.FPS // vtest.BATCH_PICTURES)
    return [replace(each, camera=name) for each in found]


def tracks(records: list[Record]) -> list[Tracks]:
    return [Tracks.decode(record.value or b"") for record in records]


@needs_footage
def test_people_are_found_followed_and_drawn(bus: Bus, name: str, kafka: str, start_service: StartService) -> None:
    now = datetime.now(UTC)
    basis = (
        vtest.camera()
        .legal_bases[0]
        .model_copy(update={"starts_at": now - timedelta(hours=1), "ends_at": now + timedelta(hours=1)})
    )
    bus.configure(vtest.camera().model_copy(update={"id": name, "slot": SLOT, "legal_bases": (basis,)}))
    forbidden = f"{name}-forbidden"
    bus.configure(vtest.camera().model_copy(update={"id": forbidden, "slot": SLOT, "legal_bases": ()}))
    with closing(KafkaBus(KafkaSettings(bootstrap_servers=kafka), "test", "test").producer()) as producer:
        producer.send(VIEWERS, name, Viewers(camera=name, annotated_until=now + timedelta(hours=1)), partition=SLOT)
        assert producer.flush(TIMEOUT_S) == 0
    # Late pictures are not drawn, and on a busy machine these may be: their limit is raised, not the pace.
    vision = start_service("vision", CATCH_UP_AFTER_S="600", ANNOTATED_LATE_S="600")
    sent = batches(name)
    raw = Producer({"bootstrap.servers": kafka, "message.max.bytes": 20_000_000})
    raw.produce(FRAMES_MASKED.name, sent[0].encode()[:-50], name.encode(), SLOT)
    assert raw.flush(TIMEOUT_S) == 0
    for each in sent:
        bus.send(FRAMES_MASKED, forbidden, replace(each, camera=forbidden), SLOT)
        bus.send(FRAMES_MASKED, name, each, SLOT)
    found = tracks(
        bus.read(TRACKS, name, lambda all_: tracks(all_)[-1].sequence == sent[-1].sequence, f"tracks of {name}")
    )
    assert vision.is_ready()
    people = [len(each.objects) for each in found]
    assert max(people) >= 4
    assert len({each.track for message in found for each in message.objects}) <= 2 * max(people)
    annotated = bus.batches(FRAMES_ANNOTATED, name, lambda all_: all_[-1].sequence == sent[-1].sequence)
    assert {each.sequence for each in annotated} <= {each.sequence for each in sent}
    assert all(each.starts_with_key and len(each.units) == vtest.BATCH_PICTURES for each in annotated)
    (letter,) = bus.read(dead_letter_topic(FRAMES_MASKED), name, lambda all_: len(all_) == 1, "a dead letter")
    assert DeadLetter.decode(letter.value or b"").payload is None
    assert [record for record in bus.everything(TRACKS) if record.key == forbidden] == []


def test_without_a_model_it_ends_and_says_what_to_do(
    start_service: StartService, tmp_path_factory: pytest.TempPathFactory
) -> None:
    vision = start_service("vision", MODEL_FOLDER=str(tmp_path_factory.mktemp("empty")))
    await_condition(lambda: "python -m beffroi_prepare_model" in vision.log, TIMEOUT_S, "vision to say what to do")
