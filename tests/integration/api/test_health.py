"""How everything is, as far as it can be believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.application import Running, eventually

from beffroi_common.contracts import CameraStatus, Level, ServiceStatus
from beffroi_common.topics import STATUS

V1 = "/api/v1"


def said(place: Any, service: str, level: Level, code: str) -> None:
    status = CameraStatus(
        camera="gate", service=service, level=level, code=code, message=f"It is {code}.", at=place.clock.now()
    )
    place.around.bus.producer().send(STATUS, status.key, status)


def test_the_worst_of_what_is_said_of_a_camera(place: Any, app: Running, make_camera: Callable[..., Any]) -> None:
    def status() -> dict[str, Any]:
        found: dict[str, Any] = app.operator.get(f"{V1}/cameras/gate").json()["status"]
        return found

    assert make_camera(masked=False)["status"]["code"] == "no_mask_decision"
    assert make_camera()["status"]["code"] == "unknown"
    said(place, "recorder", Level.OK, "recording")
    said(place, "ingest", Level.ERROR, "wrong_password")
    said(place, "masker", Level.WARNING, "slow")
    found = eventually(lambda: status()["level"] == "error" and status())
    assert (found["service"], found["code"], found["message"]) == ("ingest", "wrong_password", "It is wrong_password.")
    place.clock.advance(21)
    assert status()["code"] == "unknown"


def test_services_broker_and_store(place: Any, app: Running, make_camera: Callable[..., Any]) -> None:
    make_camera()
    now = place.clock.now()
    masker = ServiceStatus(
        service="masker", instance="m1", level=Level.OK, code="running", message="", at=now, started_at=now
    )
    place.around.bus.producer().send(STATUS, masker.key, masker)

    def health() -> dict[str, Any]:
        found: dict[str, Any] = app.dpo.get(f"{V1}/health").json()
        return found

    eventually(lambda: [each["service"] for each in health()["services"]] == ["api", "masker"])
    eventually(lambda: health()["broker"]["reachable"] and health()["store"]["reachable"])
    assert health()["cameras"] == [{"camera": "gate", "statuses": []}]

    place.broker.away, place.store.away = True, True
    place.clock.advance(60)
    found = eventually(lambda: not health()["store"]["reachable"] and health())
    assert found["broker"]["reachable"] is False
    assert "is it running and reachable?" in found["broker"]["message"]
    assert "The object store does not answer" in found["store"]["message"]
    assert all(service["stale"] for service in found["services"])


def test_a_broker_that_is_away_at_start_stops_nothing(place: Any) -> None:
    place.broker.away = True
    with place.start() as app:
        health = app.operator.get(f"{V1}/health").json()
        assert health["broker"]["reachable"] is False
        assert health["broker"]["checked_at"] is None
        camera = {"name": "Gate", "commune": "Lille", "source": {"url": "pattern:160x96@5"}}
        assert app.administrator.put(f"{V1}/cameras/gate", json=camera).json()["published"] is False
        place.broker.away = False
        eventually(lambda: app.operator.get(f"{V1}/cameras/gate").json()["published"])
        place.clock.advance(6)  # the api says again how it is
        eventually(lambda: app.operator.get(f"{V1}/health").json()["broker"]["reachable"])


def test_unreadable_status_is_ignored(place: Any, app: Running, make_camera: Callable[..., Any]) -> None:
    make_camera()
    place.broker.append(STATUS.name, "camera/gate/ingest", b'{"kind": "camera"}', 0, {})
    said(place, "ingest", Level.OK, "connected")
    eventually(lambda: app.operator.get(f"{V1}/cameras/gate").json()["status"]["code"] == "connected")
