"""What the api refuses it says in French first, and tells nothing of what it is made of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.application import ADDRESS, Running, in_memory, running

from beffroi_api.errors import ApiError, StoreAway, store_words
from beffroi_api.http.problems import render
from beffroi_api.modules.health.service import StoreProbe
from beffroi_common.store import StoreDenied, StoreUnavailable
from beffroi_testing import ManualClock, MemoryStore

INSIDE = "10.1.2.3:9000 (ConnectTimeoutError), bucket recordings, /opt/beffroi/secret.py"
WORDS = re.compile(r"10\.1\.2\.3|Timeout|bucket|/opt|secret|Traceback|KeyError|\.py")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Running]:
    around, *_ = in_memory(tmp_path)
    with running(around) as started:
        yield started


def every(error: type[ApiError] = ApiError) -> Iterator[type[ApiError]]:
    yield error
    for each in error.__subclasses__():
        yield from every(each)


@pytest.mark.parametrize("error", list(every()), ids=lambda error: error.__name__)
def test_a_title_is_french_first_and_english_beside(error: type[ApiError]) -> None:
    title = json.loads(bytes(render(error("what to do")).body))["title"]
    assert title == f"{error.french} / {error.title}"
    assert error is ApiError or error.french != ApiError.french


def test_a_bug_is_said_without_what_it_is(app: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise KeyError(INSIDE)

    client = TestClient(app.asgi, base_url=ADDRESS, raise_server_exceptions=False)
    client.cookies = app.operator.cookies
    monkeypatch.setattr(type(app.services.cameras), "views", fail)
    answer = client.get("/api/v1/cameras")
    assert answer.status_code == 500
    assert not WORDS.search(answer.text)


@pytest.mark.parametrize(
    "error", [StoreUnavailable(INSIDE), StoreDenied(INSIDE)], ids=lambda error: type(error).__name__
)
def test_a_store_that_is_away_is_not_described(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any) -> None:
        raise error

    assert isinstance(error, StoreUnavailable | StoreDenied)
    assert not WORDS.search(str(render(StoreAway(store_words(error))).body))
    store = MemoryStore(ManualClock())
    monkeypatch.setattr(store, "stat", fail)
    probe = StoreProbe([store], ManualClock())
    probe.ask()
    assert not probe.found().reachable
    assert not WORDS.search(probe.found().message.replace(store.name, ""))
