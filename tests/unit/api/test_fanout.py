"""News to many, none of whom may hold up the rest."""

from __future__ import annotations

import pytest

from beffroi_api.errors import Busy
from beffroi_api.modules.events.schemas import CameraRemoved
from beffroi_api.modules.events.service import Fanout

pytestmark = pytest.mark.asyncio


async def test_everybody_hears() -> None:
    fanout = Fanout(max_subscriptions=2, queue_size=4)
    both = [fanout.subscribe() for _ in range(2)]
    fanout.publish("camera", CameraRemoved(id="gate"))
    for each in both:
        event = await each.next(10)
        assert event is not None
        assert (event.name, event.data) == ("camera", '{"id":"gate","removed":true}')
    fanout.unsubscribe(both[0])
    fanout.publish("camera", CameraRemoved(id="yard"))
    assert await both[0].next(0.01) is None
    assert await both[1].next(10) is not None


async def test_a_slow_one_is_sent_away() -> None:
    fanout = Fanout(max_subscriptions=2, queue_size=4)
    slow = fanout.subscribe()
    for _ in range(5):
        fanout.publish("camera", CameraRemoved(id="gate"))
    assert await slow.next(10) is None
    assert slow.ended


async def test_listeners_are_bounded() -> None:
    fanout = Fanout(max_subscriptions=1, queue_size=4)
    fanout.refuse_when_full()
    fanout.subscribe()
    with pytest.raises(Busy):
        fanout.refuse_when_full()


async def test_at_the_end_all_are_sent_home() -> None:
    fanout = Fanout(max_subscriptions=1, queue_size=4)
    subscription = fanout.subscribe()
    fanout.end_all()
    assert await subscription.next(10) is None
    assert subscription.ended
