"""The rules as a process, against a real broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer
from tests.integration.processes import TIMEOUT_S, Bus, Service

from beffroi_common.bus import Record
from beffroi_common.bus.kafka import KafkaBus
from beffroi_common.contracts import (
    Alert,
    AlertState,
    Camera,
    CameraRule,
    CameraSource,
    CloseReason,
    DeadLetter,
    LegalBasis,
    TrackedObject,
    Tracks,
    Zone,
)
from beffroi_common.runtime.settings import KafkaSettings
from beffroi_common.topics import ALERTS, CAMERAS, TRACKS, dead_letter_topic
from beffroi_local.ports import free_port
from beffroi_local.process import await_condition

StartService = Callable[..., Service]
Send = Callable[[Iterable[Tracks]], None]
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
SLOT = 1
SQUARE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))


def camera(name: str) -> Camera:
    rule = CameraRule(id="loitering", rule="loitering", parameters={"threshold_s": 5.0}, geometry={"zone": "z"})
    basis = LegalBasis(
        analytic="loitering",
        purpose="essai",
        reference="arrêté 1",
        starts_at=START - timedelta(days=1),
        ends_at=START + timedelta(days=1),
    )
    zone = Zone(id="z", name="z", kind="sensitive", shape="polygon", points=SQUARE)
    return Camera(
        id=name,
        name=name,
        commune="Lille",
        slot=SLOT,
        source=CameraSource(url="pattern:320x180@10"),
        zones=(zone,),
        rules=(rule,),
        legal_bases=(basis,),
    )


def standing(name: str, from_s: float, to_s: float, track: str = "t-0") -> Iterable[Tracks]:
    """Somebody who stands still in the zone, five pictures a second, `to_s` not included."""
    for step in range(round(from_s * 5), round(to_s * 5)):
        yield Tracks(
            camera=name,
            epoch=1,
            sequence=step,
            capture_time=START + timedelta(seconds=step / 5),
            width=640,
            height=480,
            objects=(TrackedObject(track=track, label="person", box=(0.4, 0.3, 0.45, 0.5), confidence=0.9),),
        )


@pytest.fixture
def send(kafka: str) -> Send:
    """Send tracks and see them acknowledged."""

    def send_all(messages: Iterable[Tracks]) -> None:
        with closing(KafkaBus(KafkaSettings(bootstrap_servers=kafka), "test", "test").producer()) as producer:
            for each in messages:
                producer.send(TRACKS, each.camera, each, partition=SLOT)
            assert producer.flush(TIMEOUT_S) == 0

    return send_all


def alerts(records: list[Record]) -> list[Alert]:
    return [Alert.decode(record.value or b"") for record in records]


def await_alert(bus: Bus, name: str, state: AlertState) -> list[Alert]:
    return alerts(bus.read(ALERTS, name, lambda found: alerts(found)[-1].state is state, f"an alert {state} of {name}"))


def test_a_dwell_outlives_its_worker(bus: Bus, name: str, start_service: StartService, send: Send) -> None:
    witness = f"{name}-witness"
    for each in (name, witness):
        bus.configure(camera(each))
    rules = start_service("rules")
    send(standing(name, 0, 4))
    send(standing(witness, 0, 6))  # its alert says that all before it on the partition was counted
    await_alert(bus, witness, AlertState.OPENED)
    assert rules.is_ready()
    rules.stop(kill=True)
    rules.start()
    send(standing(name, 4, 6))
    (opened,) = await_alert(bus, name, AlertState.OPENED)
    assert opened.onset == START
    assert opened.occurred_at == START + timedelta(seconds=5)
    # Everything once more, as after a crash between saying and committing: nothing new is said.
    send(standing(name, 0, 6))
    send(standing(witness, 6, 12))
    await_alert(bus, witness, AlertState.UPDATED)
    said = [alert for alert in alerts(bus.everything(ALERTS)) if alert.camera == name]
    assert [(alert.id, alert.state) for alert in said] == [(opened.id, AlertState.OPENED)]


def test_what_cannot_be_read_goes_to_the_dead_letters_and_nothing_else_stops(
    bus: Bus, name: str, kafka: str, start_service: StartService, send: Send
) -> None:
    bus.configure(camera(name))
    start_service("rules")
    send(standing(name, 0, 3))
    (good,) = standing(name, 3, 3.2)
    raw = Producer({"bootstrap.servers": kafka})
    raw.produce(TRACKS.name, good.encode()[:-1] + b',"mood":"angry"}', name.encode(), SLOT)
    late = good.model_copy(update={"capture_time": START - timedelta(hours=1)})
    raw.produce(TRACKS.name, late.encode(), name.encode(), SLOT)
    assert raw.flush(TIMEOUT_S) == 0
    send(standing(name, 3, 6))
    await_alert(bus, name, AlertState.OPENED)
    letters = [
        DeadLetter.decode(record.value or b"")
        for record in bus.read(dead_letter_topic(TRACKS), name, lambda found: len(found) == 2, "two dead letters")
    ]
    assert "mood" in letters[0].reason
    assert "set back" in letters[1].reason
    assert {letter.service for letter in letters} == {"rules"}


def test_a_camera_that_dies_leaves_no_alert_open_and_a_removed_one_nothing(
    bus: Bus, name: str, start_service: StartService, send: Send
) -> None:
    rules = start_service("rules", IDLE_S="2", IDLE_CHECK_S="0.2")
    bus.configure(camera(name))
    send(standing(name, 0, 6))
    *_, closed = await_alert(bus, name, AlertState.CLOSED)
    assert (closed.closed_reason, closed.occurred_at) == (CloseReason.NO_PICTURE, START + timedelta(seconds=5.8))
    # The pictures were only late: the same person stays, under the same alert.
    send(standing(name, 6, 12))
    await_alert(bus, name, AlertState.UPDATED)
    bus.send(CAMERAS, name, None, SLOT)
    await_condition(lambda: name in forgotten(rules), TIMEOUT_S, "the rules to forget the camera")
    said = [alert for alert in alerts(bus.everything(ALERTS)) if alert.camera == name]
    assert [alert.state for alert in said] == ["opened", "closed", "updated", "closed"]
    assert {alert.id for alert in said} == {closed.id}
    # The next process reads from the changelog that it was forgotten: only who came since has to be.
    rules.stop()
    rules.start()
    other = f"{name}-other"
    send(standing(other, 0, 1))
    await_condition(lambda: other in forgotten(rules), TIMEOUT_S, "the rules to forget the other camera")
    assert forgotten(rules).count(name) <= 1, "once, by the process before, if the log still has that"


def test_an_alert_ends_though_the_rules_began_after_the_camera_died(
    bus: Bus, name: str, start_service: StartService, send: Send
) -> None:
    bus.configure(camera(name))
    rules = start_service("rules", IDLE_S="1000")
    send(standing(name, 0, 6))
    (opened,) = await_alert(bus, name, AlertState.OPENED)
    rules.stop(kill=True)
    rules.settings |= {"IDLE_S": "2", "IDLE_CHECK_S": "0.2"}
    rules.start()
    *_, closed = await_alert(bus, name, AlertState.CLOSED)
    assert (closed.id, closed.closed_reason) == (opened.id, CloseReason.NO_PICTURE)


def forgotten(rules: Service) -> list[str]:
    """Cameras of which the rules say that they remember nothing any more."""
    return [json.loads(line)["camera"] for line in rules.log.splitlines() if "is forgotten" in line]


def test_it_waits_for_a_broker_that_is_away_and_says_so(start_service: StartService) -> None:
    rules = start_service("rules", bootstrap_servers=f"127.0.0.1:{free_port()}")
    await_condition(lambda: "is the broker running?" in rules.log, TIMEOUT_S, "the rules to say that they wait")
    rules.stop()
    assert '"asked to stop"' in rules.log
