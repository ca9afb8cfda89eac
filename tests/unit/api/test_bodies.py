"""What is said in a request is bounded before it is read, and so is what is answered to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.application import PASSWORD, Running

from beffroi_api.bulkheads.turns import Limits, Turns
from beffroi_api.http.bodies import SMALL_BYTES
from beffroi_api.http.problems import MOST_FIELDS

V1 = "/api/v1"
HALF = '"\\ud800"'
"""Half of a character: JSON can say it, and no text holds it."""
JSON = {"Content-Type": "application/json"}
FULL = Turns("large requests", Limits(at_once=0, per_key=0, wait_s=0.01))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/session", f'{{"username": "operator", "password": {HALF}}}'),
        ("POST", "/session", f'{{"username": "operator", "password": "{PASSWORD}", "code": {HALF}}}'),
        ("PUT", "/account/password", f'{{"current": {HALF}, "new": "x"}}'),
        ("PUT", "/account/password", f'{{"current": "{PASSWORD}", "new": {HALF}}}'),
        ("POST", "/account/second-factor", f'{{"password": {HALF}}}'),
        ("PUT", "/account/second-factor", f'{{"pending": {HALF}, "code": "123456"}}'),
        ("PUT", "/account/second-factor", f'{{"pending": "x", "code": {HALF}}}'),
        ("POST", "/account/second-factor/removal", f'{{"password": "{PASSWORD}", "code": {HALF}}}'),
    ],
)
def test_a_secret_that_is_no_text_is_refused(app: Running, method: str, path: str, body: str) -> None:
    answer = app.operator.request(method, f"{V1}{path}", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("path", ["/session", "/account/second-factor", "/nothing"])
def test_only_of_cameras_much_is_said(app: Running, path: str) -> None:
    for size_bytes, status in ((SMALL_BYTES, {422, 405}), (SMALL_BYTES + 1, {413})):
        answer = app.operator.post(f"{V1}{path}", content=b"x" * size_bytes, headers=JSON)
        assert answer.status_code in status
    large = app.operator.put(f"{V1}/cameras/gate/zones", content=b"x" * (SMALL_BYTES + 1), headers=JSON)
    assert large.status_code in (400, 403, 422)


@pytest.mark.parametrize("length", ["9" * 5000, "٣", "-1", "+1", "1_0", " ", "1e3"])
def test_a_length_that_is_none_is_refused(app: Running, length: str) -> None:
    headers = [(b"Content-Length", length.encode())]
    answer = app.operator.put(f"{V1}/cameras/gate", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_large_requests_come_by_turns(app: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    large, admission = b"x" * (SMALL_BYTES + 1), app.services.admission
    path = f"{V1}/cameras/gate/zones"
    app.administrator.get(f"{V1}/session").raise_for_status()  # from here on known
    monkeypatch.setattr(admission, "large_of_strangers", FULL)
    assert app.as_(None).put(path, content=large, headers=JSON).status_code == 503
    assert app.administrator.put(path, content=large, headers=JSON).status_code in (400, 422)
    assert admission.large_of_people.taken == 0
    monkeypatch.setattr(admission, "large_of_people", FULL)
    assert app.administrator.put(path, content=large, headers=JSON).status_code == 503
    assert app.administrator.put(path, content=b"{}", headers=JSON).status_code == 404


def rule(**fields: Any) -> dict[str, Any]:
    return {"zones": [], "rules": [{"id": "a", "rule": "loitering", "parameters": {}, "geometry": {}} | fields]}


@pytest.mark.parametrize(
    "wrong",
    [
        {f"field-{number}": 1 for number in range(5000)},
        {"zones": [{} for _ in range(5000)]},
        {"x" * 100_000: 1},
        rule(geometry={f"Role {number}": "!" for number in range(5000)}),
        rule(**{f"field-{number}": 1 for number in range(5000)}),
    ],
    ids=["fields", "zones", "a long name", "roles", "fields of a rule"],
)
def test_what_is_wrong_is_said_in_few_words(app: Running, wrong: dict[str, Any]) -> None:
    answer = app.administrator.put(f"{V1}/cameras/gate/zones", content=json.dumps(wrong), headers=JSON)
    assert answer.status_code == 422
    assert 1 <= len(answer.json()["fields"]) <= MOST_FIELDS
    assert len(answer.content) < 10_000
