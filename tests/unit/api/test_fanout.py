"""News to many, none of whom may hold up the rest."""

from __future__ import annotations

import json
from contextlib import nullcontext

import pytest
from tests.application import SYSTEM

from beffroi_api.authz.scope import Scope
from beffroi_api.authz.territory import EVERYWHERE, Territory
from beffroi_api.bulkheads.turns import Limits, Turns
from beffroi_api.errors import Busy
from beffroi_api.modules.events.schemas import CameraRemoved
from beffroi_api.modules.events.service import Fanout, Subscription

pytestmark = pytest.mark.asyncio


def fanout_of(listeners: int, each: int | None = None) -> Fanout:
    seats = Turns("open event streams", Limits(listeners, each or listeners))
    return Fanout(seats, queue_size=4, commune_of={"gate": "Lille", "yard": "Hellemmes"}.get)


async def test_everybody_receives() -> None:
    fanout = fanout_of(2)
    both = [fanout.subscribe(SYSTEM, "one") for _ in range(2)]
    fanout.publish("camera", CameraRemoved(id="gate"), "gate")
    for each in both:
        event = await each.next(10)
        assert event is not None
        assert (event.name, event.data) == ("camera", '{"id":"gate","removed":true}')
    fanout.unsubscribe(both[0])
    fanout.publish("camera", CameraRemoved(id="yard"), "yard")
    assert await both[0].next(0.01) is None
    assert await both[1].next(10) is not None


async def test_a_slow_one_is_disconnected() -> None:
    fanout = fanout_of(2)
    slow = fanout.subscribe(SYSTEM, "one")
    for _ in range(5):
        fanout.publish("camera", CameraRemoved(id="gate"), "gate")
    assert await slow.next(10) is None
    assert slow.ended


@pytest.mark.parametrize(("listeners", "each", "others_get_in"), [(1, 1, False), (2, 1, True)])
async def test_listeners_are_bounded(listeners: int, each: int, others_get_in: bool) -> None:
    fanout = fanout_of(listeners, each)
    fanout.refuse_when_full("one")
    first = fanout.subscribe(SYSTEM, "one")
    with pytest.raises(Busy):
        fanout.refuse_when_full("one")
    with nullcontext() if others_get_in else pytest.raises(Busy):
        fanout.subscribe(SYSTEM, "other")
    fanout.unsubscribe(first)
    fanout.refuse_when_full("one")


async def test_at_the_end_all_subscriptions_end() -> None:
    fanout = fanout_of(1)
    subscription = fanout.subscribe(SYSTEM, "one")
    fanout.end_all()
    assert await subscription.next(10) is None
    assert subscription.ended


async def test_news_of_a_camera_reach_those_in_whose_scope_it_is() -> None:
    communes = {"gate": "Lille", "yard": "Hellemmes"}
    fanout = Fanout(Turns("open event streams", Limits(4, 4)), queue_size=8, commune_of=communes.get)
    territories = [Territory(communes=frozenset({name})) for name in ("Lille", "Hellemmes")]
    lille, hellemmes, shared, all_ = (
        fanout.subscribe(Scope("somebody", territory), "somebody")
        for territory in (*territories, Territory(cameras=frozenset({"gate"})), EVERYWHERE)
    )
    for camera in ("gate", "yard", "unknown", None):
        fanout.publish("camera", CameraRemoved(id=str(camera)), camera)

    async def received(subscription: Subscription) -> list[str]:
        found = []
        while (event := await subscription.next(0.01)) is not None:
            found.append(json.loads(event.data)["id"])
        return found

    assert await received(lille) == ["gate", "None"]
    assert await received(hellemmes) == ["yard", "None"]
    assert await received(shared) == ["gate", "None"]
    assert await received(all_) == ["gate", "yard", "unknown", "None"]
    lille.scope = hellemmes.scope
    fanout.publish("camera", CameraRemoved(id="gate"), "gate")
    assert await received(lille) == []
