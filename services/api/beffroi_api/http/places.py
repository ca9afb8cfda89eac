"""Places for connections: so many of all together, so many of one network.

Where all are taken, whoever has been connected longest without asking for anything makes room: half a request costs
nothing, so somebody with many networks could otherwise take every place with such.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from beffroi_api.bulkheads.turns import Limits, Turn, Turns
from beffroi_api.errors import Busy
from beffroi_api.modules.session.attempts.throttle import network_of

ALL = "all"


class Connection(Protocol):
    """Somebody who has a place."""

    def make_room(self) -> None:
        """Give the place back at once, and go."""


@dataclass(frozen=True)
class Place:
    """One place, until it is given back."""

    of_network: Turn
    of_all: Turn

    def leave(self) -> None:
        """Give it back; a second time changes nothing."""
        self.of_network.leave()
        self.of_all.leave()


class Places:
    """Hands out places; on the event loop.

    Args:
        most: of all together.
        per_network: of these, of one network.
        is_proxy: whether an address speaks for many, each of whom is a network of their own.
    """

    def __init__(self, most: int, per_network: int, is_proxy: Callable[[str], bool] = lambda _: False) -> None:
        self._of_all = Turns("connections", Limits(at_once=most, per_key=most))
        self._of_networks = Turns("connections", Limits(at_once=most + 1, per_key=per_network))
        self._is_proxy = is_proxy
        self._numbers = itertools.count()
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        """Who asks for nothing, the one that has done so for longest first."""

    @property
    def taken(self) -> int:
        """How many are taken at present."""
        return self._of_all.taken

    def enter(self, address: str) -> Place:
        """Take a place for one more connection of an address.

        Raises:
            Busy: its network has as many as one may have, or nobody can make room.
        """
        network = f"proxied {next(self._numbers)}" if self._is_proxy(address) else network_of(address)
        of_network = self._of_networks.enter(network)
        try:
            return Place(of_network, self._enter())
        except Busy:
            of_network.leave()
            raise

    def idle(self, connection: Connection) -> None:
        """A connection asks for nothing from now on."""
        self._idle.setdefault(connection)

    def asks(self, connection: Connection) -> None:
        """A connection asked for something, or is gone."""
        self._idle.pop(connection, None)

    def _enter(self) -> Turn:
        try:
            return self._of_all.enter(ALL)
        except Busy:
            if not self._idle:
                raise
        longest, _ = self._idle.popitem(last=False)
        longest.make_room()
        return self._of_all.enter(ALL)
