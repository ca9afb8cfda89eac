"""Nothing on the bus, whatever it says, ends the api; what was taken in can be listed and played."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from tests.application import film, in_memory, running
from tests.hostile import changed, one_by_one, streams, value_by_value
from tests.messages import alert_of, recording_of

from beffroi_api.bus.intake import IndexIntake
from beffroi_api.bus.positions import Positions
from beffroi_api.errors import NoPicture
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.health.service import Statuses
from beffroi_api.modules.live.schemas import View
from beffroi_api.modules.live.stills.pictures import from_batches
from beffroi_api.modules.live.streaming.buffer import LiveBuffer
from beffroi_api.modules.live.streaming.viewer import Held
from beffroi_api.modules.live.streaming.wire import message as live_message
from beffroi_api.process.settings import LiveSettings
from beffroi_common.bus import Absent, Backlog, InvalidRecord, Record
from beffroi_common.bus.batches import masked_batch
from beffroi_common.contracts import Camera, CameraSource, FrameBatch, MaskDecision, MaskMode
from beffroi_common.contracts.status import decode_status
from beffroi_common.topics import ALERTS, FRAMES_MASKED, RECORDINGS
from beffroi_testing import ManualClock

FUZZ = settings(deadline=None, suppress_health_check=list(HealthCheck))


def test_no_message_ends_the_intake_and_what_it_took_can_be_shown(tmp_path: Path) -> None:
    around, _, _, clock = in_memory(tmp_path)
    at = clock.now() - timedelta(minutes=1)
    alert, recording = (json.loads(each.encode()) for each in (alert_of("gate", at), recording_of("gate", at)))
    with running(around) as app:
        services, offsets = app.services, count()
        positions = Positions(services.database, clock)
        intake = IndexIntake(
            around.bus, services.alerts, services.recordings, positions, "api", clock, lambda: None, Backlog(clock)
        )

        def give(topic: str, message: dict[str, Any]) -> None:
            offset = next(offsets)
            if message.get("id") == alert["id"]:  # each of its own: of one that is known the older is ignored
                message = {**message, "id": f"{offset:032x}"}
            elif message.get("object_name") == recording["object_name"]:
                message = {**message, "object_name": f"segments/{offset}.mp4"}
            key = "gate" if topic == ALERTS.name else f"{message['store']}/{message['object_name']}"
            with suppress(InvalidRecord):
                intake.handle(Record(topic, 0, offset, key, json.dumps(message).encode(), 0))

        @FUZZ
        @given(message=changed(alert))
        def hostile_alerts(message: dict[str, Any]) -> None:
            give(ALERTS.name, message)

        @FUZZ
        @given(message=changed(recording))
        def hostile_recordings(message: dict[str, Any]) -> None:
            give(RECORDINGS.name, message)

        for message in value_by_value(alert):
            give(ALERTS.name, message)
        for message in value_by_value(recording):
            give(RECORDINGS.name, message)
        hostile_alerts()
        hostile_recordings()
        give(ALERTS.name, alert)
        body = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
        assert app.administrator.put("/api/v1/cameras/gate", json=body).status_code < 300
        page = app.operator.get("/api/v1/alerts", params={"limit": 500})
        assert (page.status_code, len(page.json()["items"]) > 10) == (200, True)
        segments = app.operator.get("/api/v1/cameras/gate/recordings").json()["segments"]
        assert len(segments) > 10
        for segment in segments:
            assert app.operator.get(segment["video_url"]).status_code in (206, 200, 404, 410, 416, 503)


def test_no_masked_batch_ends_a_live_view_or_a_still() -> None:
    clock, directory = ManualClock(), CameraDirectory()
    source, at = CameraSource(url="pattern:160x96@5"), datetime(2026, 1, 1, tzinfo=UTC)
    decision = MaskDecision(mode=MaskMode.OPEN, version=1, decided_by="a", decided_at=at, reason="a wall")
    directory.load([Camera(id="gate", name="Gate", commune="Lille", slot=0, source=source, masking=decision)], {})
    buffer = LiveBuffer(LiveSettings(), directory, clock)
    good = film(2, start_ns=clock.now_ns())

    def give(payloads: list[bytes]) -> None:
        taken: list[FrameBatch] = []
        for payload in payloads:
            with suppress(InvalidRecord):
                taken.append(masked_batch(Record(FRAMES_MASKED.name, 0, 0, "gate", payload, 0)))
        for batch in taken:
            buffer.offer(View.MASKED, batch)
            assert live_message(Held(batch, "avc1.42c00a", batch.size_bytes, 0.0), View.MASKED, 0)
        if taken:
            with suppress(NoPicture):
                from_batches(taken, None)

    for payloads in one_by_one(good):
        give(payloads)
    FUZZ(given(payloads=streams(good))(give))()
    assert buffer.offer(View.MASKED, replace(good[0], epoch=2**51))


def test_no_status_ends_the_table_of_statuses_or_a_page() -> None:
    clock = ManualClock()
    news: list[str] = []
    statuses = Statuses(clock, timedelta(seconds=30), lambda each: news.append(each.model_dump_json()), "service/api/a")
    at = clock.now().isoformat()
    about_camera = {
        "kind": "camera",
        "camera": "gate",
        "service": "masker",
        "level": "ok",
        "code": "masked",
        "message": "",
        "at": at,
        "counters": {"frames_in": 1},
        "resting_rules": {"r": "rule_unknown"},
    }
    about_service = {
        "kind": "service",
        "service": "masker",
        "instance": "a",
        "level": "ok",
        "code": "running",
        "message": "",
        "at": at,
        "started_at": at,
        "counters": {"cameras": 1},
    }

    def say(message: dict[str, Any]) -> None:
        with suppress(InvalidRecord):
            said = decode_status(json.dumps(message).encode())
            statuses.changed(said.key, said)
        assert all(each.model_dump_json() for each in (*statuses.of_camera("gate"), *statuses.all_services()))
        for key in list(statuses._services)[8:]:
            statuses.changed(key, Absent.MISSING)

    for good in (about_camera, about_service):
        for message in value_by_value(good):
            say(message)
        FUZZ(given(message=changed(good))(say))()
        say(good)
    assert news
