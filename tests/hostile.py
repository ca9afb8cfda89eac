"""Messages as somebody may make them who wants a reader to end: each field by itself at its worst."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beffroi_common.bus import InvalidRecord, Processor, Record
from beffroi_common.contracts import FrameBatch, frames_pb2
from beffroi_common.topics import Topic

ALL = slice(None)

UNSIGNED_32 = (0, 1, 2, 3, 16, 255, 8191, 8192, 8193, 9998, 90_000, 10_000_000, 2**31 - 1, 2**31, 2**32 - 1)
UNSIGNED_64 = (0, 1, 2, 2**31 - 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
SIGNED_64 = (-(2**63), -(2**53), -90_000, -1, 0, 1, 2, 9_000, 2**31, 2**53 - 1, 2**53, 2**62, 2**63 - 1)

FIELDS: dict[str, Sequence[Any]] = {
    "stream": ("main", "sub", "", "third"),
    "epoch": UNSIGNED_64,
    "sequence": UNSIGNED_64,
    "time_base_numerator": UNSIGNED_32,
    "time_base_denominator": UNSIGNED_32,
    "codec": ("h264", "hevc", "mjpeg", "av1", ""),
    "width": UNSIGNED_32,
    "height": UNSIGNED_32,
    "mask_version": UNSIGNED_32,
    "source_version": UNSIGNED_32,
    "pixel_aspect_numerator": UNSIGNED_32,
    "pixel_aspect_denominator": UNSIGNED_32,
    "cropped_left": UNSIGNED_32,
    "cropped_top": UNSIGNED_32,
}

OF_A_PICTURE: dict[str, Sequence[Any]] = {
    "pts": SIGNED_64,
    "dts": SIGNED_64,
    "capture_time_ns": SIGNED_64,
    "key": (False, True),
}

MOVED = (-(2**63), -(2**53), -(2**40), 2**40, 2**53 - 100, 2**53, 2**62)
"""Ticks by which the whole media clock is put elsewhere."""


class Feed:
    """Hands messages of one camera to a processor, as the loop of the bus does."""

    def __init__(self, processor: Processor, topic: Topic, listen: Callable[[], None] = lambda: None) -> None:
        """Begin at the first offset.

        Args:
            processor: that is tried.
            topic: whose messages it takes.
            listen: called after each series of messages.
        """
        self._processor = processor
        self._topic = topic
        self._listen = listen
        self._offsets = count()

    def give(self, payload: bytes) -> None:
        """One message, which may be refused."""
        with contextlib.suppress(InvalidRecord):
            self._processor.handle(Record(self._topic.name, 0, next(self._offsets), "gate", payload, 0))
        self._processor.tick()
        list(self._processor.settled())

    def give_hostile(self, good: Sequence[FrameBatch]) -> None:
        """These batches, with each field by itself at its worst, then as Hypothesis makes series of them."""
        for payloads in one_by_one(good):
            self._series(payloads)

        @settings(deadline=None, suppress_health_check=list(HealthCheck))
        @given(payloads=streams(good))
        def hostile(payloads: list[bytes]) -> None:
            self._series(payloads)

        hostile()

    def _series(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            self.give(payload)
        self._listen()


def one_by_one(good: Sequence[FrameBatch]) -> Iterator[list[bytes]]:
    """These batches, of a new epoch each time, with each field of all of them at each of its worst values."""
    epochs = count(2**39)
    for name, value in ((name, value) for name, values in FIELDS.items() for value in values):
        epoch = next(epochs)
        yield [_with(each, epoch, {name: value}) for each in good]
    for name, value in ((name, value) for name, values in OF_A_PICTURE.items() for value in values):
        for which in (ALL, slice(1), slice(-1, None)):
            epoch = next(epochs)
            yield [_with(each, epoch, {}, {name: value}, which) for each in good]
    for ticks in MOVED:
        epoch = next(epochs)
        yield [_moved(each, epoch, ticks) for each in good]


def _message(batch: FrameBatch, epoch: int) -> frames_pb2.FrameBatch:
    message = frames_pb2.FrameBatch()
    message.ParseFromString(replace(batch, epoch=epoch).encode())
    return message


def _with(
    batch: FrameBatch, epoch: int, fields: dict[str, Any], times: dict[str, Any] | None = None, which: slice = ALL
) -> bytes:
    message = _message(batch, epoch)
    for name, value in fields.items():
        setattr(message, name, value)
    for unit in message.units[which]:
        for name, value in (times or {}).items():
            setattr(unit, name, value)
    payload: bytes = message.SerializeToString()
    return payload


def _moved(batch: FrameBatch, epoch: int, ticks: int) -> bytes:
    message = _message(batch, epoch)
    for unit in message.units:
        unit.pts = max(-(2**63), min(2**63 - 1, unit.pts + ticks))
        unit.dts = max(-(2**63), min(2**63 - 1, unit.dts + ticks))
    payload: bytes = message.SerializeToString()
    return payload


@st.composite
def streams(draw: st.DrawFn, good: Sequence[FrameBatch]) -> list[bytes]:
    """These batches as bytes, of an epoch of their own, with fields, times and pictures of some changed."""
    epoch = draw(st.integers(2**40, 2**50))
    return [
        _changed(draw, each, epoch) if draw(st.booleans()) else replace(each, epoch=epoch).encode() for each in good
    ]


def _changed(draw: st.DrawFn, batch: FrameBatch, epoch: int) -> bytes:
    if draw(st.booleans()):
        message = _message(batch, epoch)
        unit = message.units[draw(st.integers(0, len(message.units) - 1))]
        unit.data = _damaged(draw, unit.data)
        payload: bytes = message.SerializeToString()
        return payload
    names = draw(st.sets(st.sampled_from(sorted(FIELDS)), max_size=2))
    fields = {name: draw(st.sampled_from(FIELDS[name])) for name in sorted(names)}
    time = draw(st.sampled_from(sorted(OF_A_PICTURE)))
    times = {time: draw(st.sampled_from(OF_A_PICTURE[time]))} if draw(st.booleans()) else {}
    return _with(batch, epoch, fields, times, draw(st.sampled_from([ALL, slice(1), slice(-1, None)])))


def _damaged(draw: st.DrawFn, data: bytes) -> bytes:
    at = draw(st.integers(0, max(0, len(data) - 1)))
    return draw(
        st.sampled_from([data[:at], data[:at] + b"\xff" + data[at + 1 :], b"", b"\0\0\0\1", b"\0" * 64, data * 2])
    )


TEXTS = ("", "\0", "\u202e", "\u3164", "é" * 500, "x" * 501, "../..", "a/../b", "NaN")
NUMBERS = (-1, 0, 1, 2**31 - 1, 2**31, 2**53, 2**63, 2**64, 2**80, 1e308, -0.0)
TIMES = (
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
    "2099-12-31T23:59:59Z",
    "2100-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01T00:00:00",
)
VALUES: tuple[Any, ...] = (*TEXTS, *NUMBERS, *TIMES, None, [], {})


def value_by_value(good: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A message of JSON like `good`, with each of its values, however deep, at each of the worst."""
    for path in _paths(good):
        for value in VALUES:
            yield _put(good, path, value)


@st.composite
def changed(draw: st.DrawFn, good: dict[str, Any]) -> dict[str, Any]:
    """A message of JSON like `good`, with some of its values at their worst together."""
    message = good
    for path in draw(st.sets(st.sampled_from(sorted(_paths(good))), min_size=2, max_size=3)):
        message = _put(message, path, draw(st.sampled_from(VALUES)))
    return message


def _paths(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(value, dict):
        return [each for name, inner in value.items() for each in _paths(inner, (*path, name))]
    if isinstance(value, list):
        return [each for place, inner in enumerate(value) for each in _paths(inner, (*path, str(place)))]
    return [path]


def _put(value: Any, path: tuple[str, ...], leaf: Any) -> Any:
    if not path:
        return leaf
    if isinstance(value, dict):
        return {**value, path[0]: _put(value[path[0]], path[1:], leaf)}
    if isinstance(value, list):
        place = int(path[0])
        return [*value[:place], _put(value[place], path[1:], leaf), *value[place + 1 :]]
    return leaf  # a change before took the place of all this


def whole_camera(name: str, slot: int = 0) -> dict[str, Any]:
    """A camera of which everything is said that can be said."""
    corners = [[0.1, 0.1], [0.9, 0.15], [0.8, 0.9], [0.15, 0.8]]
    return {
        "id": name,
        "name": "Gate",
        "commune": "Lille",
        "slot": slot,
        "enabled": True,
        "source": {"url": "pattern:160x96@5", "credentials": "gate", "transport": "tcp"},
        "source_version": 1,
        "nominal_fps": 5.0,
        "masking": {
            "mode": "burn",
            "polygons": [corners, [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]],
            "version": 3,
            "decided_by": "dpo",
            "decided_at": "2026-01-01T00:00:00Z",
            "reason": "windows",
            "drawn_on": {
                "width": 160,
                "height": 96,
                "pixel_aspect": 1.0,
                "cropped_left": 0,
                "cropped_top": 0,
            },
        },
        "zones": [
            {"id": "z", "name": "Crossroads", "kind": "sensitive", "shape": "polygon", "points": corners},
            {"id": "line", "name": "Stop", "kind": "stop_line", "shape": "line", "points": corners[:2]},
        ],
        "rules": [
            {
                "id": "loitering",
                "rule": "loitering",
                "version": 1,
                "parameters": {
                    "threshold_s": 10.0,
                    "radius_height": 0.1,
                    "gap_s": 3.0,
                    "schedule": {"start": "22:00", "end": "06:00", "timezone": "Europe/Paris"},
                },
                "geometry": {"zone": "z"},
            }
        ],
        "legal_bases": [
            {
                "analytic": "loitering",
                "purpose": "essai",
                "reference": "1",
                "starts_at": "2026-01-01T00:00:00Z",
                "ends_at": "2027-01-01T00:00:00Z",
            }
        ],
        "version": 7,
    }
