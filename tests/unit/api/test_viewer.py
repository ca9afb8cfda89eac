"""Who watches: a browser that leaves is forgotten, whatever comes at that moment."""

from __future__ import annotations

import asyncio

import pytest
from tests.application import film

from beffroi_api.modules.live.streaming.viewer import Held, Viewer

(BATCH,) = film(1, start_ns=1_793_534_400_000_000_000)


async def sending(viewer: Viewer) -> None:
    while True:
        await viewer.next(3600.0)


async def leaves(turns: int) -> bool:
    """Whether a view ends that is cancelled so many turns of the loop after a batch came."""
    viewer = Viewer(1 << 30)
    task = asyncio.create_task(sending(viewer))
    await asyncio.sleep(0)
    viewer._put(Held(BATCH, "avc1", BATCH.size_bytes, 0.0))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    ended = task.done()
    task.cancel()
    await asyncio.wait([task])
    return ended


@pytest.mark.parametrize("turns", range(6))
def test_a_view_ends_when_it_is_left_just_as_a_picture_comes(turns: int) -> None:
    assert asyncio.run(leaves(turns))
