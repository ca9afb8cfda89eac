"""Whose turn a request waits for: a person's, or, where nobody knows yet who asks, their network's."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from .turns import Limits, Turn, Turns

REMEMBERED = 4096
"""Sessions that are known to be in force; of one that was forgotten the next request is a stranger's, once."""

PEOPLE = Limits(at_once=32, per_key=3)
"""A request that holds a turn here takes milliseconds, so three of a person's at once are as fast as thirty. Together
with those of strangers they are the forty threads that answer them."""

STRANGERS = Limits(at_once=8, per_key=2)

LARGE_OF_PEOPLE = Limits(at_once=16, per_key=2)
LARGE_OF_STRANGERS = Limits(at_once=4, per_key=1)
"""Large requests, from their first byte to their answer: ten megabytes of memory together."""


class Admission:
    """Lets requests in, each in its turn.

    A token that anybody can make up is no person: whoever sends one waits with the other strangers of their network
    until it was found to be in force.
    """

    def __init__(self) -> None:
        self.people = Turns("requests", PEOPLE)
        self.strangers = Turns("requests", STRANGERS)
        self.large_of_people = Turns("large requests", LARGE_OF_PEOPLE)
        self.large_of_strangers = Turns("large requests", LARGE_OF_STRANGERS)
        self._known: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def learn(self, token: str | None, person: str | None) -> None:
        """A token belongs to `person`; None: to nobody, or not any more."""
        if token is None:
            return
        with self._lock:
            if person is None:
                self._known.pop(_hash(token), None)
                return
            self._known[_hash(token)] = person
            self._known.move_to_end(_hash(token))
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    async def wait(self, token: str | None, network: str) -> Turn:
        """Wait until a request may come in.

        Raises:
            Busy: see `Turns.wait`.
        """
        person = self._person(token)
        return await (self.strangers.wait(network) if person is None else self.people.wait(person))

    async def wait_large(self, token: str | None, network: str) -> Turn:
        """Wait until a large request may be sent.

        Raises:
            Busy: see `Turns.wait`.
        """
        person = self._person(token)
        return await (self.large_of_strangers.wait(network) if person is None else self.large_of_people.wait(person))

    def _person(self, token: str | None) -> str | None:
        with self._lock:
            return self._known.get(_hash(token)) if token is not None else None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
