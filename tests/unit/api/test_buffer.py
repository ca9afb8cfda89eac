"""The bounded memory of recent pictures."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.application import SYSTEM, film

from beffroi_api.authz.scope import Scope
from beffroi_api.authz.territory import Territory
from beffroi_api.errors import NotFound
from beffroi_api.modules.cameras.registry.directory import CameraDirectory
from beffroi_api.modules.live.schemas import View
from beffroi_api.modules.live.streaming.buffer import MOST_BEHIND_S, Channel, LiveBuffer
from beffroi_api.modules.live.streaming.viewer import Viewer
from beffroi_api.process.settings import MIB, LiveSettings
from beffroi_common.contracts import Camera, CameraSource, Codec, FrameBatch, MaskDecision, MaskMode, Stream
from beffroi_testing import ManualClock

START_NS = 1_793_534_400_000_000_000


def camera(mask: int, name: str = "gate") -> Camera:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    decision = MaskDecision(mode=MaskMode.OPEN, version=mask, decided_by="a", decided_at=at, reason="a wall")
    source = CameraSource(url="pattern:160x96@5")
    return Camera(id=name, name=name, commune="Lille", slot=0, source=source, masking=decision, version=mask)


class Bench:
    def __init__(self, settings: LiveSettings) -> None:
        self.clock = ManualClock()
        self.directory = CameraDirectory()
        self.directory.load([camera(1), camera(1, "yard")], {})
        self.buffer = LiveBuffer(settings, self.directory, self.clock)

    def put(self, *batches: FrameBatch, view: View = View.MASKED) -> list[bool]:
        return [self.buffer.offer(view, batch) for batch in batches]

    def put_by_lane(self, *batches: FrameBatch) -> list[bool]:
        return [self.buffer.offer(View.MASKED, batch, by_lane=True) for batch in batches]

    def sequences(self, name: str = "gate") -> list[int]:
        """What a view that opens now begins with."""
        channel = self.buffer._channels.get((name, View.MASKED), Channel())
        return [held.batch.sequence for held in channel.from_last_key()]

    def decide(self, mask: int) -> None:
        self.directory.changed("gate", mask, camera(mask))
        self.buffer.changed("gate", mask, camera(mask))


@pytest.fixture
def bench() -> Bench:
    return Bench(LiveSettings())


def drain(viewer: Viewer) -> list[int]:
    return [held.batch.sequence for held in viewer._queue]


def test_a_repeat_is_dropped(bench: Bench) -> None:
    one, two, three = film(3, start_ns=START_NS)
    assert bench.put(one, two, one, two, three) == [True, True, False, False, True]


def test_a_repeat_of_an_earlier_connection_is_dropped(bench: Bench) -> None:
    old = film(2, start_ns=START_NS, epoch=1)
    new = film(1, start_ns=START_NS + 10**10, epoch=2)
    assert bench.put(*old, *new, old[1]) == [True, True, True, False]


def test_the_rest_of_a_connection_that_is_over_is_dropped_between_the_batches_of_the_next(bench: Bench) -> None:
    old = film(4, start_ns=START_NS, epoch=1)
    new = film(3, start_ns=START_NS + 10**10, epoch=2)
    mixed = [*old[:2], new[0], old[2], new[1], old[3], new[2]]
    assert bench.put(*mixed) == [True, True, True, False, True, False, True]


def test_a_connection_with_a_lower_number_is_taken(bench: Bench) -> None:
    """The clock of ingest's machine went back: pictures must go on all the same."""
    new, old = film(1, start_ns=START_NS, epoch=9), film(2, start_ns=START_NS, epoch=3)
    assert bench.put(*new, *old) == [True, True, True]


@pytest.mark.parametrize(
    "change",
    [
        {"camera": "nobody"},
        {"mask_version": 0},
        {"stream": Stream.SUB},
        {"codec": Codec.HEVC},
    ],
)
def test_what_may_not_or_cannot_be_shown_is_refused(bench: Bench, change: dict[str, object]) -> None:
    batch = film(1, start_ns=START_NS)[0]
    assert bench.put(replace(batch, **change)) == [False]  # type: ignore[arg-type]


def test_pictures_under_an_older_mask_are_forgotten_at_once(bench: Bench) -> None:
    before = film(2, start_ns=START_NS)
    bench.put(*before)
    bench.decide(2)
    assert bench.sequences() == []
    late = film(1, start_ns=START_NS, first_sequence=2)
    fresh = film(1, start_ns=START_NS, first_sequence=3, mask_version=2)
    assert bench.put(*late, *fresh) == [False, True]
    assert bench.sequences() == [3]


def test_a_decision_at_the_very_moment_a_batch_comes_in_leaves_nothing_of_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever decides does so in another thread, right after it was found that the batch may be shown."""
    shows, decides = bench.directory.shows, threading.Thread(target=bench.decide, args=(2,))

    def shows_and_then_a_decision(camera: str, mask_version: int) -> bool:
        answer = shows(camera, mask_version)
        if decides.ident is None:
            decides.start()
            decides.join(0.2)  # as far as it gets
        return answer

    monkeypatch.setattr(bench.directory, "shows", shows_and_then_a_decision)
    bench.put(*film(1, start_ns=START_NS))
    decides.join()
    channel = bench.buffer._channels["gate", View.MASKED]
    assert (list(channel.held), channel.size_bytes) == ([], 0)


def test_bytes_of_one_camera_are_bounded() -> None:
    bench = Bench(LiveSettings(buffer_bytes_per_camera=MIB))
    fat = [
        replace(each, units=tuple(replace(unit, data=unit.data + bytes(60_000)) for unit in each.units))
        for each in film(8, start_ns=START_NS)
    ]
    bench.put(*fat)
    channel = bench.buffer._channels["gate", View.MASKED]
    assert channel.size_bytes <= MIB
    assert [held.batch.sequence for held in channel.held] == [5, 6, 7]
    assert channel.size_bytes == sum(held.size_bytes for held in channel.held)


def test_bytes_of_all_cameras_are_bounded_at_the_cost_of_the_fullest() -> None:
    bench = Bench(LiveSettings(buffer_bytes=MIB))
    small = film(1, camera="yard", start_ns=START_NS)
    fat = [
        replace(each, units=tuple(replace(unit, data=unit.data + bytes(60_000)) for unit in each.units))
        for each in film(8, start_ns=START_NS)
    ]
    bench.put(*small, *fat)
    assert bench.sequences("yard") == [0]
    assert bench.sequences() == [7]
    assert bench.buffer._size_bytes() <= MIB


def test_an_idle_camera_is_forgotten_in_time(bench: Bench) -> None:
    bench.put(*film(2, start_ns=START_NS))
    bench.clock.advance(9)
    bench.buffer.expire()
    assert bench.sequences() == [1]
    bench.clock.advance(2)
    bench.buffer.expire()
    assert bench.sequences() == []


@pytest.mark.asyncio
async def test_what_nobody_watches_any_more_is_forgotten(bench: Bench) -> None:
    viewer = bench.buffer.watch(SYSTEM, "gate", View.MASKED)
    bench.put(*film(1, start_ns=START_NS))
    assert bench.buffer.watched() == {("gate", View.MASKED)}
    bench.buffer.forget("gate", View.MASKED)
    assert bench.sequences() == [0], "somebody came back in the meantime"
    bench.buffer.leave("gate", View.MASKED, viewer)
    assert bench.buffer.watched() == set()
    bench.buffer.forget("gate", View.MASKED)
    assert bench.sequences() == []


@pytest.mark.asyncio
async def test_a_view_begins_with_the_newest_key_picture(bench: Bench) -> None:
    bench.put(*film(4, start_ns=START_NS, gop=10))
    viewer = bench.buffer.watch(SYSTEM, "gate", View.MASKED)
    assert drain(viewer) == [2, 3]


@pytest.mark.asyncio
async def test_a_view_goes_on_with_what_comes(bench: Bench) -> None:
    viewer = bench.buffer.watch(SYSTEM, "gate", View.MASKED)
    bench.put(*film(1, start_ns=START_NS))
    held = await viewer.next(10)
    assert held is not None
    assert held.codec.startswith("avc1.")
    bench.buffer.leave("gate", View.MASKED, viewer)
    bench.put(*film(1, start_ns=START_NS, first_sequence=1))
    assert await viewer.next(0.01) is None


@pytest.mark.asyncio
async def test_a_view_that_opens_mid_gop_waits_for_a_key_picture(bench: Bench) -> None:
    batches = film(4, start_ns=START_NS, gop=10)
    viewer = bench.buffer.watch(SYSTEM, "gate", View.MASKED)
    bench.put(*batches[1:])
    held = await viewer.next(10)
    assert held is not None
    assert held.batch.sequence == 2


@pytest.mark.asyncio
async def test_a_slow_viewer_skips_to_newer_pictures_a_decoder_can_start_with() -> None:
    bench = Bench(LiveSettings(queue_bytes_per_viewer=64 * 1024))
    viewer = bench.buffer.watch(SYSTEM, "gate", View.MASKED)
    fat = [
        replace(each, units=tuple(replace(unit, data=unit.data + bytes(3000)) for unit in each.units))
        for each in film(7, start_ns=START_NS, gop=10)
    ]
    bench.put(*fat)
    seen = []
    while (held := await viewer.next(0.01)) is not None:
        seen.append(held.batch)
    assert seen[0].starts_with_key
    assert [batch.sequence for batch in seen] == [4, 5, 6]


@pytest.mark.asyncio
async def test_the_views_are_separate(bench: Bench) -> None:
    masked = bench.buffer.watch(SYSTEM, "gate", View.MASKED)
    annotated = bench.buffer.watch(SYSTEM, "gate", View.ANNOTATED)
    bench.put(*film(1, start_ns=START_NS), view=View.ANNOTATED)
    assert await annotated.next(10) is not None
    assert await masked.next(0.01) is None
    assert bench.sequences() == []


@pytest.mark.parametrize(("communes", "is_seen"), [({"Lille"}, True), ({"Hellemmes"}, False), (set(), False)])
@pytest.mark.asyncio
async def test_pictures_of_a_camera_out_of_scope_do_not_leave(bench: Bench, communes: set[str], is_seen: bool) -> None:
    bench.directory.load([camera(1)], {"gate": "Lille"})
    scope = Scope("somebody", Territory(communes=frozenset(communes)))
    if is_seen:
        bench.buffer.watch(scope, "gate", View.MASKED)
    else:
        with pytest.raises(NotFound):
            bench.buffer.watch(scope, "gate", View.MASKED)


def test_after_a_picture_of_the_lane_nothing_older_is_shown(bench: Bench) -> None:
    film_ = film(12, start_ns=START_NS)
    assert bench.put(film_[0]) == [True]
    assert bench.put_by_lane(film_[6]) == [True]
    assert bench.put(*film_[1:7]) == [False] * 6
    assert bench.put_by_lane(film_[5], film_[6]) == [False, False]
    assert bench.put(film_[7]) == [True], "the road has caught up"
    assert bench.put_by_lane(film_[7], film_[8]) == [False, True]
    assert bench.put(film_[8], film_[9]) == [False, True]


def test_after_a_picture_of_the_lane_the_others_go_on_where_nothing_leans_on_what_it_left_out(bench: Bench) -> None:
    halves = film(8, start_ns=START_NS, gop=10, per_batch=5)
    key = halves[2]
    assert key.starts_with_key
    assert not halves[3].starts_with_key
    assert bench.put_by_lane(replace(key, units=key.units[:1])) == [True]
    assert bench.put(*halves[2:6]) == [False, False, True, True]
    assert bench.sequences() == [4, 5]


@pytest.mark.parametrize("silent_s", [0, 30, 590])
def test_connections_before_that_of_the_lane_stay_unshown_however_long_it_is_silent(
    bench: Bench, silent_s: float
) -> None:
    """A group of pictures may last long, and the lane be closed before the road is there."""
    old, newer = (film(9, start_ns=START_NS + epoch * 10**10, epoch=epoch) for epoch in (1, 2))
    newest = film(3, start_ns=START_NS + 3 * 10**10, epoch=3)
    bench.put(*old[:2])
    bench.put_by_lane(newest[1])
    for each in (*old[2:], *newer):
        bench.clock.advance(silent_s / 16)
        assert bench.put(each) == [False]
    assert bench.put(*newest) == [False, False, True]


def test_what_is_caught_up_counts_no_more_against_a_clock_that_was_set_back(bench: Bench) -> None:
    new, old = film(4, start_ns=START_NS, epoch=9), film(3, start_ns=START_NS - 10**10, epoch=3)
    bench.put_by_lane(new[1])
    bench.put(*new)
    assert bench.put(*old) == [True, True, True]


def test_a_picture_of_the_lane_counts_no_longer_than_pictures_can_be_late(bench: Bench) -> None:
    new, old = film(2, start_ns=START_NS, epoch=9), film(1, start_ns=START_NS - 10**10, epoch=3)
    bench.put_by_lane(new[1])
    bench.clock.advance(MOST_BEHIND_S + 1)
    assert bench.put(*old) == [True]


def test_a_new_decision_refuses_what_comes_by_the_lane(bench: Bench) -> None:
    (one,) = film(1, start_ns=START_NS)
    bench.decide(2)
    assert bench.put_by_lane(one, replace(one, mask_version=2, sequence=1)) == [False, True]
