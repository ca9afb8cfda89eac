"""No masked batch, whatever it says, ends the recorder; what it publishes keeps its contract."""

from __future__ import annotations

import contextlib

from hypothesis import HealthCheck, given, settings
from tests.hostile import one_by_one, streams
from tests.unit.recorder.conftest import Film, Site, Start

from beffroi_common.bus import InvalidRecord
from beffroi_common.bus.interfaces import Record
from beffroi_common.topics import FRAMES_MASKED

GOOD_EPOCH = 2**51


def test_no_masked_batch_ends_the_recorder(film: Film, site: Site, start: Start) -> None:
    good = film(4, epoch=2**40)
    life = start()
    offsets = iter(range(10**9))

    def give(payload: bytes) -> None:
        with contextlib.suppress(InvalidRecord):
            life.recorder.handle(Record(FRAMES_MASKED.name, 0, next(offsets), "gate", payload, 0))
        life.recorder.tick()
        list(life.recorder.settled())

    for payloads in one_by_one(good):
        for payload in payloads:
            give(payload)

    @settings(deadline=None, suppress_health_check=list(HealthCheck))
    @given(payloads=streams(good))
    def hostile(payloads: list[bytes]) -> None:
        for payload in payloads:
            give(payload)

    hostile()
    before = len(site.recordings)
    for batch in film(4, epoch=GOOD_EPOCH):
        give(batch.encode())
    for _ in range(int(site.idle_s) + 5):
        site.clock.advance(1.0)
        life.recorder.tick()
    while life.recorder.needed():  # one segment a turn, and there may be thousands
        life.recorder.tick()
    assert site.recordings[before:], "the good ones are stored"
    assert site.recordings[-1].frames == 16
