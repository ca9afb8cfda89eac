"""Every route says who may use it, and nobody else gets through."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.testclient import WebSocketDenialResponse
from tests.application import Running

from beffroi_api.authz.roles import Role
from beffroi_api.http import access
from beffroi_api.http.access import Rule, everyone, watchers
from beffroi_api.http.app import create_app

EXAMPLES = {
    "{camera}": "gate",
    "{alert}": "0" * 32,
    "{segment}": "0" * 24,
    "{session}": "1",
}
RULES = access.table(create_app(None, None))


def concrete(rule: Rule) -> tuple[str, str]:
    path = rule.path
    for name, value in EXAMPLES.items():
        path = path.replace(name, value)
    assert "{" not in path
    return next(iter(rule.methods)), path


def status_of(app: Running, rule: Rule, role: Role | None) -> int:
    method, path = concrete(rule)
    client = app.as_(role)
    if method == "WEBSOCKET":
        with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect(path):
            pass
        return denied.value.status_code
    return client.request(method, path).status_code


def test_the_table_is_what_was_decided() -> None:
    watching, administering = {Role.OPERATOR, Role.ADMINISTRATOR}, {Role.ADMINISTRATOR}
    table = {(method, rule.path.removeprefix("/api/v1")): set(rule.roles) for rule in RULES for method in rule.methods}
    assert table == {
        ("GET", "/meta"): set(),
        ("POST", "/session"): set(),
        ("GET", "/session"): set(Role),
        ("DELETE", "/session"): set(Role),
        ("GET", "/rules"): set(Role),
        ("GET", "/cameras"): set(Role),
        ("GET", "/cameras/{camera}"): set(Role),
        ("PUT", "/cameras/{camera}"): administering,
        ("DELETE", "/cameras/{camera}"): administering,
        ("PUT", "/cameras/{camera}/masking"): administering,
        ("PUT", "/cameras/{camera}/zones"): administering,
        ("PUT", "/cameras/{camera}/legal-bases"): administering,
        ("GET", "/cameras/{camera}/still"): watching,
        ("WEBSOCKET", "/cameras/{camera}/live"): watching,
        ("GET", "/alerts"): watching,
        ("GET", "/alerts/{alert}"): watching,
        ("POST", "/alerts/{alert}/acknowledgement"): watching,
        ("GET", "/alerts/{alert}/still"): watching,
        ("GET", "/cameras/{camera}/recordings"): set(Role),
        ("GET", "/cameras/{camera}/recordings/{segment}/video"): watching,
        ("GET", "/events"): watching,
        ("GET", "/health"): set(Role),
        ("GET", "/audit"): {Role.DPO},
        ("PUT", "/account/password"): set(Role),
        ("GET", "/account/sessions"): set(Role),
        ("DELETE", "/account/sessions"): set(Role),
        ("DELETE", "/account/sessions/{session}"): set(Role),
        ("GET", "/account/second-factor"): set(Role),
        ("POST", "/account/second-factor"): set(Role),
        ("PUT", "/account/second-factor"): set(Role),
        ("POST", "/account/second-factor/removal"): set(Role),
    }


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.roles], ids=lambda rule: f"{set(rule.methods)}{rule.path}"
)
def test_nobody_else_gets_through(app: Running, rule: Rule) -> None:
    assert status_of(app, rule, None) == 401
    for role in set(Role) - rule.roles:
        assert status_of(app, rule, role) == 403
        method, path = concrete(rule)
        newest = app.dpo.get("/api/v1/audit", params={"user": role.value}).json()["items"]
        denied = next(row for row in newest if row["action"] == "denied")
        assert denied["subject"] == f"{method} {path}"


def test_a_route_without_a_declared_role_does_not_start() -> None:
    app, router = FastAPI(), APIRouter(prefix="/api/v1")
    router.add_api_route("/open", lambda: None)
    app.include_router(router)
    with pytest.raises(TypeError, match="/api/v1/open must declare once"):
        access.table(app)


def test_a_route_with_two_declarations_does_not_start() -> None:
    app, router = FastAPI(), APIRouter(prefix="/api/v1")
    router.add_api_route("/both", lambda: None, dependencies=[Depends(everyone), Depends(watchers)])
    app.include_router(router)
    with pytest.raises(TypeError, match="not 2 times"):
        access.table(app)
