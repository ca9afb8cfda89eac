"""What a store says of the time, by HTTP's Date: read if it can be, and never guessed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import urllib3
from pydantic import SecretStr

from beffroi_common.runtime.settings import StoreSettings
from beffroi_common.store import StoreUnavailable
from beffroi_common.store.minio import MinioStore

SETTINGS = StoreSettings(endpoint="127.0.0.1:1", access_key="key", secret_key=SecretStr("secret"), secure=False)


def answering(monkeypatch: pytest.MonkeyPatch, date: str | None, status: int) -> MinioStore:
    """A store that answers every request with this Date."""

    def urlopen(*_: object, **__: object) -> urllib3.HTTPResponse:
        return urllib3.HTTPResponse(headers={} if date is None else {"Date": date}, status=status)

    monkeypatch.setattr(urllib3.PoolManager, "urlopen", urlopen)
    return MinioStore("recordings", SETTINGS)


@pytest.mark.parametrize("status", [200, 403, 404])
@pytest.mark.parametrize("date", ["Sun, 01 Nov 2026 12:00:00 GMT", "Sun, 01 Nov 2026 12:00:00 -0000"])
def test_any_answer_says_what_time_it_is(monkeypatch: pytest.MonkeyPatch, date: str, status: int) -> None:
    assert answering(monkeypatch, date, status).now() == datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Sun, 99 Nov 2026 12:00:00 GMT", "Sun, 01 Nov 99999 12:00:00 GMT"]
)
def test_a_store_that_does_not_say_it_is_one_that_cannot_at_present(
    monkeypatch: pytest.MonkeyPatch, date: str | None
) -> None:
    with pytest.raises(StoreUnavailable, match="does not say what time it is"):
        answering(monkeypatch, date, 200).now()
