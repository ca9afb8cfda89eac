"""Places for connections: so many of all together, so many of one network.

Where all are taken, or all of one network, whoever of them has been connected longest without asking for anything makes
room: half a request costs nothing, so with such somebody could otherwise keep everybody out who is behind the same
address, and with many networks the whole commune.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from beffroi_api.bulkheads.turns import Limits, Turn, Turns
from beffroi_api.errors import Busy
from beffroi_api.modules.session.attempts.throttle import network_of

ALL = "all"


class Connection(Protocol):
    """Somebody who has a place."""

    @property
    def place(self) -> Place | None:
        """Theirs; None: it is given back, or somebody else's by now."""

    def make_room(self) -> None:
        """Give the place back at once, and go."""


@dataclass(frozen=True)
class Place:
    """One place, until it is given back."""

    network: str
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
        self._idle: OrderedDict[Connection, str] = OrderedDict()
        """Who asks for nothing, the one that has done so for longest first, and of which network they are."""
        self._idle_of: dict[str, OrderedDict[Connection, None]] = {}
        """The same people by network."""

    @property
    def taken(self) -> int:
        """How many are taken at present."""
        return self._of_all.taken

    def enter(self, address: str) -> Place:
        """Take a place for one more connection of an address.

        Raises:
            Busy: its network has as many as one may have, or all are taken, and nobody of them can make room.
        """
        network = f"proxied {next(self._numbers)}" if self._is_proxy(address) else network_of(address)
        of_network = self._enter(self._of_networks, network, self._idle_of.get(network))
        try:
            return Place(network, of_network, self._enter(self._of_all, ALL, self._idle))
        except Busy:
            of_network.leave()
            raise

    def idle(self, connection: Connection) -> None:
        """A connection asks for nothing from now on."""
        if connection.place is None:
            return
        network = self._idle.setdefault(connection, connection.place.network)
        self._idle_of.setdefault(network, OrderedDict()).setdefault(connection)

    def asks(self, connection: Connection) -> None:
        """A connection asked for something, or is gone."""
        network = self._idle.pop(connection, None)
        if network is None:
            return
        of_network = self._idle_of[network]
        del of_network[connection]
        if not of_network:
            del self._idle_of[network]  # networks come and go: strangers have as many as they like

    def _enter(self, turns: Turns, key: str, idle: Iterable[Connection] | None) -> Turn:
        try:
            return turns.enter(key)
        except Busy:
            if not idle:
                raise
        longest = next(iter(idle))
        self.asks(longest)
        longest.make_room()
        return turns.enter(key)
