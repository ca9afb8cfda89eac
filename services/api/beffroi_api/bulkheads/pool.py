"""Threads of one kind of work. Where they are all taken, that kind waits and no other."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import ParamSpec, TypeVar

from .turns import Limits, Turns

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Pool:
    """Runs what blocks in threads of its own, `limits.at_once` of them, each key in its turn.

    Args:
        name: of the threads.
        what: goes on in them, in words for whoever is refused.
        limits: of it.
        niceness: of the threads, 0 to 19: how far they step back where cores are scarce.
    """

    def __init__(self, name: str, what: str, limits: Limits, niceness: int = 0) -> None:
        self.turns = Turns(what, limits)
        self._threads = ThreadPoolExecutor(limits.at_once, name, _step_back, (niceness,))

    async def run(
        self, key: str, work: Callable[Given, Result], *arguments: Given.args, **named: Given.kwargs
    ) -> Result:
        """Wait for a turn of `key`, and for `work`.

        Raises:
            Busy: see `Turns.wait`.
        """
        turn = await self.turns.wait(key)
        call = functools.partial(contextvars.copy_context().run, work, *arguments, **named)
        with ExitStack() as unless_begun:
            unless_begun.callback(turn.leave)
            running = self._threads.submit(call)
            unless_begun.pop_all()
        # Whoever waits for it may leave before it ends; its thread is taken until then.
        running.add_done_callback(lambda _: turn.leave())
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Wait for what is under way, and let the threads go."""
        self._threads.shutdown(cancel_futures=True)


def _step_back(niceness: int) -> None:
    if niceness:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
