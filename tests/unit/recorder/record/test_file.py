"""What lies in a segment's file."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import av
import pytest
from tests.unit.recorder.conftest import FPS, START_NS, Film, Site, Start

NTP_OFFSET_S = 2_208_988_800
"""From 1900, where NTP begins, to 1970."""


def boxes(content: bytes) -> list[tuple[str, bytes]]:
    found, at = [], 0
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        found.append((kind.decode(), content[at + 8 : at + size]))
        at += size
    return found


def reference_time(prft: bytes) -> tuple[datetime, int]:
    """Wall clock and media time (ticks) of a producer reference time box, version 1."""
    version, _, seconds, fraction, media = struct.unpack(">IIIIQ", prft)
    assert version >> 24 == 1
    millis = round(fraction * 1000 / 2**32)
    return datetime.fromtimestamp(seconds - NTP_OFFSET_S, UTC) + timedelta(milliseconds=millis), media


@pytest.fixture
def content(site: Site, start: Start, film: Film) -> bytes:
    site.put_on_bus(film(10))
    life = start()
    life.work_off()
    life.go_idle()
    (only,) = site.segments.values()
    return only


def test_it_is_fragmented_at_key_pictures(content: bytes) -> None:
    kinds = [kind for kind, _ in boxes(content)]
    assert kinds == ["ftyp", "moov", *["prft", "moof", "mdat"] * 10, "mfra"]


def test_the_capture_time_of_each_picture_can_be_read_from_it(content: bytes) -> None:
    times = [reference_time(body) for kind, body in boxes(content) if kind == "prft"]
    first = datetime.fromtimestamp(START_NS / 1e9, UTC)
    assert times == [(first + timedelta(seconds=second), second * 90_000) for second in range(10)]


def test_it_carries_date_time_camera_and_chain(content: bytes) -> None:
    with av.open(io.BytesIO(content), "r") as container:
        tags = container.metadata
    assert tags["title"] == "gate"
    assert tags["date"] == "2026-11-01T12:00:00.250+00:00"
    assert json.loads(tags["comment"]) == {"epoch": 7, "sequence": 0, "previous_sha256": None}


def test_its_clock_begins_at_nought_and_is_the_cameras(content: bytes) -> None:
    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        times = [packet.pts for packet in container.demux(stream) if packet.size]
        assert stream.time_base is not None
        assert times == [index * stream.time_base.denominator // FPS for index in range(40)]
        assert container.duration == 10_000_000


def test_the_pictures_are_the_masker_s_byte_for_byte(content: bytes, film: Film) -> None:
    sent = [unit.data for batch in film(10) for unit in batch.units]
    with av.open(io.BytesIO(content), "r") as container:
        kept = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert [_nals_of_annex_b(unit) for unit in sent] == [_nals_of_mp4(unit) for unit in kept]


def test_pictures_shown_in_another_order_keep_their_times(site: Site, start: Start, film: Film) -> None:
    def swapped(pts: int, index: int) -> int:
        step = 90_000 // FPS
        return pts + step * (1, 2, 0, 1)[index]  # as with one B picture

    batches = [
        replace(
            batch,
            units=tuple(
                replace(unit, pts=swapped(unit.pts, index), key=index == 0) for index, unit in enumerate(batch.units)
            ),
        )
        for batch in film(3)
    ]
    site.put_on_bus(batches)
    life = start()
    life.work_off()
    life.go_idle()
    (only,) = site.segments.values()
    with av.open(io.BytesIO(only), "r") as container:
        times = [(packet.pts, packet.dts, packet.time_base) for packet in container.demux(video=0) if packet.size]
    steps = [round(((pts or 0) - (dts or 0)) * time_base * FPS) for pts, dts, time_base in times]
    assert [step - steps[0] for step in steps] == [0, 1, -1, 0] * 3


def _nals_of_annex_b(unit: bytes) -> list[bytes]:
    return [nal.rstrip(b"\x00") for nal in unit.split(b"\x00\x00\x01")[1:]]


def _nals_of_mp4(unit: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(unit):
        size = int.from_bytes(unit[at : at + 4])
        found.append(unit[at + 4 : at + 4 + size].rstrip(b"\x00"))
        at += 4 + size
    return found
