"""News from the threads of the bus to the consoles that listen, through bounded queues."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from beffroi_api.authz.scope import Scope
from beffroi_api.bulkheads.turns import Turn, Turns


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of news: its name and its JSON."""

    name: str
    data: str


class Subscription:
    """One listener and its scope. It ends when it is too slow: it then has to ask for everything again anyway."""

    def __init__(self, scope: Scope, size: int, seat: Turn) -> None:
        self.scope = scope
        """Replaced when the territory of whoever listens has changed."""
        self.seat = seat
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(size)
        self._loop = asyncio.get_running_loop()
        self.ended = False

    def offer(self, event: Event | None) -> None:
        """Hand over from any thread; None ends it."""
        self._loop.call_soon_threadsafe(self._put, event)

    async def next(self, timeout_s: float) -> Event | None:
        """Wait for news; None when none came in time or the subscription ended (see `ended`)."""
        try:
            async with asyncio.timeout(timeout_s):  # `wait_for` may lose a cancel, see `Viewer.next`
                event = await self._queue.get()
        except TimeoutError:
            return None
        if event is None:
            self.ended = True
        return event

    def _put(self, event: Event | None) -> None:
        if event is None or self._queue.full():
            while not self._queue.empty():
                self._queue.get_nowait()
            event = None
        self._queue.put_nowait(event)


class Fanout:
    """Hands each piece of news to every subscription in whose scope it is."""

    def __init__(self, seats: Turns, queue_size: int, commune_of: Callable[[str], str | None]) -> None:
        self._seats = seats
        self._queue_size = queue_size
        self._commune_of = commune_of
        self._subscriptions: set[Subscription] = set()
        self._lock = threading.Lock()

    def refuse_when_full(self, person: str) -> None:
        """See that `person` may listen once more.

        Raises:
            Busy: too many do already, or they do too often.
        """
        self._seats.refuse_when_full(person)

    def subscribe(self, scope: Scope, person: str) -> Subscription:
        """Begin to listen; call it on the event loop.

        Raises:
            Busy: see `refuse_when_full`.
        """
        subscription = Subscription(scope, self._queue_size, self._seats.enter(person))
        with self._lock:
            self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop listening."""
        with self._lock:
            self._subscriptions.discard(subscription)
        subscription.seat.leave()

    def publish(self, name: str, news: BaseModel, camera: str | None) -> None:
        """Offer news of a camera to those in whose scope it is, of a service (None) to everybody; from any thread."""
        with self._lock:
            listening = tuple(self._subscriptions)
        if camera is not None:
            commune = self._commune_of(camera)
            listening = tuple(each for each in listening if each.scope.covers(camera, commune))
        if not listening:
            return
        event = Event(name, news.model_dump_json())
        for subscription in listening:
            subscription.offer(event)

    def end_all(self) -> None:
        """End every subscription: the process stops."""
        with self._lock:
            listening = tuple(self._subscriptions)
        for subscription in listening:
            subscription.offer(None)
