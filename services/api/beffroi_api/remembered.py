"""What is made of rows again and again, and seldom becomes different."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Basis = TypeVar("Basis")
Made = TypeVar("Made")


class Remembered(Generic[Basis, Made]):
    """The last thing that was made of each key, and what it was made of: made anew where that became different.

    One thing a key, so that memory goes with what there is, and not with how often it changes.
    """

    def __init__(self, most: int) -> None:
        """Of more than `most` keys those that were made longest ago are forgotten."""
        self._most = most
        self._held: OrderedDict[Hashable, tuple[Basis, Made]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def of(self, key: Hashable, basis: Basis, make: Callable[[Basis], Made]) -> Made:
        """What `make` makes of `basis`, and of nothing else; from any thread."""
        held = self._held.get(key)
        if held is not None and (held[0] is basis or held[0] == basis):
            return held[1]
        made = make(basis)
        with self._lock:
            self._held[key] = (basis, made)
            self._held.move_to_end(key)
            while len(self._held) > self._most:
                self._held.popitem(last=False)
        return made
