"""What every request goes through, and the console's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from starlette.testclient import TestClient, WebSocketDenialResponse
from tests.application import ADDRESS, PASSWORD, SYSTEM, Running, in_memory, running

from beffroi_api.http.security import METHODS
from beffroi_api.modules.audit import repository
from beffroi_api.modules.audit.schemas import Action
from beffroi_api.modules.audit.service import Entry
from beffroi_common.runtime.metrics import HTTP_REQUESTS

SIGN_IN = {"username": "operator", "password": PASSWORD}


def client(app: Running, **headers: str) -> TestClient:
    return TestClient(app.asgi, base_url=ADDRESS, headers=headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"X-Beffroi-Request": "1"}, 200),
        ({"X-Beffroi-Request": "1", "Origin": ADDRESS}, 200),
        ({"X-Beffroi-Request": "1", "Origin": "http://elsewhere"}, 403),
        ({"X-Beffroi-Request": "1", "Origin": "null"}, 403),
        ({"X-Beffroi-Request": "1", "Origin": "http://["}, 403),
        ({"Origin": ADDRESS}, 403),
    ],
)
def test_a_change_must_be_meant(app: Running, headers: dict[str, str], status: int) -> None:
    answer = client(app, **headers).post("/api/v1/session", json=SIGN_IN)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "foreign_origin"


def test_behind_a_proxy_the_public_origin_counts(tmp_path: Path) -> None:
    around, *_ = in_memory(tmp_path, public_origin="https://beffroi.lille.example")
    with running(around) as app:
        for origin, status in (("https://beffroi.lille.example", 200), (ADDRESS, 403)):
            answer = client(app, Origin=origin, **{"X-Beffroi-Request": "1"}).post("/api/v1/session", json=SIGN_IN)
            assert answer.status_code == status
            if status == 200:
                assert "Secure" in answer.headers["set-cookie"]


def test_a_live_view_from_another_site_is_refused(app: Running) -> None:
    headers = {"Origin": "http://elsewhere"}
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        app.operator.websocket_connect("/api/v1/cameras/gate/live", headers=headers),
    ):
        pass
    assert denied.value.status_code == 403
    assert denied.value.json()["code"] == "foreign_origin"


def test_a_large_body_is_refused_by_its_length(app: Running) -> None:
    answer = app.operator.post("/api/v1/session", content=b"x" * (600 * 1024))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_large_body_without_a_length_is_refused_as_it_comes(app: Running) -> None:
    answer = app.operator.post("/api/v1/session", content=(b"x" * 65536 for _ in range(16)))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_every_answer_carries_the_headers(app: Running) -> None:
    for path in ("/api/v1/meta", "/api/v1/nothing", "/api/v1/cameras", "/", "/.env"):
        headers = client(app).get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        if path.startswith("/api"):
            assert headers["cache-control"] == "no-store"


def test_a_bug_is_answered_like_all_else(app: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted() -> float:
        labels = {"route": "read_meta", "method": "GET", "status": "500"}
        return REGISTRY.get_sample_value("beffroi_http_requests_total", labels) or 0.0

    monkeypatch.setattr(app.services, "settings", None)
    before = counted()
    answer = TestClient(app.asgi, base_url=ADDRESS, raise_server_exceptions=False).get("/api/v1/meta")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert counted() == before + 1


@pytest.mark.parametrize(
    ("path", "query", "said"),
    [
        ("audit", {"before": "99999999999999999999"}, "query.before: Input should be less than or equal to"),
        ("cameras/gate/recordings", {"to": "0001-01-01T00:00:00Z"}, "query.to: Input should be greater than or"),
        ("cameras/gate/recordings", {"from": "0001-01-01T00:00:00+14:00"}, "query.from: Input should be greater than"),
        ("cameras/gate/still", {"at": "9999-12-31T23:59:59-14:00"}, "query.at: Input should be less than 2100"),
    ],
)
def test_what_no_trail_and_no_calendar_has_is_refused(app: Running, path: str, query: Any, said: str) -> None:
    who = app.dpo if path == "audit" else app.administrator
    answer = who.get(f"/api/v1/{path}", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert said in answer.json()["detail"]


def test_no_made_up_method_becomes_a_metric_of_its_own(app: Running) -> None:
    for number in range(20):
        client(app).request(f"MADEUP{number}", "/api/v1/meta")
    counted = {sample.labels["method"] for metric in HTTP_REQUESTS.collect() for sample in metric.samples}
    assert counted <= METHODS | {"other"}
    assert "other" in counted


def test_a_row_of_a_later_release_is_shown_as_it_is(app: Running) -> None:
    trail = app.services.trail
    trail.record(Entry("ada", "127.0.0.1", Action.SIGNED_OUT))
    with app.services.database.write(SYSTEM) as session:
        repository.last(session).action = "teleported"  # type: ignore[union-attr]
    page = app.dpo.get("/api/v1/audit")
    assert page.status_code == 200
    assert "teleported" in [row["action"] for row in page.json()["items"]]


def test_unknown_addresses_and_methods_are_problems(app: Running) -> None:
    for method, path, status in (("GET", "/api/v1/nothing", 404), ("PATCH", "/api/v1/cameras", 405)):
        answer = client(app, **{"X-Beffroi-Request": "1"}).request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_wrong_value_is_told_without_repeating_it(app: Running) -> None:
    answer = app.as_(None).post("/api/v1/session", json={"username": "operator", "password": "hunter2", "pin": "9876"})
    assert answer.status_code == 422
    assert answer.json()["fields"] == [{"field": "body.pin", "message": "Extra inputs are not permitted"}]
    assert "hunter2" not in answer.text
    assert "9876" not in answer.text


def test_without_a_console_it_is_said_how_to_build_it(app: Running) -> None:
    answer = client(app).get("/wall")
    assert answer.status_code == 503
    assert "npm run build" in answer.text


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "console"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Beffroi</title>")
    (folder / "assets" / "index-0a1b2c.js").write_text("export {}")
    (folder / "favicon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("not yours")
    return folder


def test_the_console(tmp_path: Path, built: Path) -> None:
    around, *_ = in_memory(tmp_path)
    with running(around) as app:
        page = client(app)
        for path in ("/", "/wall", "/cameras/gate/masks"):
            answer = page.get(path)
            assert "Beffroi" in answer.text
            assert answer.headers["cache-control"] == "no-cache"
        script = page.get("/assets/index-0a1b2c.js")
        assert "immutable" in script.headers["cache-control"]
        assert script.headers["content-type"].startswith("text/javascript")
        assert page.get("/favicon.svg").headers["cache-control"] == "no-cache"
        assert page.get("/assets/index-old.js").status_code == 404
        assert page.get("/" + "a" * 300).status_code == 200  # longer than the name of any file
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/..%5csecret.txt"):
            assert "not yours" not in page.get(path).text
