"""No masked batch, whatever it says, ends the recorder; what it publishes keeps its contract."""

from __future__ import annotations

from tests.hostile import Feed
from tests.unit.recorder.conftest import Film, Site, Start

from beffroi_common.topics import FRAMES_MASKED

GOOD_EPOCH = 2**51


def test_no_masked_batch_ends_the_recorder(film: Film, site: Site, start: Start) -> None:
    good = film(4, epoch=2**40)
    life = start()
    feed = Feed(life.recorder, FRAMES_MASKED)
    feed.give_hostile(good)
    before = len(site.recordings)
    for batch in film(4, epoch=GOOD_EPOCH):
        feed.give(batch.encode())
    for _ in range(int(site.idle_s) + 5):
        site.clock.advance(1.0)
        life.recorder.tick()
    while life.recorder.needed():  # one segment a turn, and there may be thousands
        site.clock.advance(1.0)
        life.recorder.tick()
    assert site.recordings[before:], "the good ones are stored"
    assert site.recordings[-1].frames == 16
