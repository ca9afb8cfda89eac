"""Whose role needs a second factor sets one before anything else is answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from tests.application import PASSWORD, Running, in_memory, running

from beffroi_api.http.access import table
from beffroi_api.http.paths import API_PREFIX

FACTOR = f"{API_PREFIX}/account/second-factor"
OPEN = {
    ("GET", f"{API_PREFIX}/session"),
    ("DELETE", f"{API_PREFIX}/session"),
    ("PUT", f"{API_PREFIX}/account/password"),
    ("GET", FACTOR),
    ("POST", FACTOR),
    ("PUT", FACTOR),
}
"""What one needs for that, and one's own password."""
SAMPLES = {"camera": "gate", "segment": "0" * 24, "session": "1", "alert": "0" * 32}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Running]:
    around, *_ = in_memory(tmp_path, session={"second_factor_roles": ["administrator", "dpo"]})
    with running(around) as started:
        yield started


def test_nothing_but_setting_it_is_answered(app: Running) -> None:
    answered = set()
    for rule in table(app.asgi):
        path = re.sub(r"{(\w+)}", lambda found: SAMPLES[found.group(1)], rule.path)
        for method in rule.methods - {"WEBSOCKET", "HEAD"} if rule.roles else ():
            answer = app.administrator.request(method, path) if (method, rule.path) not in OPEN else None
            if answer is None or answer.json().get("code") != "second_factor_required":
                answered.add((method, rule.path))
    assert answered == OPEN


def test_once_it_is_set_all_is_answered(app: Running) -> None:
    client = app.administrator
    assert client.get(f"{API_PREFIX}/session").json()["must_set_second_factor"] is True
    pending = client.post(FACTOR, json={"password": PASSWORD}).json()
    code = pyotp.TOTP(pending["secret"]).at(app.services.clock.now())
    client.put(FACTOR, json={"pending": pending["pending"], "code": code}).raise_for_status()
    assert client.get(f"{API_PREFIX}/session").json()["must_set_second_factor"] is False
    assert client.get(f"{API_PREFIX}/cameras").status_code == 200


def test_other_roles_need_none(app: Running) -> None:
    assert app.operator.get(f"{API_PREFIX}/session").json()["must_set_second_factor"] is False
    assert app.operator.get(f"{API_PREFIX}/cameras").status_code == 200
