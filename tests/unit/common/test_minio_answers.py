"""What answers in the place of a store: whatever it says, it is one that cannot at present."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import pytest
import urllib3
from pydantic import SecretStr

from beffroi_common.runtime.settings import StoreSettings
from beffroi_common.store import StoreUnavailable
from beffroi_common.store.minio import MinioStore

SETTINGS = StoreSettings(endpoint="127.0.0.1:1", access_key="key", secret_key=SecretStr("secret"), secure=False)

LIST = b"<ListBucketResult><Name>b</Name><Contents><Key>segments/x</Key><LastModified>%s</LastModified></Contents></ListBucketResult>"  # noqa: E501

ANSWERS = {
    "a page": (200, {"Content-Type": "text/html"}, b"<html><body>Under repair<br></body></html>"),
    "nothing": (200, {}, b""),
    "other XML": (200, {"Content-Type": "application/xml"}, b"<x></x>"),
    "a list of another kind": (200, {"Content-Type": "application/xml"}, LIST % b"yesterday"),
    "headers that cannot be read": (200, {"Last-Modified": "yesterday", "ETag": '"x"'}, b""),
    "half an error": (503, {"Content-Type": "application/xml"}, b"<Error><Code>Slo"),
}

ASKED: dict[str, Callable[[MinioStore, Path], object]] = {
    "make_bucket": lambda store, _file: store.make_bucket(14),
    "check_retention": lambda store, _file: store.check_retention(14),
    "list": lambda store, _file: list(store.list("segments/")),
    "stat": lambda store, _file: store.stat("segments/x"),
    "all": lambda store, _file: store.read("segments/x"),
    "a part": lambda store, _file: store.read("segments/x", 5, 10),
    "a stream": lambda store, _file: list(store.stream("segments/x", 5, 10, 4)),
    "put": lambda store, file: store.put("segments/x", file, "video/mp4", {}),
}


@pytest.mark.parametrize(
    ("answer", "asked"),
    # Of what is put, or read as a whole, no other header is asked for than the digest.
    [each for each in product(ANSWERS, ASKED) if each not in product(["headers that cannot be read"], ["put", "all"])],
)
def test_it_is_never_taken_for_the_store(
    answer: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "film"
    file.write_bytes(b"video")
    with pytest.raises(StoreUnavailable):
        ASKED[asked](_answering(monkeypatch, *ANSWERS[answer]), file)


def _answering(monkeypatch: pytest.MonkeyPatch, status: int, headers: Mapping[str, str], body: bytes) -> MinioStore:
    def urlopen(_pool: object, method: str, *_: object, **__: object) -> urllib3.HTTPResponse:
        return urllib3.HTTPResponse(
            body=io.BytesIO(b"" if method == "HEAD" else body), headers=headers, status=status, preload_content=False
        )

    monkeypatch.setattr(urllib3.PoolManager, "urlopen", urlopen)
    return MinioStore("recordings", SETTINGS)
