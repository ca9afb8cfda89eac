"""Whoever writes a record writes its headers: none of them ends its handling."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from beffroi_common.bus import Record
from beffroi_common.runtime.tracing import span_of
from beffroi_common.topics import FRAMES_MASKED


@settings(max_examples=30, deadline=None)
@given(value=st.binary(max_size=60), name=st.sampled_from(["traceparent", "tracestate", ""]))
def test_no_header_ends_the_handling_of_a_record(value: bytes, name: str) -> None:
    traced = {"traceparent": b"00-" + b"f" * 32 + b"-" + b"f" * 16 + b"-01"}
    for headers in ({name: value}, {name: value * 10_000}, traced | {f"{name}{n}": value for n in range(100)}):
        with span_of(Record(FRAMES_MASKED.name, 0, 0, "gate", b"", 0, headers)):
            pass
