"""Time stamps where a demuxer leaves them out."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest
from tests.unit.ingest.conftest import INFO

from beffroi_common.contracts import AccessUnit, Codec, Stream
from beffroi_ingest.batching import Batcher, BatchLimits, Stamp
from beffroi_ingest.in_band import InBandSets
from beffroi_ingest.sources import SourceError
from beffroi_ingest.sources.stamping import MAX_UNSTAMPED, Stamper

TIME_BASE = Fraction(1, 90_000)
Times = tuple[int | None, int | None]


def stamped(times: list[Times], fps: float | None = 10.0) -> list[tuple[int, int]]:
    stamper, found = Stamper(TIME_BASE, fps), []
    for pts, dts in times:
        packet = av.Packet(b"x")
        packet.pts, packet.dts = pts, dts
        found += [(each.pts, each.dts) for each in stamper.stamp(packet)]
    return found


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([(0, 0), (9000, 9000)], [(0, 0), (9000, 9000)]),
        ([(18000, 0), (9000, 9000)], [(18000, 0), (9000, 9000)]),
        ([(None, None), (9000, None), (18000, 18000)], [(0, 0), (9000, 9000), (18000, 18000)]),
        ([(None, None), (None, None), (9000, 9000)], [(-9000, -9000), (0, 0), (9000, 9000)]),
        ([(None, 5), (None, 6)], [(5, 5), (6, 6)]),
        ([(0, None), (27000, None), (9000, None)], [(0, 0), (27000, 27000), (9000, 27001)]),
    ],
)
def test_missing_times_follow_from_those_beside(times: list[Times], expected: list[tuple[int, int]]) -> None:
    assert stamped(times) == expected


def test_a_stream_that_does_not_say_its_rate_is_taken_for_25_fps() -> None:
    assert stamped([(None, None), (9000, 9000)], fps=None) == [(5400, 5400), (9000, 9000)]


def test_a_stream_without_a_clock_is_refused() -> None:
    with pytest.raises(SourceError, match="time stamps"):
        stamped([(None, None)] * (MAX_UNSTAMPED + 1))


def test_a_picture_is_copied_once_and_then_handed_on() -> None:
    packet = av.Packet(b"\x00\x00\x01\x65picture")
    packet.pts = packet.dts = 0
    (unit,) = Stamper(TIME_BASE, 10.0).stamp(packet)
    data = InBandSets(Codec.H264, None).complete(unit.data, key=unit.key)
    batcher = Batcher(Stamp("gate", Stream.MAIN, 1, 1), INFO, BatchLimits(0.5, 1_000_000))
    batcher.add(AccessUnit(unit.pts, unit.dts, 1, unit.key, data))
    (batch,) = batcher.flush()
    assert unit.data == bytes(packet)
    assert batch.units[0].data is unit.data
