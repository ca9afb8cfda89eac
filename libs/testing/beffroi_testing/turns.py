"""Threads that take turns on a virtual clock, so that a whole system runs in one, the same way for the same seed.

`Turns` runs tasks one at a time, each until it waits for something; who is next is drawn by lot. Once all wait, the
clock goes on to the first who is due. `Threading` stands for the module `threading`, made of such tasks: code that
starts threads, waits for events and conditions or sleeps on them is run as it is, with `Threading.installed`.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count
from random import Random
from types import ModuleType
from typing import Any

from greenlet import getcurrent, greenlet

from .clock import ManualClock

MOST_SWITCHES = 20_000
"""Without the clock going on: more, and some tasks only ever wake each other."""


class Killed(BaseException):
    """The process of a task is gone at this very place; nobody catches it."""


class Process:
    """Tasks that are frozen, and die, together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frozen = False
        self.dead = False
        self.failure: BaseException | None = None
        """What ended one of its tasks, other than being killed."""


class Task:
    """Something that runs until it waits."""

    def __init__(self, process: Process, name: str, target: Callable[[], object], hub: greenlet) -> None:
        self.process = process
        self.name = name
        self.waits = 0
        """How often it has begun to wait: who wakes it says for which of these."""
        self.over = False
        self.ended = Signal()
        self._target = target
        self.greenlet = greenlet(self._run, hub)

    def _run(self) -> None:
        try:
            self._target()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - told at the end of the run
            self.process.failure = self.process.failure or error
        finally:
            self.over = True
            self.ended.fire()


class Signal:
    """Wakes whoever waits for it. What they wait for may not have come: they look again."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []

    def add(self, wake: Callable[[], None]) -> None:
        """Wake this one at the next `fire`."""
        self._waiting.append(wake)

    def fire(self) -> None:
        """Wake all."""
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()


class Turns:
    """Runs tasks. `lot` draws who is next."""

    def __init__(self, clock: ManualClock, lot: Random) -> None:
        self.clock = clock
        self._lot = lot
        self._hub = getcurrent()
        self._by_greenlet: dict[greenlet, Task] = {}
        self._ready: list[Task] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    @property
    def current(self) -> Task:
        """The task that asks."""
        return self._by_greenlet[getcurrent()]

    @property
    def is_inside(self) -> bool:
        """Whether a task asks, and not whoever drives them all."""
        return getcurrent() in self._by_greenlet

    def spawn(self, process: Process, name: str, target: Callable[[], object]) -> Task:
        """Add a task."""
        task = Task(process, name, target, self._hub)
        self._by_greenlet[task.greenlet] = task
        self._ready.append(task)
        return task

    def pause(self, timeout_s: float, signals: Collection[Signal] = ()) -> None:
        """Let others run, until the time is over or one of the signals fires.

        Raises:
            Killed: the process is dead.
        """
        task = self.current
        if task.process.dead:
            raise Killed
        task.waits += 1
        this = task.waits

        def wake() -> None:
            if task.waits == this and not task.over:
                task.waits += 1
                self._ready.append(task)

        if timeout_s <= 0:
            wake()
        elif timeout_s < math.inf:
            heappush(self._timers, (self.clock.monotonic_s() + timeout_s, next(self._numbers), wake))
        for signal in signals:
            signal.add(wake)
        self._hub.switch()
        if task.process.dead:
            raise Killed

    def kill(self, process: Process) -> None:
        """End all tasks of a process where they are; for whoever drives them. A task ends its own by `die`."""
        process.dead = True
        for task in [each for each in self._by_greenlet.values() if each.process is process]:
            if task.greenlet:  # else it never ran
                task.greenlet.throw(Killed)
            task.over = True
            self._forget(task)
        self._ready = [each for each in self._ready if each.process is not process]

    def die(self) -> None:
        """End the process of the task that asks, here and now.

        Raises:
            Killed: always.
        """
        self.current.process.dead = True
        raise Killed

    def run_until(self, at_s: float) -> None:
        """Let tasks run until the monotonic clock says `at_s`."""
        switches = 0
        while True:
            now_s = self.clock.monotonic_s()
            while self._timers and self._timers[0][0] <= now_s:
                heappop(self._timers)[2]()
            ready = [each for each in self._ready if not each.process.frozen]
            if ready:
                switches += 1
                if switches > MOST_SWITCHES:
                    names = sorted({f"{each.process.name}/{each.name}" for each in ready})
                    raise RuntimeError(f"no time passes: {names}")
                self._switch(ready[self._lot.randrange(len(ready))])
                continue
            switches = 0
            next_s = self._timers[0][0] if self._timers else math.inf
            self.clock.advance(max(0.0, min(next_s, at_s) - now_s))
            if next_s > at_s:
                return

    def _switch(self, task: Task) -> None:
        self._ready.remove(task)
        task.greenlet.switch()
        if task.process.dead:
            self.kill(task.process)
        elif task.over:
            self._forget(task)

    def _forget(self, task: Task) -> None:
        self._by_greenlet.pop(task.greenlet, None)


class _Thread:
    def __init__(self, threading_: Threading, target: Callable[..., object], name: str, args: Any, kwargs: Any) -> None:
        self._threading = threading_
        self._target = lambda: target(*args, **kwargs)
        self.name = name
        self._task: Task | None = None

    def start(self) -> None:
        turns = self._threading.turns
        self._task = turns.spawn(turns.current.process, self.name, self._target)

    def join(self, timeout: float | None = None) -> None:
        if self._task is not None:
            self._threading.wait(lambda: not self.is_alive(), timeout, self._task.ended)

    def is_alive(self) -> bool:
        return self._task is not None and not self._task.over


class _Event:
    def __init__(self, threading_: Threading) -> None:
        self._threading = threading_
        self._set = False
        self._changed = Signal()

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        self._changed.fire()

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        return self._threading.wait(self.is_set, timeout, self._changed)


class _Lock:
    def __init__(self, threading_: Threading) -> None:
        self._threading = threading_
        self._held = False
        self._released = Signal()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._held and blocking:
            self._threading.wait(lambda: not self._held, None if timeout < 0 else timeout, self._released)
        if self._held:
            return False
        self._held = True
        return True

    def release(self) -> None:
        self._held = False
        self._released.fire()

    def locked(self) -> bool:
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_error: object) -> None:
        self.release()


class _Condition:
    """Nobody else runs while its lock is held, but in `wait`: there is none."""

    def __init__(self, threading_: Threading) -> None:
        self._threading = threading_
        self._waiting: list[Signal] = []

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_error: object) -> None:
        pass

    def wait(self, timeout: float | None = None) -> bool:
        told = [False]
        signal = Signal()
        signal.add(lambda: told.__setitem__(0, True))
        self._waiting.append(signal)
        self._threading.wait(lambda: told[0], timeout, signal)
        if not told[0]:
            self._waiting.remove(signal)
        return told[0]

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        end_s = math.inf if timeout is None else self._threading.now_s + timeout
        while not predicate() and self._threading.now_s < end_s:
            self.wait(end_s - self._threading.now_s)
        return predicate()

    def notify(self, n: int = 1) -> None:
        told, self._waiting = self._waiting[:n], self._waiting[n:]
        for signal in told:
            signal.fire()

    def notify_all(self) -> None:
        self.notify(len(self._waiting))


class Threading:
    """Stands for the module `threading`; what it does not know is the module's own."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def __getattr__(self, name: str) -> Any:
        """What simulated code does not wait on."""
        return getattr(threading, name)

    @property
    def now_s(self) -> float:
        """The virtual clock."""
        return self.turns.clock.monotonic_s()

    def wait(self, ready: Callable[[], bool], timeout_s: float | None, signal: Signal) -> bool:
        """Let others run until `ready`, or until the time is over; look again whenever `signal` fires."""
        end_s = math.inf if timeout_s is None else self.now_s + timeout_s
        # Whoever drives the tasks is none of them, and waits for nobody.
        while not ready() and self.turns.is_inside and self.now_s < end_s:
            self.turns.pause(end_s - self.now_s, (signal,))
        return ready()

    def Thread(  # noqa: N802 - as threading has it
        self,
        *,
        target: Callable[..., object],
        name: str = "thread",
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        daemon: bool = True,  # noqa: ARG002
    ) -> _Thread:
        """A task of the process of whoever starts it."""
        return _Thread(self, target, name, args, kwargs or {})

    def Event(self) -> _Event:  # noqa: N802
        """See `threading.Event`."""
        return _Event(self)

    def Lock(self) -> _Lock:  # noqa: N802
        """See `threading.Lock`."""
        return _Lock(self)

    def Condition(self) -> _Condition:  # noqa: N802
        """See `threading.Condition`."""
        return _Condition(self)

    @contextmanager
    def installed(self, prefix: str, but: str) -> Iterator[None]:
        """Give it to every module of that prefix, `but` of another, in the place of `threading`."""
        modules = [
            module
            for name, module in list(sys.modules.items())
            if name.startswith(prefix) and not name.startswith(but) and _uses_threads(module)
        ]
        for module in modules:
            vars(module)["threading"] = self
        try:
            yield
        finally:
            for module in modules:
                vars(module)["threading"] = threading


def _uses_threads(module: ModuleType) -> bool:
    return vars(module).get("threading") is threading
