"""Whatever is said to an endpoint, by whomever: it answers, in words of its own, and what it kept can be read again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from tests.application import CHEAP, PASSWORD, Running, in_memory, running
from tests.hostile import changed, value_by_value
from tests.messages import alert_of, recording_of

from beffroi_api.authz.roles import Role
from beffroi_common.recordings.naming import segment_id

V1 = "/api/v1"
NEVER = 10**9
PATIENT = {
    "failures_per_account_and_address": NEVER,
    "failures_per_address": NEVER,
    "failures_per_account": NEVER,
    "most_per_person": NEVER,
}
FUZZ = settings(deadline=None, suppress_health_check=list(HealthCheck))

CORNERS = [[0, 0], [1, 0], [1, 1]]
ZONE = {"id": "crossroads", "name": "Crossroads", "kind": "sensitive", "shape": "polygon", "points": CORNERS}
RULE = {"id": "r", "rule": "loitering", "parameters": {"threshold_s": 20}, "geometry": {"zone": "crossroads"}}
BASIS = {
    "analytic": "loitering",
    "purpose": "a test",
    "reference": "2026-1",
    "starts_at": "2026-01-01T00:00:00Z",
    "ends_at": "2027-01-01T00:00:00Z",
}
CAMERA = {
    "name": "Gate",
    "commune": "Lille",
    "source": {"url": "pattern:160x96@5", "credentials": "gate", "transport": "tcp"},
    "nominal_fps": 5,
    "enabled": True,
}
BURN = {
    "mode": "burn",
    "polygons": [CORNERS],
    "reason": "a wall",
    "drawn_on": {"width": 160, "height": 96, "pixel_aspect": 1.0, "cropped_left": 0, "cropped_top": 0},
}

BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/session"): {"username": "operator", "password": PASSWORD, "code": "123456"},
    ("PUT", "/cameras/gate"): CAMERA,
    ("PUT", "/cameras/gate/masking"): BURN,
    ("PUT", "/cameras/gate/zones"): {"zones": [ZONE], "rules": [RULE]},
    ("PUT", "/cameras/gate/legal-bases"): [BASIS],
    ("PUT", "/account/password"): {"current": PASSWORD, "new": "x"},
    ("POST", "/account/second-factor"): {"password": PASSWORD},
    ("PUT", "/account/second-factor"): {"pending": "gAAAA", "code": "123456"},
    ("POST", "/account/second-factor/removal"): {"password": PASSWORD, "code": "123456"},
}
"""Of every endpoint that takes one, a body that is right."""

SAID = [
    b"",
    b"null",
    b"\xff\xfe{",
    b'"',
    b"[" * 5000,
    b'{"a":' * 1500,
    b"9" * 5000,
    b"1e999",
    b"NaN",
    b'{"a":1,"a":2}',
    b'{"\\ud800":"\\udfff"}',
    "{}".encode("utf-16"),
    b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n--x--",
]
TYPES = [
    "application/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "\xff",
]

TEXTS = [
    "",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "..",
    "%2e%2e%2f",
    "%E2%80%AE",
    "a" * 2000,
    "9" * 400,
    "-1",
    "1e999",
    "NaN",
    "0001-01-01T00:00:00%2B14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01T00:00:00",
    "%27%20OR%201%3D1",
    "MDAwMS0wMS0wMVQwMDowMDowMCAA",
]
"""For a part of an address, as they stand in it. The last is a cursor of the first day of the calendar."""

HEADERS = {
    "if-match": ['"\xb2"', "9" * 40, "W/"],
    "range": ["bytes=\xb2-", "bytes=0-0,1-1", "bytes=" + "9" * 90, "bytes=-0"],
}

INTERNALS = re.compile(r"Traceback|sqlalchemy|psycopg|sqlite|\.py\b|0x[0-9a-f]{8}|argon2|UnicodeEncode", re.IGNORECASE)
EXPECTED_503 = {"busy", "store_away", "unknown_store"}


@dataclass
class Target:
    """An application with an alert and a recording, and the answers it may not give."""

    app: Running
    names: dict[str, str]

    def ask(self, role: Role | None, method: str, path: str, **said: Any) -> Any:
        """Ask, and see that the answer is one of the api's own."""
        client = self.client(role)
        cookies = dict(client.cookies)
        answer = client.request(method, f"{V1}{path}", **said)
        client.cookies.clear()
        client.cookies.update(cookies)  # who signs in stays who they were
        told = f"{role} {method} {path[:200]} {str(said)[:300]}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500 or answer.json()["code"] in EXPECTED_503, told
        assert answer.status_code < 400 or answer.headers["content-type"] == "application/problem+json", told
        assert answer.status_code < 400 or INTERNALS.search(answer.text) is None, told
        return answer

    def client(self, role: Role | None) -> TestClient:
        return self.app.as_(role)

    def concrete(self, path: str) -> str:
        for name, value in self.names.items():
            path = path.replace(name, value)
        return path.removeprefix(V1)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    around, _, _, clock = in_memory(tmp_path_factory.mktemp("api"), session=PATIENT)
    alert, recording = alert_of("gate", clock.now()), recording_of("gate", clock.now())
    with running(around) as app:
        app.services.passwords._hasher = CHEAP
        app.services.alerts.take(alert)
        app.services.recordings.take(recording)
        segment = segment_id(recording.key)
        yield Target(app, {"{camera}": "gate", "{alert}": alert.id, "{segment}": segment, "{session}": "1"})


@pytest.fixture(scope="module")
def operations(target: Target) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every endpoint that ends by itself, out of the document."""
    paths = target.app.asgi.openapi()["paths"]
    return [
        (method.upper(), path, described)
        for path, methods in paths.items()
        for method, described in methods.items()
        if not path.endswith("/events")
    ]


def allowed(described: dict[str, Any]) -> Role | None:
    roles = described["x-roles"]
    return None if roles == ["everyone"] else Role(roles[0])


def test_every_endpoint_that_takes_a_body_is_attacked(target: Target, operations: list[Any]) -> None:
    assert {(m, target.concrete(path)) for m, path, described in operations if "requestBody" in described} == set(
        BODIES
    )


@pytest.mark.parametrize(("method", "path"), BODIES)
def test_no_value_in_a_body_breaks_an_endpoint(target: Target, method: str, path: str) -> None:
    for body in (*value_by_value(BODIES[method, path]), *halves(BODIES[method, path])):
        target.ask(role_of(path), method, path, **as_json(body))
    for said in SAID:
        for kind in TYPES:
            headers = [(b"content-type", kind.encode("latin-1"))]
            target.ask(role_of(path), method, path, content=said, headers=headers)
    readable(target)


def test_no_values_together_break_an_endpoint(target: Target) -> None:
    @FUZZ
    @given(data=st.data(), endpoint=st.sampled_from(sorted(BODIES)), role=st.sampled_from([None, *Role]))
    def attack(data: st.DataObject, endpoint: tuple[str, str], role: Role | None) -> None:
        body = data.draw(changed({"": BODIES[endpoint], "beside": 0}))
        target.ask(role, *endpoint, **as_json(body.get("")))

    attack()
    readable(target)


def test_no_address_breaks_an_endpoint(target: Target, operations: list[Any]) -> None:
    for method, path, described in operations:
        if method == "DELETE" and "{" not in path:
            continue  # ends sessions, and says nothing of what it is given
        role, parameters = allowed(described), described.get("parameters", [])
        for parameter in parameters:
            name, place = parameter["name"], parameter["in"]
            if place == "path":
                addresses = [target.concrete(path.replace(f"{{{name}}}", text)) for text in TEXTS]
                requests: list[tuple[str, Any]] = [(address, {}) for address in addresses]
            elif place == "query":
                address = target.concrete(path)
                requests = [(f"{address}?{name}={text}", {}) for text in TEXTS]
                requests.append((f"{address}?{name}=1&{name}=2&{name}[]=3", {}))
            else:
                values = [(name.encode(), value.encode("latin-1")) for value in HEADERS[name.lower()]]
                requests = [(target.concrete(path), {"headers": [value]}) for value in values]
            for address, said in requests:
                target.ask(role, method, address, **said)
    readable(target)


@pytest.mark.parametrize("host", ["[", "evil/x?", "a b", "\xff", "", "x" * 3000, "::1]:9999999"])
def test_no_host_breaks_an_answer_nor_the_trail(target: Target, host: str) -> None:
    headers = [(b"host", host.encode("latin-1"))]
    assert target.ask(Role.OPERATOR, "GET", "/audit", headers=headers).status_code == 403
    row = next(row for row in audit(target) if row["action"] == "denied")
    assert (row["user"], row["subject"]) == ("operator", f"GET {V1}/audit")
    target.ask(Role.OPERATOR, "PUT", "/cameras/gate/", headers=headers)


@pytest.mark.parametrize("text", TEXTS)
def test_no_address_of_a_view_breaks_it(target: Target, text: str) -> None:
    for path in (f"/cameras/{text or 'x'}/live", f"/cameras/gate/live?view={text}"):
        with (
            pytest.raises((WebSocketDenialResponse, WebSocketDisconnect)) as denied,
            target.client(Role.OPERATOR).websocket_connect(V1 + path),
        ):
            pass
        assert getattr(denied.value, "status_code", 404) in (404, 422)  # where no view is, it is just closed


def halves(body: Any) -> Iterator[Any]:
    """The body with half a character in place of each text in turn."""
    text = json.dumps(body)
    for found in re.finditer(r'"[^"]*"', text):
        yield json.loads(f'{text[: found.start()]}"\\ud800"{text[found.end() :]}')


def as_json(body: Any) -> dict[str, Any]:
    return {"content": json.dumps(body), "headers": {"content-type": "application/json"}}


def role_of(path: str) -> Role | None:
    if path == "/session":
        return None
    return Role.ADMINISTRATOR if path.startswith("/cameras") else Role.DPO


def audit(target: Target) -> list[dict[str, Any]]:
    page: list[dict[str, Any]] = target.ask(Role.DPO, "GET", "/audit?limit=100").json()["items"]
    return page


def readable(target: Target) -> None:
    """What was kept can be read again, and the trail is whole."""
    for role, path in ((Role.ADMINISTRATOR, "/cameras"), (Role.OPERATOR, "/alerts"), (Role.OPERATOR, "/health")):
        assert target.ask(role, "GET", path).status_code == 200
    assert audit(target)
    assert target.app.services.trail.verify().is_whole
    assert not target.app.bugs
