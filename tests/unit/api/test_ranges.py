"""The Range header."""

from __future__ import annotations

import pytest

from beffroi_api.errors import RangeNotSatisfiable
from beffroi_api.modules.recordings.video.ranges import Span, span_of


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, Span(0, 99, partial=False)),
        ("bytes=0-", Span(0, 99, partial=True)),
        ("bytes=10-19", Span(10, 19, partial=True)),
        ("bytes=90-500", Span(90, 99, partial=True)),
        ("bytes=-10", Span(90, 99, partial=True)),
        ("bytes=-500", Span(0, 99, partial=True)),
        ("bytes=-", Span(0, 99, partial=False)),
        ("bytes=20-10", Span(0, 99, partial=False)),
        ("bytes=0-1,5-6", Span(0, 99, partial=False)),
        ("lines=0-1", Span(0, 99, partial=False)),
    ],
)
def test_spans(header: str | None, expected: Span) -> None:
    assert span_of(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=1000-2000", "bytes=-0"])
def test_behind_the_end(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as refused:
        span_of(header, 100)
    assert refused.value.headers == {"Content-Range": "bytes */100"}
