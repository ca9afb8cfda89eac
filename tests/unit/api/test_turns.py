"""Nobody waits for another's turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from beffroi_api.bulkheads.pool import Pool
from beffroi_api.bulkheads.turns import Limits, Turn, Turns
from beffroi_api.errors import Busy

pytestmark = pytest.mark.asyncio


def turns(
    at_once: int, per_key: int, waiting: int = 100, waiting_per_key: int = 100, wait_s: float | None = 30
) -> Turns:
    return Turns("jobs", Limits(at_once, per_key, waiting, waiting_per_key, wait_s))


async def lined_up(turns: Turns, *keys: str) -> list[asyncio.Task[Turn]]:
    """Somebody of each key waits, in this order."""
    tasks = []
    for key in keys:
        before = turns.waiting
        tasks.append(asyncio.create_task(turns.wait(key)))
        while turns.waiting == before and not tasks[-1].done():
            await asyncio.sleep(0)
    return tasks


async def settled(tasks: list[asyncio.Task[Turn]], count: int) -> list[int]:
    """Which of them have their turn, when so many do."""
    while sum(task.done() for task in tasks) < count:
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)
    return [index for index, task in enumerate(tasks) if task.done()]


async def test_one_key_does_not_take_what_others_need() -> None:
    found = turns(at_once=4, per_key=2)
    flood = await lined_up(found, *["flood"] * 60)
    assert await settled(flood, 2) == [0, 1]
    (await found.wait("other")).leave()


async def test_keys_take_turns() -> None:
    found = turns(at_once=1, per_key=1)
    first = await found.wait("flood")
    waiting = await lined_up(found, "flood", "flood", "one", "other")
    order: list[int] = []
    first.leave()
    for count in range(1, 5):
        (index,) = set(await settled(waiting, count)) - set(order)
        order.append(index)
        waiting[index].result().leave()
    assert order == [0, 2, 3, 1]


async def test_who_waits_is_bounded() -> None:
    found = turns(at_once=1, per_key=1, waiting=3, waiting_per_key=2)
    turn = await found.wait("flood")
    waiting = await lined_up(found, "flood", "flood")
    with pytest.raises(Busy):
        await found.wait("flood")
    waiting += await lined_up(found, "other")
    with pytest.raises(Busy):
        await found.wait("third")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (found.waiting, found.taken) == (0, 1)
    turn.leave()
    assert found.taken == 0


async def test_nobody_waits_longer_than_is_said() -> None:
    found = turns(at_once=1, per_key=1, wait_s=0.01)
    turn = await found.wait("one")
    with pytest.raises(Busy) as busy:
        await found.wait("other")
    assert busy.value.headers == {"Retry-After": "2"}
    assert found.waiting == 0
    turn.leave()
    turn.leave()
    assert found.taken == 0
    await found.wait("other")


async def test_a_turn_that_comes_to_somebody_who_left_goes_on() -> None:
    found = turns(at_once=1, per_key=1)
    turn = await found.wait("one")
    (waiting,) = await lined_up(found, "other")
    turn.leave()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert found.taken == 0


async def test_at_once_or_not_at_all() -> None:
    found = turns(at_once=2, per_key=1)
    seat = found.enter("one")
    with pytest.raises(Busy, match="You have 1 jobs already"):
        found.enter("one")
    found.enter("other")
    with pytest.raises(Busy, match="There are 2 jobs already"):
        found.enter("third")
    seat.leave()
    found.enter("third")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds work up until it is set."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_pool_that_is_full_leaves_the_others_alone(gate: threading.Event) -> None:
    full, other = (Pool(name, "jobs", Limits(2, 2, wait_s=None)) for name in ("full", "other"))
    held = [asyncio.create_task(full.run("one", gate.wait)) for _ in range(10)]
    assert await other.run("one", lambda: threading.current_thread().name) == "other_0"
    gate.set()
    assert all(await asyncio.gather(*held))
    for each in (full, other):
        each.close()


async def test_a_thread_is_taken_until_its_work_ends(gate: threading.Event) -> None:
    pool = Pool("jobs", "jobs", Limits(1, 1, wait_s=0.01))
    held = asyncio.create_task(pool.run("one", gate.wait))
    while not pool.turns.taken:
        await asyncio.sleep(0)
    held.cancel()
    await asyncio.gather(held, return_exceptions=True)
    with pytest.raises(Busy):
        await pool.run("other", gate.wait)
    gate.set()
    while pool.turns.taken:
        await asyncio.sleep(0)
    assert await pool.run("other", gate.wait)
    pool.close()


async def test_what_fails_gives_its_turn_back() -> None:
    pool = Pool("jobs", "jobs", Limits(1, 1))

    def fail() -> None:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        await pool.run("one", fail)
    assert pool.turns.taken == 0
    pool.close()
